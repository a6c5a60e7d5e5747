"""The settings of one session."""

from gateway.guard.claims import ANYONE, Claims
from gateway.guard.terms import terms
from gateway.settings import Settings


def test_without_claims_the_settings_hold() -> None:
    """All of them."""
    assert terms(Settings(), ANYONE) == Settings()


def test_claims_narrow() -> None:
    """The camera, how often it is looked at, how long is waited for a browser."""
    narrowed = terms(Settings(), Claims("anna", video=False, video_fps_max=0.5, reattach_s=0))
    assert not narrowed.video
    assert (narrowed.video_fps_min, narrowed.video_fps_max, narrowed.detach_grace_s) == (0.5, 0.5, 0)


def test_claims_never_widen() -> None:
    """More than the settings allow is what the settings allow."""
    wide = Claims("anna", video=True, video_fps_max=30, reattach_s=9999)
    assert terms(Settings(), wide) == Settings()
    assert terms(Settings(video=False), wide).video is False
