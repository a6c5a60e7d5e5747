"""What one call may cost in instructions of the processor: as `test_budget.py`, but down to the interpreter's own.

valgrind counts nearly the same on a busy machine and on a quiet one, but not the same for two builds of an interpreter:
each build that is known has budgets of its own, and another one is skipped. Only what the interpreter and its modules
in C do is counted, which is the gateway's part; codecs and ciphers choose their instructions by the processor. A new
budget is written down as there: only when the work is worth it, and also when it became less.
"""

import platform
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway.media.native import IN_C
from gateway.settings_sources import NO_EXTENSIONS_VARIABLE
from tests.instructions import OPTIONS, PACKETS, PARTS
from tests.programs import environment, require

SLACK = 0.06  # runs of one machine differ by 0.5 %, two machines once by 4 %, the codecs included
# Thousands of instructions for each packet of the microphone, while the model listens and while it answers: with the
# innermost steps in C, and without.
BUDGETS_K = {
    "3.11.7 GCC 12.2.0 x86_64": ((301, 383), (348, 444)),
    "3.11.2 GCC 12.2.0 x86_64": ((280, 358), (323, 414)),
}
BUILD = f"{platform.python_version()} {platform.python_compiler()} {platform.machine()}"


@pytest.mark.skipif(BUILD not in BUDGETS_K, reason=f"no budget is known for {BUILD}")
@pytest.mark.parametrize("in_python", [False, True], ids=["as built", "all in Python"])
def test_a_packet_of_a_call_stays_within_its_budget(in_python: bool, tmp_path: Path) -> None:
    """A person speaks; the model listens, then answers meanwhile."""
    if not (in_python or IN_C):
        pytest.skip("nothing is built in C")
    valgrind = require("valgrind", "apt-get install valgrind")
    command = [valgrind, *OPTIONS, f"--callgrind-out-file={tmp_path}/out", sys.executable, "-m", "tests.instructions"]
    chosen = environment(PYTHONHASHSEED="0", **{NO_EXTENSIONS_VARIABLE: "1"} if in_python else {})
    done = subprocess.run(command, env=chosen, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counted = [counted_k((tmp_path / f"out.{number}").read_text(encoding="utf-8")) for number in PARTS]
    parts = [sum(count for file, count in part.items() if "python" in file) for part in counted]
    now = " and ".join(f"{part:.0f}" for part in parts)
    most = "\n".join(f"{file}: {count:.1f}" for part in counted for file, count in part.most_common(6))
    assert parts == pytest.approx(BUDGETS_K[BUILD][in_python], rel=SLACK), f"now {now} thousand a packet:\n{most}"


def counted_k(written: str) -> Counter[str]:
    """Thousands of instructions a packet, for each program and library (Callgrind's format: `ob=`, `calls=`)."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    number = ""
    lines = iter(written.splitlines())
    for line in lines:
        if named := re.match(r"c?ob=\((\d+)\)(?: (.*))?", line):
            if named[2]:
                names[named[1]] = Path(named[2]).name
            if line.startswith("ob="):
                number = named[1]
        elif line.startswith("calls="):
            next(lines)  # what the callee did is counted where it stands
        elif line[:1] in "+-*0123456789" and line:
            counts[number] += int(line.split()[1])
    return Counter({names[number]: count / 1000 / PACKETS for number, count in counts.items()})
