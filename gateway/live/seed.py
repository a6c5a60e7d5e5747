"""What a new link is told of the conversation so far.

Owns the text. It must not know links or how the text is sent.
**Invariant: the newest turns are whole, the person's last words are always in it, and it is never longer than
`SEED_MAX_CHARS`.**
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.live.transcript import Turn

SEED_MAX_CHARS = 12_000  # about 3,000 tokens: Google advises a short summary over a long history
SUMMARY_MAX_CHARS = 4_000
WORDS_MAX_CHARS = 2_000  # of one turn's words when even the newest turn does not fit

HEAD = (
    "This conversation was going on before and continues now after a technical break. Do not greet, do not mention the "
    "break, do not repeat yourself."
)


def instruction(system_instruction: str, summary: str, turns: Sequence[Turn]) -> str:
    """The system instruction of a link that has to know the conversation; as it is when there was none."""
    told = seed(summary, turns)
    return f"{system_instruction}\n\n{told}".strip() if told else system_instruction


def seed(summary: str, turns: Sequence[Turn]) -> str:
    """The conversation as text: a summary of the older part, the newest turns as they were."""
    parts = []
    if summary:
        parts.append(f"What was said earlier, in short: {summary[:SUMMARY_MAX_CHARS]}")
    newest = newest_turns(turns, SEED_MAX_CHARS - len(HEAD) - sum(map(len, parts)) - 100)
    if newest:
        parts.append("The last turns were:\n" + newest)
    return "\n\n".join([HEAD, *parts]) if parts else ""


def newest_turns(turns: Sequence[Turn], max_chars: int) -> str:
    """As many of the newest turns as fit, the oldest first; of a newest one that is too long, its end."""
    kept: list[str] = []
    room = max_chars
    for turn in reversed(turns):
        text = "\n".join(turn.lines())
        if len(text) + 1 > room:
            if not kept:
                kept.append("\n".join(line[:8] + "…" + line[-WORDS_MAX_CHARS:] for line in turn.lines()))
            break
        kept.append(text)
        room -= len(text) + 1
    return "\n".join(reversed(kept))


def extract(turns: Sequence[Turn], before: str = "") -> str:
    """A summary without a model: what was known before, then the first words of each turn, newest kept."""
    lines = [before] if before else []
    for turn in turns:
        asked, answered = _first_sentence(turn.user), _first_sentence(turn.model)
        if asked:
            lines.append(f"The user said: {asked}")
        if answered:
            lines.append(f"You said: {answered}")
        lines += [f"A tool was used: {tool[:120]}" for tool in turn.tools]
    text = " ".join(lines)
    return text if len(text) <= SUMMARY_MAX_CHARS else "… " + text[-SUMMARY_MAX_CHARS + 2 :]


def _first_sentence(text: str, max_chars: int = 160) -> str:
    stripped = text.strip()
    ends = [at for mark in ".!?" if (at := stripped.find(mark + " ")) > 0]
    sentence = stripped[: min(ends) + 1] if ends else stripped
    return sentence if len(sentence) <= max_chars else sentence[: max_chars - 1] + "…"
