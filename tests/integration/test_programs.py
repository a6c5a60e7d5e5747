"""The programs as an operator runs them."""

import signal
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.integration.caller import Caller
from tests.integration.test_stats import figures
from tests.programs import Program


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("arguments", "ready"), [(["serve", "--port", "0"], r"Open (http\S+)"), (["simulate", "--port", "0"], r"=(ws\S+)")]
)
def test_a_signal_ends_a_program_cleanly(
    arguments: list[str], ready: str, number: signal.Signals, tmp_path: Path
) -> None:
    """With exit code 0 and without a traceback."""
    with Program(arguments, ready, tmp_path / "log") as program:
        assert program.found
        assert program.stop(number) == 0
        assert "Traceback" not in program.log


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    """The second gateway on a port says what to do, and the first one goes on."""
    with Program(["serve", "--port", "0"], r"Open (http\S+)", tmp_path / "first") as first:
        port = first.found.rstrip("/").rpartition(":")[2]
        with pytest.raises(AssertionError, match="Set GATEWAY_PORT to a free port"):
            Program(["serve", "--port", port], r"Open (http\S+)", tmp_path / "second").__enter__()
        assert first.stop() == 0


@pytest.mark.parametrize("environment", [{}, {"GATEWAY_NO_EXTENSIONS": "1"}], ids=["as built", "all in Python"])
async def test_a_call_is_served(environment: dict[str, str], tmp_path: Path) -> None:
    """Sound goes in and out of the program, with its part in C and without."""
    with Program(["serve", "--port", "0"], r"Open (http\S+)/", tmp_path / "log", **environment) as program:
        async with ClientSession(program.found) as client, Caller(client, silent=True) as caller:
            async with client.ws_connect(caller.location + "/events") as socket:
                await socket.send_json({"type": "send-text", "data": {"content": "one two three"}})
                found = await figures(client, caller, lambda found: caller.heard > 10 and found["peer"])
            assert found["peer"]["audio"]["shares_ms"]["received"] > 0
            assert found["peer"]["audio"]["undecodable"] == 0
            assert found["peer"]["dropped"] == {}
            await client.delete(caller.location)
        assert program.stop() == 0
        assert "Traceback" not in program.log
