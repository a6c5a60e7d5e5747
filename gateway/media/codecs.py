"""Which codecs an answer names.

Owns the choice among what aiortc knows. It must not know offers.
**Invariant: a codec that is not asked for is not answered.**
"""

from __future__ import annotations

from aiortc import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver


def prefer(transceiver: RTCRtpTransceiver, kind: str, mime_types: tuple[str, ...]) -> None:
    """Answer with these codecs only, in this order."""
    capabilities = (RTCRtpSender if kind == "audio" else RTCRtpReceiver).getCapabilities(kind)
    assert capabilities is not None
    transceiver.setCodecPreferences(
        [codec for mime_type in mime_types for codec in capabilities.codecs if codec.mimeType == mime_type]
    )
