"""What is logged, and how."""

import logging
import sys
from collections.abc import Iterator

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from gateway.telemetry.logs import INDISCREET, LIBRARIES, configure_logging


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
