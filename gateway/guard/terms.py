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
    grace_s = settings.detach_grace_s if claims.reattach_s is None else claims.reattach_s
    return settings.model_copy(
        update={
            "video": settings.video and claims.video,
            "video_fps_max": fps_max,
            "video_fps_min": min(settings.video_fps_min, fps_max),
            "detach_grace_s": min(settings.detach_grace_s, grace_s),
        }
    )
