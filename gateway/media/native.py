"""The innermost steps of the media plane in C, where that could be built.

Owns the choice between `_native.c` and Python. It must not know what the functions do.
**Invariant: a function in C does what the one in Python does that it stands for. Without a compiler, on another system
than Linux, or with `GATEWAY_NO_EXTENSIONS` set, the gateway is the same, and a call costs more (docs/capacity.md).**
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

from gateway.settings_sources import NO_EXTENSIONS_VARIABLE

Function = TypeVar("Function", bound=Callable[..., object])


def _built() -> ModuleType | None:
    if os.environ.get(NO_EXTENSIONS_VARIABLE):
        return None
    try:
        return importlib.import_module("gateway.media._native")
    except ImportError:
        return None


_native = _built()
IN_C = _native is not None


def native(pure: Function) -> Function:
    """The function of this name in C; the one that is decorated where there is none."""
    return pure if _native is None else getattr(_native, pure.__name__)
