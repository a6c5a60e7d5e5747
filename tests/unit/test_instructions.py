"""What one call may cost in instructions of the processor: as `test_budget.py`, but down to the codecs and libraries.

valgrind counts nearly the same on a busy machine and on a quiet one, but not the same
for two builds of an interpreter: each build that is known has budgets of its own, and another one is skipped. A new
budget is written down as there: only when the work is worth it, and also when it became less.
"""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.media.native import IN_C
from gateway.settings_sources import NO_EXTENSIONS_VARIABLE
from tests.instructions import PACKETS
from tests.programs import environment, require

SLACK = 0.025  # of eight runs the most and the least differed by that, so it is twice what one differs from the middle
# Thousands of instructions for each packet of the microphone, while the model listens and while it answers: with the
# innermost steps in C, and without.
BUDGETS_K = {
    "3.11.7 GCC 12.2.0 x86_64": ((419, 709), (473, 777)),
    "3.11.2 GCC 12.2.0 x86_64": ((399, 683), (447, 747)),
}
BUILD = f"{platform.python_version()} {platform.python_compiler()} {platform.machine()}"


@pytest.mark.skipif(BUILD not in BUDGETS_K, reason=f"no budget is known for {BUILD}")
@pytest.mark.parametrize("in_python", [False, True], ids=["as built", "all in Python"])
def test_a_packet_of_a_call_stays_within_its_budget(in_python: bool, tmp_path: Path) -> None:
    """A person speaks; the model listens, then answers meanwhile."""
    if not (in_python or IN_C):
        pytest.skip("nothing is built in C")
    counting = [require("valgrind", "apt-get install valgrind"), "--tool=callgrind", "--instr-atstart=no"]
    command = [*counting, f"--callgrind-out-file={tmp_path}/out", sys.executable, "-m", "tests.instructions"]
    chosen = environment(PYTHONHASHSEED="0", **{NO_EXTENSIONS_VARIABLE: "1"} if in_python else {})
    done = subprocess.run(command, env=chosen, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parts = [counted_k(tmp_path / f"out.{number}") / PACKETS for number in (1, 2)]
    words = " and ".join(f"{part:.0f}" for part in parts)
    assert parts == pytest.approx(BUDGETS_K[BUILD][in_python], rel=SLACK), f"now {words} thousand instructions a packet"


def counted_k(path: Path) -> float:
    """Thousands of instructions in a part."""
    found = re.search(r"^totals: (\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, "valgrind did not write what it counted"
    return int(found[1]) / 1000
