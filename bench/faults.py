"""What each fault costs, row by row: `make bench-faults` writes docs/faults.md.

Each row is one conversation on a virtual clock: three questions, of which the fault hits the second. Silence is the
time from the moment the link was gone, or the answer due, until the model was heard again; what a network and Google's
own start-up would add is not in it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from pathlib import Path

from bench.provenance import provenance
from gateway.live import events as live
from gateway.simulator import Fault
from tests.clock import run_virtual
from tests.talk import talk

INVALID = "Request contains an invalid argument."
REPORT = Path("docs/faults.md")
HEAD = """# Faults

What each fault of the Gemini leg costs, by `make bench-faults`: one conversation a row on a virtual clock, over
in-memory sockets, against the simulator; what a network and the service's own start would add is not in it.
{of.date}, commit {of.commit}.

Microphone that is dropped was older than 3 s when a link could take it: an answer to it would come too late.

| fault | links | kept | words lost | longest silence, s | microphone dropped, ms | what the browser is told |
| --- | --- | --- | --- | --- | --- | --- |
"""

ROWS: list[tuple[str, tuple[Fault, ...]]] = [
    ("clean", ()),
    ("1011 between turns", (Fault(at="turn", turn=1, do="close", connection=1),)),
    ("TCP reset between turns", (Fault(at="turn", turn=1, do="abort", connection=1),)),
    (
        "1008 between turns",
        (Fault(at="turn", turn=1, do="close", connection=1, code=1008, reason="Operation is not."),),
    ),
    ("1007 between turns", (Fault(at="turn", turn=1, do="close", connection=1, code=1007, reason=INVALID),)),
    ("1011 in an answer", (Fault(at="speaking", turn=2, after_s=1, do="close", connection=1),)),
    ("TCP reset in an answer", (Fault(at="speaking", turn=2, after_s=1, do="abort", connection=1),)),
    ("goAway 50 s", (Fault(at="turn", turn=1, do="go_away", connection=1, time_left_s=50),)),
    ("goAway in an answer, 5 s", (Fault(at="speaking", turn=2, do="go_away", connection=1, time_left_s=5),)),
    (
        "handle refused",
        (
            Fault(at="turn", turn=1, do="close", connection=1),
            Fault(at="setup", do="close", connection=2, code=1008, reason="Session not found."),
        ),
    ),
    (
        "handle poisoned",
        (Fault(at="turn", turn=1, do="close", connection=1), Fault(at="setup", do="poison", connection=2)),
    ),
    (
        "503 when coming back",
        (Fault(at="turn", turn=1, do="abort", connection=1), Fault(at="handshake", do="refuse", connection=2)),
    ),
    (
        "setup never completes",
        (Fault(at="turn", turn=1, do="abort", connection=1), Fault(at="setup", do="freeze", connection=2)),
    ),
    ("empty turn", (Fault(at="speaking", turn=2, do="empty_turn", connection=1),)),
    ("IN_PROGRESS for ever", (Fault(at="speaking", turn=2, do="in_progress", connection=1),)),
    ("phantom interruptions", (Fault(at="turn", turn=1, do="interrupted", connection=1, times=20),)),
    ("stall for good", (Fault(at="turn", turn=1, do="stall", connection=1),)),
    ("half-open TCP", (Fault(at="turn", turn=1, do="freeze", connection=1),)),
    ("1.2 MB message", (Fault(at="turn", turn=1, do="big_message", connection=1),)),
]


async def row(faults: tuple[Fault, ...]) -> dict[str, object]:
    """One conversation."""
    random.seed(1)
    loop = asyncio.get_running_loop()
    async with talk(*faults) as talking:
        await talking.opened(1)
        await talking.ask("my first word is apple")
        longest_s = 0.0
        for word in ("banana", "cherry"):
            heard = len(talking.all(live.Speech))
            asked_s = loop.time()
            talking.conversation.send_text(f"my next word is {word}, please answer at some length about it all")
            # The microphone is open all the while, as in a call; silence is what it hears.
            for _ in range(25 * 60):
                talking.conversation.send_audio(bytes(1280))
                await asyncio.sleep(0.04)
                sounds = [at_s for at_s, event in talking.happened if isinstance(event, live.Speech)][heard:]
                turn_over = talking.conversation.transcript.open.is_empty
                if sounds and turn_over:
                    break
            points = [asked_s, *sounds]
            gaps = [after - before for before, after in itertools.pairwise(points)]
            longest_s = max(longest_s, *gaps) if gaps else 60.0
            await asyncio.sleep(1)
        words = " ".join(turn.user for turn in talking.conversation.transcript.turns())
        lost = [word for word in ("apple", "banana", "cherry") if word not in words]
        told = (["link_lost"] if talking.all(live.LinkLost) else []) + talking.notices
        return {
            "links": " → ".join(talking.ways),
            "kept": "yes" if not talking.running.done() else "no",
            "lost": ", ".join(lost) or "none",
            "silence_s": round(longest_s, 1),
            "dropped_ms": round(talking.conversation._outbox.dropped_audio_ms),
            "told": ", ".join(dict.fromkeys(told)) or "nothing",
        }


def main() -> int:
    """Run every row, write the table; 1 when a conversation was not kept or a word was lost."""
    lines, failed, of = [], 0, provenance()
    for name, faults in ROWS:
        found = run_virtual(row(faults))
        failed += found["kept"] != "yes" or found["lost"] != "none"
        lines.append(f"| {name} | " + " | ".join(str(value) for value in found.values()) + " |")
        print(lines[-1])
    head = HEAD.format(of=of)
    REPORT.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
