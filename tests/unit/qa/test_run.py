"""`gateway qa` before there is a browser: what it was asked for."""

from pathlib import Path

import pytest

from gateway.cli import EXIT_WRONG, main
from gateway.errors import ConfigError
from gateway.qa.run import QaOptions, run_qa
from gateway.settings import Settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (QaOptions(network="loss=20"), "no figure 'loss'; there are loss_percent, burst, "),
        (QaOptions(chromium=Path("/nowhere/chromium")), "/nowhere/chromium is not a program that can be run"),
    ],
)
async def test_what_cannot_be_run_is_said_in_a_sentence(options: QaOptions, words: str) -> None:
    """A typing mistake, or a browser that is none, is no test that passes."""
    with pytest.raises(ConfigError, match=words):
        await run_qa(options, Settings())


async def test_a_browser_that_ends_says_its_last_words(tmp_path: Path) -> None:
    """They tell what is missing."""
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\necho 'no such library: libfoo' >&2\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(ConfigError, match="does not start: no such library: libfoo"):
        await run_qa(QaOptions(chromium=program), Settings())


def test_a_run_that_cannot_begin_is_told_from_one_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """As a program: another exit code, a sentence, and no report."""
    assert main(["qa", "--chromium", "/nowhere/chromium"]) == EXIT_WRONG
    assert capsys.readouterr().err == "gateway: --chromium /nowhere/chromium is not a program that can be run.\n"
