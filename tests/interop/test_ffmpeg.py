"""FFmpeg's own WHIP muxer, as someone restreams an IP camera: what it read is sent on as it is."""

import io
import json
import subprocess
import urllib.request
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.interop.conftest import LEAD_S, PHRASE_S, check_heard, run
from tests.measure.sound import Samples
from tests.programs import Program

pytestmark = pytest.mark.real

AFTER_S = 2.0
SENDERS = {  # both DTLS roles; the sizes and the high profile are those of OBS and of IP cameras
    "passive": ("1280x720", "3M", []),
    "active": ("1920x1080", "6M", ["-whip_flags", "dtls_active"]),
}


@pytest.fixture(scope="session")
def films(ffmpeg: str, microphone: Path) -> dict[str, Path]:
    """A film for each sender: 30 pictures a second without B-frames, a key frame every second, sound as Opus."""
    found = {}
    for name, (size, rate, _) in SENDERS.items():
        found[name] = microphone.with_name(f"{name}.mkv")
        run(
            [
                *(ffmpeg, "-loglevel", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=30"),
                *("-i", str(microphone), "-t", str(LEAD_S + PHRASE_S + AFTER_S), "-pix_fmt", "yuv420p"),
                *("-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "high", "-x264-params", "8x8dct=1"),
                *("-bf", "0", "-g", "30", "-b:v", rate, "-c:a", "libopus", "-ac", "2", str(found[name])),
            ]
        )
    return found


def test_both_roles_are_heard_and_seen(
    ffmpeg: str, films: dict[str, Path], gateway: Program, recorded: Path, speech: Samples
) -> None:
    """The model hears what was said and sees what was shown, whichever side opens DTLS; DELETE ends the session."""
    senders = []
    for name, (_, _, flags) in SENDERS.items():
        command = [ffmpeg, "-loglevel", "error", "-re", "-i", str(films[name]), "-c", "copy", *flags]
        senders.append(subprocess.Popen([*command, "-f", "whip", f"{gateway.found}whip/{name}"]))
        assert senders[-1].poll() is None
    assert [sender.wait(120) for sender in senders] == [0, 0]
    with urllib.request.urlopen(f"{gateway.found}healthz") as health:
        assert json.load(health)["sessions"] == 0
    assert gateway.log.count("ends: You ended the call.") == len(senders)
    connections = sorted(path for path in recorded.iterdir() if path.is_dir())
    assert len(connections) == len(senders)
    for connection in connections:
        check_heard(connection, speech)
        check_frames(connection, films["passive"])


def check_frames(directory: Path, film: Path) -> None:
    """The model saw pictures, at most three a second, and the first one is from the beginning of the film."""
    paths = sorted(directory.glob("frame-*.jpg"))
    assert 2 <= len(paths) <= 3 * (LEAD_S + PHRASE_S + AFTER_S) + 1
    with Image.open(io.BytesIO(paths[0].read_bytes())) as seen, av.open(str(film)) as container:
        assert seen.size == (512, 288)
        shown = next(container.decode(video=0)).to_image().resize(seen.size)
        assert np.corrcoef(np.asarray(seen).ravel(), np.asarray(shown).ravel())[0, 1] > 0.9
