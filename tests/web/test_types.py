"""The types of the modules of both pages; an operator's own page is built upon some of them."""

import subprocess
from pathlib import Path

from tests.programs import npm_ci

HERE = Path(__file__).parent
PROJECT = HERE.parents[1] / "web/jsconfig.json"


def test_the_types_of_the_modules_hold() -> None:
    """As TypeScript reads their JSDoc."""
    compiler = npm_ci(HERE) / ".bin/tsc"
    run = subprocess.run([compiler, "--project", PROJECT], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
