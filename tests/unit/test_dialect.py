"""The gateway's events in the words of RTVI's clients."""

from typing import Any

from gateway import events
from gateway.dialect import PEER_LEFT, Dialect


def told(dialect: Dialect, *log: events.Message) -> list[events.Message]:
    """What a client is told for these events."""
    return [message for event in log for message in dialect.told(event)]


def kinds(messages: list[events.Message]) -> list[str]:
    """Their types."""
    return [message["type"] for message in messages]


def outputs(messages: list[events.Message]) -> list[Any]:
    """(number, text) of each sentence."""
    return [(one["data"]["segment_id"], one["data"]["text"]) for one in messages if one["type"] == "bot-output"]


def words(*texts: str) -> list[events.Message]:
    """Words of the model as the log has them."""
    return [events.bot_output(text, 1) for text in texts]


def test_words_become_numbered_sentences_within_a_beginning_and_an_end() -> None:
    """Each word is told at once as text; a sentence when it is whole, as version 2 shows it and version 1 reads it."""
    dialect = Dialect()
    said = told(
        dialect,
        *words("Port", " 14", " is", " down.", " Try", " the", " other"),
        events.server_message("turn", number=1),
    )
    assert kinds(said)[:4] == ["bot-llm-started", "bot-tts-started", "bot-llm-text", "bot-tts-text"]
    assert kinds(said)[-3:] == ["bot-llm-stopped", "bot-tts-stopped", "server-message"]
    assert (
        "".join(one["data"]["text"] for one in said if one["type"] == "bot-tts-text")
        == "Port 14 is down. Try the other"
    )
    assert outputs(said) == [(1, "Port 14 is down."), (2, "Try the other")]
    output = next(one for one in said if one["type"] == "bot-output")
    assert output["data"] == {
        "text": "Port 14 is down.",
        "segment_id": 1,
        "aggregated_by": "sentence",
        "will_be_spoken": True,
        "spoken_status": "new",
        "spoken": True,
    }


def test_a_turn_without_words_has_no_end() -> None:
    """What did not begin does not stop; and one that stopped begins anew."""
    dialect = Dialect()
    assert kinds(told(dialect, events.server_message("turn", number=1))) == ["server-message"]
    first = told(dialect, *words("Yes."), events.message("bot-interrupted", {"dropped_ms": 100}))
    assert kinds(first)[-3:] == ["bot-llm-stopped", "bot-tts-stopped", "bot-interrupted"]
    assert kinds(told(dialect, *words("No.")))[0] == "bot-llm-started"


def test_a_closing_quote_belongs_to_its_sentence() -> None:
    """A sentence may end with one."""
    assert outputs(told(Dialect(), *words("He said “no.”", " Then"))) == [(1, "He said “no.”")]


def test_function_calls_have_the_name_of_the_version() -> None:
    """Version 2 reads `in-progress`, version 1 the older name; nobody gets both."""
    call = events.message("llm-function-call", {"function_name": "f", "tool_call_id": "1", "args": {"a": 1}})
    [new] = told(Dialect("2.1.0"), call)
    assert (new["type"], new["data"]) == (
        "llm-function-call-in-progress",
        {"function_name": "f", "tool_call_id": "1", "arguments": {"a": 1}},
    )
    assert told(Dialect("1.0.0"), call) == [call]


def test_the_model_is_announced_to_each_client_once() -> None:
    """By the answer to its `client-ready`, so the log's announcements are not told."""
    assert told(Dialect(), events.bot_ready("0.1.0")) == []


def test_times_become_metrics() -> None:
    """In seconds; the way to the first packet is the gateway's own fact only."""
    payload = events.server_message("ttfab", trigger="speech", to="payload", ms=420)
    packet = events.server_message("ttfab", trigger="speech", to="packet", ms=450)
    first, metric, second = told(Dialect(), payload, packet)
    assert (first, second) == (payload, packet)
    assert metric["data"] == {"ttfb": [{"processor": "gemini-live", "value": 0.42}]}


def test_the_end_is_also_said_in_the_transport_s_words() -> None:
    """Clients disconnect on `peerLeft`; the reason comes before it."""
    ended = events.state("ended", "You ended the call.", code="user")
    said = told(Dialect(), *words("Bye"), ended)
    assert said[-2:] == [ended, PEER_LEFT]
    assert outputs(said) == [(1, "Bye")]


def test_everything_else_is_told_as_it_is() -> None:
    """With its number."""
    event = {**events.message("user-started-speaking"), "seq": 4}
    assert told(Dialect(), event) == [event]
