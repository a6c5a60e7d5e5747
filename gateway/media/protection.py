"""How the model's voice is protected from loss.

Owns the rule: what is lost in, what goes with each packet out. It must not know codecs, RTP or reports.
**Invariant: the voice and all its copies take no more than 90 kbit/s, or they would be what the network loses.**
"""

from __future__ import annotations

from dataclasses import dataclass

# Of loss. A repetition on request (NACK) takes a round trip and is often too late to be played; a copy is 20 ms late.
TWICE_PERCENT, THRICE_PERCENT = 2.0, 8.0
COPIES_MOST = 2
COARSE_PERCENT = 3.0  # below it a coarse copy costs more of the voice than it saves
COARSE_LEAST_PERCENT = 10  # with less Opus hardly makes any
COARSE_MOST_PERCENT = 30  # with more it leaves too few bits for the words
BITRATE_BPS, THRICE_BITRATE_BPS = 40_000, 28_000  # PESQ of our sentence in CELT without loss: 3.4 and 3.1


@dataclass(frozen=True, slots=True)
class Protection:
    """What goes with a packet of the voice."""

    copies: int = 0  # of packets before it, as they were (RED, RFC 2198)
    bitrate_bps: int = BITRATE_BPS  # of the voice itself
    coarse_percent: int = 0  # of loss that Opus is to be ready for, by coarse copies (LBRR, RFC 6716 §2.1.7); 0: none


def protection(loss_percent: float, *, red: bool) -> Protection:
    """What so much loss asks for. With RED no coarse copies: they need SILK, and add nothing to whole ones."""
    if red and loss_percent >= THRICE_PERCENT:
        return Protection(COPIES_MOST, THRICE_BITRATE_BPS)
    if red and loss_percent >= TWICE_PERCENT:
        return Protection(1)
    if not red and loss_percent >= COARSE_PERCENT:
        ready_for = min(COARSE_MOST_PERCENT, max(COARSE_LEAST_PERCENT, round(loss_percent)))
        return Protection(coarse_percent=ready_for)
    return Protection()
