"""libwebrtc in Node, without a browser: speaks in over WHIP and hears the answer over WHEP."""

from pathlib import Path

import numpy as np
import pytest

from tests.interop.conftest import HERE, RATE_HZ, WIRE_HZ, check_heard, check_speech, run
from tests.measure.sound import Samples, resample
from tests.programs import Program

pytestmark = pytest.mark.real


def test_node_speaks_in_and_hears_the_answer(
    node: str, microphone: Path, gateway: Program, recorded: Path, speech: Samples, tmp_path: Path
) -> None:
    """All candidates are in the offer; the model hears and sees, its voice comes back to the other connection."""
    ear = tmp_path / "ear.s16"
    run([node, str(HERE / "wrtc.mjs"), gateway.found, str(microphone), str(ear)])
    assert "ends: You ended the call." in gateway.log
    check_heard(recorded / "1", speech)
    assert list((recorded / "1").glob("frame-*.jpg"))
    heard = np.frombuffer(ear.read_bytes(), dtype="<i2").astype(np.float64) / 32768
    check_speech(resample(heard, WIRE_HZ, RATE_HZ), speech)
