"""What a new link is told of the conversation so far.

Owns the text. It must not know links or how the text is sent.
**Invariant: the newest turns are whole, as far as one fits at all; nothing that was said is left out without being told
in short; it is never longer than `SEED_MAX_CHARS`.**
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.live.transcript import Turn

SEED_MAX_CHARS = 12_000  # about 3,000 tokens: Google advises a short summary over a long history
SUMMARY_MAX_CHARS = 4_000

HEAD = (
    "This conversation was going on before and continues now after a technical break. Do not greet, do not mention the "
    "break, do not repeat yourself."
)
GO_ON = "(There was a technical break. Please go on and answer what I said last.)"
ASK_AGAIN = "(I did not hear your answer. Please answer what I said last.)"
SAID = '(There was a technical break. I said: "{words}" Please answer.)'


def instruction(system_instruction: str, summary: str, turns: Sequence[Turn]) -> str:
    """The system instruction of a link that has to know the conversation; as it is when there was none."""
    told = seed(summary, turns)
    return f"{system_instruction}\n\n{told}".strip() if told else system_instruction


def unanswered(last: Turn | None, *, owes: bool, knows: bool) -> str | None:
    """What to ask a new link, so that the model goes on where it was cut off; None when it owes nothing.

    `owes`: an answer is waited for; `knows`: the link was told the turns, so that their words need not be said again.
    """
    if knows:
        return GO_ON if owes or (last is not None and (last.cut or last.is_unanswered)) else None
    if not owes:
        return None
    words = last.user.strip() if last is not None and last.is_unanswered else ""
    return SAID.format(words=words) if words else ASK_AGAIN


def seed(summary: str, turns: Sequence[Turn]) -> str:
    """The conversation as text: the newest turns as they were, what is older in short."""
    room = SEED_MAX_CHARS - SUMMARY_MAX_CHARS - len(HEAD) - 100  # for the sentences between
    kept = newest(turns, room)
    older = turns[: len(turns) - len(kept)]
    short = extract(older, summary) if older else summary[:SUMMARY_MAX_CHARS]
    parts = [f"What was said earlier, in short: {short}"] if short else []
    if kept:
        parts.append("The last turns were:\n" + "\n".join("\n".join(turn.lines()) for turn in kept)[-room:])
    return "\n\n".join([HEAD, *parts]) if parts else ""


def newest(turns: Sequence[Turn], max_chars: int) -> Sequence[Turn]:
    """As many of the newest turns as fit, and the very newest in any case."""
    count = 0
    for turn in reversed(turns):
        max_chars -= sum(len(line) + 1 for line in turn.lines())
        if max_chars < 0 and count:
            break
        count += 1
    return turns[len(turns) - count :]


def extract(turns: Sequence[Turn], before: str = "") -> str:
    """A summary without a model: what was known before, then the first words of each turn, newest kept."""
    lines = [before] if before else []
    for turn in turns:
        asked, answered = _first_sentence(turn.user), _first_sentence(turn.model)
        if asked:
            lines.append(f"The user said: {asked}")
        if answered:
            lines.append(f"You said: {answered}")
        lines += [f"A tool was used: {str(used)[:120]}" for used in turn.tools]
    text = " ".join(lines)
    return text if len(text) <= SUMMARY_MAX_CHARS else "… " + text[-SUMMARY_MAX_CHARS + 2 :]


def _first_sentence(text: str, max_chars: int = 160) -> str:
    stripped = text.strip()
    ends = [at for mark in ".!?" if (at := stripped.find(mark + " ")) > 0]
    sentence = stripped[: min(ends) + 1] if ends else stripped
    return sentence if len(sentence) <= max_chars else sentence[: max_chars - 1] + "…"
