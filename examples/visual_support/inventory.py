"""The tools of a technician's helper: what the label in the picture belongs to, which port is faulty, and a ticket."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gateway.tools import ToolContext, tool

Serial = Annotated[str, Field(description="as printed on the label, for example SW-0417")]

_database = sqlite3.connect(":memory:", check_same_thread=False)
_database.row_factory = sqlite3.Row
_database.executescript(Path(__file__).with_name("inventory.sql").read_text(encoding="utf-8"))
_one_at_a_time = threading.Lock()  # plain functions run in threads


def _rows(statement: str, *values: Any) -> list[dict[str, Any]]:
    with _one_at_a_time, _database:
        return [dict(row) for row in _database.execute(statement, values)]


@tool(show_arguments=True)
def lookup_serial(serial: Serial) -> dict[str, Any]:
    """Find a device by the serial number on its label, with its ports. Call this as soon as a label can be read."""
    devices = _rows("SELECT * FROM device WHERE serial = ?", serial.strip().upper())
    if not devices:
        near = _rows("SELECT serial FROM device WHERE serial LIKE ?", f"%{serial.strip()[-3:]}%")
        return {"status": "unknown_serial", "similar": [row["serial"] for row in near]}
    return {**devices[0], "ports": _rows("SELECT * FROM port WHERE serial = ? ORDER BY number", devices[0]["serial"])}


@tool
def faulty_ports(rack: Annotated[str, Field(description="for example R2")]) -> list[dict[str, Any]]:
    """List the ports in a rack that are not up, or count errors, the worst first."""
    return _rows(
        "SELECT port.* FROM port JOIN device USING (serial) WHERE rack = ? AND (state != 'up' OR errors > 0)"
        " ORDER BY errors DESC",
        rack.strip().upper(),
    )


def _withdraw(serial: Serial, port: int, note: str, context: ToolContext) -> None:
    _rows("DELETE FROM ticket WHERE serial = ? AND number = ? AND session = ?", serial, port, context.session_id)


@tool(blocking=True, compensate=_withdraw)
def open_ticket(serial: Serial, port: int, note: str, context: ToolContext) -> dict[str, Any]:
    """Open a repair ticket for a port. Ask the person before you do."""
    values = (serial, port, note, context.session_id)
    (row,) = _rows("INSERT INTO ticket (serial, number, note, session) VALUES (?, ?, ?, ?) RETURNING id", *values)
    context.send_event("ticket", {"id": row["id"], "serial": serial, "port": port})
    return {"ticket": row["id"]}
