"""Modules of the media plane as they are where nothing could be built in C."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec
from types import ModuleType
from unittest.mock import patch

from gateway.media import native


def pure(name: str) -> ModuleType:
    """A second copy of a module, all of it in Python."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with patch.object(native, "native", lambda function: function), patch.object(native, "IN_C", False):
        spec.loader.exec_module(module)
    return module
