"""A short run over every target; `make fuzz` is the long one."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

SEED = 20
INPUTS_A_SHARE, INPUTS_MOST = 12, 400  # of a target; what is fast has the greater share
HANG_S = 1.0  # of processor time: far above the 50 ms of `make fuzz`, because processors differ


def changed(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One input made of two."""
    start, end = sorted(rng.choices(range(len(data) + 1), k=2))
    match rng.randrange(6):
        case 0:  # a hole
            return data[:start] + data[end:]
        case 1:  # said again
            return data[:end] + data[start:end] * rng.randint(1, 40) + data[end:]
        case 2:  # what another says here
            return data[:start] + other[start:end] + data[end:]
        case 3:  # bits
            wrong = bytearray(data)
            for at in rng.choices(range(len(data)), k=min(len(data), 4)):
                wrong[at] ^= 1 << rng.randrange(8)
            return bytes(wrong)
        case 4:  # numbers at their ends
            return data[:start] + rng.choice((b"\0" * 4, b"\xff" * 4, b"-1", b"4294967296", b"1e999")) + data[end:]
        case _:
            return data[:start] + rng.randbytes(rng.randint(1, 16)) + data[start:]


def run(target: Target, data: bytes) -> None:
    """An input, which is not to raise nor to hang."""
    begun_s = time.thread_time()
    target.run(data)
    assert time.thread_time() - begun_s < HANG_S, data


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_was_changed_a_little_is_taken_or_refused(target: Target) -> None:
    """Seeds, what was once found, and the same inputs each time that are made of them."""
    rng = random.Random(SEED)
    corpus = target.corpus()
    for data in corpus:
        run(target, data)
    for _ in range(min(INPUTS_MOST, INPUTS_A_SHARE * target.share)):
        data = rng.choice(corpus)
        for _ in range(rng.randint(1, 3)):
            data = changed(data, rng.choice(corpus), rng)[: target.max_bytes]
        run(target, data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_bytes_are_taken_or_refused(target: Target) -> None:
    """Also those that are like nothing; hypothesis shortens what is found."""

    @seed(SEED)
    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=512))
    def check(data: bytes) -> None:
        run(target, data)

    check()
