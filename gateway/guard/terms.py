"""The settings of one session: those of the gateway, narrowed by what its claims say.

Owns which claim narrows which setting. It must not know what the settings do.
**Invariant: claims never widen a setting.**
"""

from __future__ import annotations

from gateway.guard.claims import Claims
from gateway.settings import Settings


def terms(settings: Settings, claims: Claims) -> Settings:
    """The settings under these claims."""
    fps_max = min(settings.video_fps_max, claims.video_fps_max or settings.video_fps_max)
    return settings.model_copy(
        update={
            "video": settings.video and claims.video,
            "video_fps_max": fps_max,
            "video_fps_min": min(settings.video_fps_min, fps_max),
            "detach_grace_s": least(settings.detach_grace_s, claims.reattach_s),
            "session_max_s": least(settings.session_max_s, claims.session_max_s),
            "token_budget": least(settings.token_budget, claims.token_budget),
            "frame_budget": least(settings.frame_budget, claims.frame_budget),
        }
    )


def least(setting: float | None, claim: float | None) -> float | None:
    """The narrower one; None: no limit."""
    return min((one for one in (setting, claim) if one is not None), default=None)
