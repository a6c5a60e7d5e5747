"""How the process logs.

Owns the forms, the levels of our own loggers and of the libraries', and which session a line belongs to. It must not
know what is logged.
**Invariant: a line begins with the time in UTC and the level, or is one JSON object; no library speaks below a warning
unless DEBUG was asked for; at no level does one tell a secret, or what was said.**
"""

from __future__ import annotations

import json
import logging
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

LIBRARIES = ("aioice", "aiortc", "aiohttp", "websockets", "libav", "asyncio", "google", "urllib3", "opentelemetry")
# What they tell: SDP with its passwords, frames and headers of WebSockets with our key among them, and as a warning the
# subprotocols that a browser offers, where its token is.
INDISCREET = ("aiortc.rtcpeerconnection", "websockets", "aiohttp.websocket")
FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"

SESSION: ContextVar[str | None] = ContextVar("session", default=None)  # the label of the session that is at work


class JsonFormatter(logging.Formatter):
    """`{"time","level","logger","session","text"}`, and `error` where there is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": at, "level": record.levelname, "logger": record.name}
        session = SESSION.get()
        if session is not None:
            line["session"] = session
        line["text"] = record.getMessage()
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(level: str, form: Literal["text", "json"] = "text") -> None:
    """Log to standard error from this level on."""
    formatter = JsonFormatter() if form == "json" else logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(_discreet)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else logging.WARNING)
    for name in INDISCREET:
        logging.getLogger(name).setLevel(logging.ERROR)


def _discreet(record: logging.LogRecord) -> bool:
    """Of a request that it cannot read aiohttp tells all, as an error; it is no error of ours, and may hold a token."""
    kind = record.exc_info[0] if record.exc_info else None
    if record.name == "aiohttp.server" and kind is not None and kind.__module__ == "aiohttp.http_exceptions":
        record.msg, record.args = f"{record.getMessage()}: {kind.__name__}", ()
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return record.levelno >= logging.getLogger().getEffectiveLevel()
