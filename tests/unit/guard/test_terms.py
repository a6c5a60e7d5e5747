"""The settings of one session under its claims."""

from hypothesis import given
from hypothesis import strategies as st

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


NUMBERS = st.none() | st.integers(1, 10**6)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_claims_narrow_and_never_widen(
    setting: int | None, claim: int | None, seconds: int | None, fps: int | None, grace_s: int | None
) -> None:
    """Where there was no limit the claim is one."""
    settings = Settings(token_budget=setting, frame_budget=setting)
    told = terms(
        settings,
        Claims(
            "x",
            token_budget=claim,
            frame_budget=claim,
            session_max_s=seconds,
            video_fps_max=fps and fps / 100,
            reattach_s=grace_s,
        ),
    )
    said = [one for one in (setting, claim) if one is not None]
    assert told.token_budget == told.frame_budget == (min(said) if said else None)
    assert told.session_max_s == min(settings.session_max_s, seconds or settings.session_max_s)
    assert told.detach_grace_s == min(settings.detach_grace_s, grace_s or settings.detach_grace_s)
    assert told.video_fps_min <= told.video_fps_max <= settings.video_fps_max
