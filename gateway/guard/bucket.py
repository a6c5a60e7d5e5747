"""Rates: how often something may happen.

Owns the token bucket, and buckets by key in bounded memory. It must not know what is counted, nor clocks: time is an
argument.
**Invariant: over any `t` seconds no more than `burst + rate · t` is let through; `Buckets` never holds more than its
`keys_max`, whoever sends from wherever.**
"""

from __future__ import annotations

from collections import OrderedDict


class TokenBucket:
    """Lets `rate_per_s` through on average, and `burst` at once."""

    __slots__ = ("_at_s", "_burst", "_left", "_rate_per_s")

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = self._left = burst
        self._at_s: float | None = None

    def take(self, now_s: float, amount: float = 1.0) -> bool:
        """Use this much; False, and nothing is used, when there is less."""
        if self._at_s is not None and now_s > self._at_s:
            self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate_per_s)
        if self._at_s is None or now_s > self._at_s:
            self._at_s = now_s
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def wait_s(self, amount: float = 1.0) -> float:
        """After the last `take`: how long until this much is there; infinite for more than the burst."""
        if amount > self._burst:
            return float("inf")
        return max(0.0, (amount - self._left) / self._rate_per_s)


class Buckets:
    """A bucket for each key. When there are too many the one that was used longest ago is forgotten, and with it only
    what its key had used up."""

    def __init__(self, rate_per_s: float, burst: float, keys_max: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now_s: float, amount: float = 1.0) -> float | None:
        """Use this much of the key's bucket: None when it was there, else the seconds until it will be."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate_per_s, self._burst)
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return None if bucket.take(now_s, amount) else bucket.wait_s(amount)
