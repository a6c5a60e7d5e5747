"""The house: imports run one way, private names of others stay in one room, modules stay small."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gateway"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Each layer may import itself where it is one room, and every layer below.
LAYERS = (
    ("gateway.__main__",),
    ("gateway.cli",),
    ("gateway.doctor",),
    ("gateway.doctor_network",),
    ("gateway.qa",),
    ("gateway.trial",),
    ("gateway.app",),
    ("gateway.doors",),
    ("gateway.cluster",),
    ("gateway.testing",),
    ("gateway.registry", "gateway.workers"),
    ("gateway.session", "gateway.lan"),
    ("gateway.peer_leg",),
    ("gateway.uplink",),
    (
        "gateway.allowance",
        "gateway.captions",
        "gateway.declarations",
        "gateway.line",
        "gateway.sent_frames",
        "gateway.speech",
    ),
    ("gateway.keeper", "gateway.record"),
    ("gateway.latency", "gateway.listeners", "gateway.certificate", "gateway.data_carrier"),
    ("gateway.commands", "gateway.dialect"),
    (
        "gateway.media",
        "gateway.live",
        "gateway.tools",
        "gateway.store",
        "gateway.simulator",
        "gateway.impair",
        "gateway.turn",
    ),
    ("gateway.guard",),
    ("gateway.telemetry", "gateway.lifecycle", "gateway.events", "gateway.settings_table", "gateway.settings_env"),
    ("gateway.settings_sources", "gateway.settings_check"),
    ("gateway.settings",),
    ("gateway.settings_limits",),
    ("gateway.errors", "gateway.mistakes", "gateway.findings", "gateway"),
)

# The rules: no I/O, no asyncio, no codec, no clock of their own.
PURE = (
    "gateway.commands",
    "gateway.dialect",
    "gateway.media.sctp",
    "gateway.lifecycle",
    "gateway.media.activity",
    "gateway.media.answer",
    "gateway.media.dimensions",
    "gateway.media.frames",
    "gateway.media.gaps",
    "gateway.media.key_frames",
    "gateway.media.playout",
    "gateway.media.stream_ear",
    "gateway.media.stream_wire",
    "gateway.media.reorder",
    "gateway.media.rtp",
    "gateway.media.sampler",
    "gateway.media.sender",
    "gateway.media.timeline",
    "gateway.guard.addresses",
    "gateway.guard.admission",
    "gateway.guard.bucket",
    "gateway.guard.budgets",
    "gateway.media.voice",
    "gateway.guard.claims",
    "gateway.guard.grant",
    "gateway.guard.operator",
    "gateway.guard.terms",
    "gateway.guard.tokens",
    "gateway.guard.turn_credentials",
    "gateway.guard.deadlines",
    "gateway.guard.intake",
    "gateway.impair.conditions",
    "gateway.live.answer",
    "gateway.live.breaker",
    "gateway.live.context",
    "gateway.live.ladder",
    "gateway.live.messages",
    "gateway.live.models",
    "gateway.live.outbox",
    "gateway.live.past",
    "gateway.live.recovery",
    "gateway.live.rotation",
    "gateway.live.seed",
    "gateway.live.toolgate",
    "gateway.live.transcript",
    "gateway.live.watchdog",
    "gateway.doors.sdp",
    "gateway.record",
    "gateway.simulator.answer",
    "gateway.simulator.context",
    "gateway.simulator.flavours",
    "gateway.simulator.pace",
    "gateway.simulator.voice",
    "gateway.simulator.wire",
    "gateway.telemetry.ttfab",
    "gateway.turn.outside",
    "gateway.turn.peers",
    "gateway.testing.networks",
    "gateway.testing.plan",
    "gateway.tools.ledger",
    "gateway.tools.schema",
)
IMPURE_IMPORTS = {"asyncio", "aiohttp", "aiortc", "aioice", "av", "websockets", "socket", "threading", "time", "os"}


def imports_of(path: Path) -> Iterator[str]:
    """Absolute names of all modules a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides which room it comes from"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module in MODULES)


def room_of(module: str) -> tuple[int, str]:
    """(layer, room) of a module; layer 0 is the top."""
    for depth, rooms in enumerate(LAYERS):
        for room in sorted(rooms, key=len, reverse=True):
            if module == room or (room != "gateway" and module.startswith(room + ".")):
                return depth, room
    raise AssertionError(f"{module} belongs to no room: give it one in docs/design.md and in this test")


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_down(module: str) -> None:
    """A module imports its own room and the layers below it, never a neighbour and never upwards."""
    depth, room = room_of(module)
    for imported in imports_of(MODULES[module]):
        if imported not in MODULES:
            continue
        imported_depth, imported_room = room_of(imported)
        assert imported_room == room or imported_depth > depth, f"{module} must not import {imported}"


def test_there_is_no_circle() -> None:
    """Following imports never leads back to where one came from."""
    graph = {module: {name for name in imports_of(path) if name in MODULES} for module, path in MODULES.items()}
    for module, path in MODULES.items():
        if path.name == "__init__.py":  # a package's face imports its rooms, and importing a room imports the face
            graph[module] = set()
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", PURE)
def test_rules_are_pure(module: str) -> None:
    """What decides imports nothing that touches the world."""
    if module not in MODULES:
        pytest.fail(f"{module} has moved: name its new place in this test")
    touched = {name.partition(".")[0] for name in imports_of(MODULES[module])} & IMPURE_IMPORTS
    assert not touched


PRIVATE_OF_AIORTC = re.compile(
    r"_RTC\w+__|\b(?:receiver|sender|transport|pc|peer_connection|connection|dtls|ice)\._[a-z]"
)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "gateway.media.aiortc_internals"])
def test_private_names_of_aiortc_stay_in_one_module(module: str) -> None:
    """Only `media/aiortc_internals.py` reaches into aiortc and aioice."""
    source = MODULES[module].read_text(encoding="utf-8")
    if "aiortc" in source or "aioice" in source:
        assert not PRIVATE_OF_AIORTC.search(source)


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_readable(module: str) -> None:
    """A module that has grown past 450 lines has become two."""
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 450


def test_the_layers_name_no_room_twice() -> None:
    """The table of this test is itself in order."""
    rooms = sorted(room for layer in LAYERS for room in layer)
    assert all(first != second for first, second in pairwise(rooms))
