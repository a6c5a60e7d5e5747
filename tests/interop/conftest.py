"""What interop tests share: clients of others as they come from their registries, and what they say and show."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from scipy.io import wavfile

from tests.browser.camera import write_camera
from tests.browser.conftest import browser, options
from tests.measure.sound import Samples, read_wav, resample
from tests.measure.words import THAT_SPEECH, arrival
from tests.programs import Program, gateway_and_simulator, npm_ci, require

__all__ = ["browser", "options"]

HERE = Path(__file__).parent
CORPUS = HERE.parent / "corpus"
RATE_HZ = 16_000
WIRE_HZ = 48_000
PHRASE_S = 3.4  # the first sentence and the silence after it
LEAD_S = 2.5  # until every client is connected
TAIL_S = 8.0  # for an answer


@pytest.fixture(scope="session")
def node() -> str:
    """Node, and beside it the packages of the lock file."""
    npm_ci(HERE)
    return require("node", "apt-get install nodejs npm")


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """FFmpeg 9."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@pytest.fixture(scope="session")
def speech() -> Samples:
    """What is said, 16 kHz."""
    return read_wav(CORPUS / "speech/question.wav", RATE_HZ)[: round(PHRASE_S * RATE_HZ)]


@pytest.fixture(scope="session")
def microphone(speech: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV at 48 kHz: silence, speech, silence."""
    path = tmp_path_factory.mktemp("microphone") / "microphone.wav"
    silence = [np.zeros(round(length_s * WIRE_HZ)) for length_s in (LEAD_S, TAIL_S)]
    line = np.concatenate((silence[0], resample(speech, RATE_HZ, WIRE_HZ), silence[1]))
    wavfile.write(path, WIRE_HZ, (line * 32767).astype(np.int16))
    return path


@pytest.fixture(scope="session")
def devices(microphone: Path) -> tuple[Path, Path]:
    """Files of Chromium's fake devices."""
    camera = microphone.with_name("camera.mjpeg")
    write_camera(camera)
    return microphone, camera


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Where the simulator records its connections: directories 1, 2, …"""
    return tmp_path / "recorded"


@pytest.fixture
def gateway(tmp_path: Path, recorded: Path) -> Iterator[Program]:
    """A gateway with a simulator behind it."""
    with gateway_and_simulator(tmp_path, recorded) as (running, _):
        yield running
        assert "Traceback" not in running.log


def check_speech(line: Samples, speech: Samples) -> None:
    """What was said is there. How good it is, is measured by bench/network.py."""
    assert arrival(speech, line, RATE_HZ).share > THAT_SPEECH


def check_heard(directory: Path, speech: Samples) -> None:
    """The model heard what was said: the record of one connection to it."""
    check_speech(read_wav(directory / "audio.wav", RATE_HZ), speech)


def run(arguments: list[str], timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """A program to its end; its output is shown when it fails."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
