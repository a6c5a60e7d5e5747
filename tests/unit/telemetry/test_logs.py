"""What is logged, and how."""

import json
import logging
import sys
from collections.abc import Iterator
from contextvars import copy_context

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from gateway.telemetry.logs import INDISCREET, LIBRARIES, SESSION, configure_logging


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    for name in (*LIBRARIES, *INDISCREET):
        logging.getLogger(name).setLevel(logging.NOTSET)


def report(error: Exception) -> None:
    """As aiohttp reports an error."""
    try:
        raise error
    except Exception:
        logger = logging.getLogger("aiohttp.server")
        logger.error("Error handling request from %s", "192.0.2.1", exc_info=sys.exc_info())


def test_a_request_that_cannot_be_read_is_a_line_without_its_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    """No error of ours, and maybe somebody's token; nothing at all where less is logged."""
    configure_logging("INFO")
    report(BadHttpMessage("Authorization : Bearer secret"))
    logged = capsys.readouterr().err
    assert "INFO    aiohttp.server: Error handling request from 192.0.2.1: BadHttpMessage" in logged
    assert "secret" not in logged
    configure_logging("WARNING")
    report(BadHttpMessage("Authorization : Bearer secret"))
    assert capsys.readouterr().err == ""


def test_a_defect_stays_an_error_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where aiohttp reports it."""
    configure_logging("INFO")
    report(ZeroDivisionError("ours"))
    logged = capsys.readouterr().err
    assert "ERROR" in logged
    assert "ZeroDivisionError: ours" in logged


def test_libraries_whisper(capsys: pytest.CaptureFixture[str]) -> None:
    """Below a warning only at DEBUG; those that tell secrets not even then."""
    for level, heard in (("INFO", False), ("DEBUG", True)):
        configure_logging(level)
        logging.getLogger("aioice.ice").info("candidates")
        logging.getLogger("websockets.client").debug("x-goog-api-key")
        logging.getLogger("aiortc.rtcpeerconnection").debug("ice-pwd")
        logging.getLogger("aiohttp.websocket").warning("token.")
        logged = capsys.readouterr().err
        assert ("candidates" in logged) is heard
        assert "x-goog-api-key" not in logged
        assert "ice-pwd" not in logged
        assert "token." not in logged


def test_a_line_of_json_is_one_object_with_its_session(capsys: pytest.CaptureFixture[str]) -> None:
    """Time in UTC, level, logger, session, text; also with line breaks and quotes in it."""
    configure_logging("INFO", "json")
    logger = logging.getLogger("gateway.test")
    inside = copy_context()
    inside.run(SESSION.set, "ab12-xyz")
    inside.run(logger.info, 'peer is "%s"\nnow', "suspect")
    logger.warning("nobody's")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first == {
        "time": first["time"],
        "level": "INFO",
        "logger": "gateway.test",
        "session": "ab12-xyz",
        "text": 'peer is "suspect"\nnow',
    }
    assert first["time"].endswith("Z")
    assert "session" not in second


def test_a_traceback_is_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a line stays a line; and what a request cannot be read for is told without its bytes here, too."""
    configure_logging("INFO", "json")
    report(ZeroDivisionError("ours"))
    report(BadHttpMessage("Authorization : Bearer secret"))
    defect, unreadable = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: ours" in json.loads(defect)["error"]
    assert "error" not in json.loads(unreadable)
    assert "secret" not in unreadable
