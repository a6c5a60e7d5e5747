"""How the process logs.

Owns the format and the levels, of our own loggers and of the libraries'. It must not know what is logged.
**Invariant: a line begins with the time in UTC and the level, and no library speaks below a warning unless DEBUG was
asked for; at no level does one tell a secret, or what was said.**
"""

from __future__ import annotations

import logging
import time

LIBRARIES = ("aioice", "aiortc", "aiohttp", "websockets", "libav", "asyncio", "google", "urllib3")
# What they tell: SDP with its passwords, frames and headers of WebSockets with our key among them, and as a warning the
# subprotocols that a browser offers, where its token is.
INDISCREET = ("aiortc.rtcpeerconnection", "websockets", "aiohttp.websocket")
FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Log to standard error from this level on."""
    formatter = logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%S")
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
