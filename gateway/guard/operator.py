"""The operator's key.

Owns the comparison. It must not know what the operator may do.
**Invariant: how long the comparison takes tells nothing of the key, not even its length.**
"""

from __future__ import annotations

import hashlib
import hmac

from gateway.guard.claims import Claims
from gateway.settings import Settings

OPERATOR = Claims(subject="operator", operator=True)


def is_operator(settings: Settings, bearer: str) -> bool:
    """Whether this is the operator's key, or the one before it."""
    given = _digest(bearer)
    right = False
    for key in (settings.operator_key, settings.operator_key_previous):
        if key is not None:
            right |= hmac.compare_digest(_digest(key.get_secret_value()), given)
    return right


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()
