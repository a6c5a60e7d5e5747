"""How the process logs.

Owns the format and the levels, of our own loggers and of the libraries'. It must not know what is logged.
**Invariant: a line begins with the time in UTC and the level, and no library speaks below a warning unless DEBUG was
asked for.**
"""

from __future__ import annotations

import logging
import time

LIBRARIES = ("aioice", "aiortc", "aiohttp", "websockets", "libav", "asyncio", "google", "urllib3")
FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Log to standard error from this level on."""
    formatter = logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else logging.WARNING)
