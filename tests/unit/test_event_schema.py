"""docs/events.schema.json, docs/protocol.md and the code name the same messages, and the schema refuses others."""

import copy
import inspect
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gateway import commands, errors, events
from gateway.commands import Commands
from gateway.lifecycle import EndReason
from gateway.live.watchdog import Trouble
from tests.message_schema import BY_TYPE, ROOT, SCHEMA, check, problem
from tests.unit.test_commands import FakeSession

PROTOCOL = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(events.__file__).parent.rglob("*.py")))
FACTS = {name.removeprefix("fact-") for name in SCHEMA["$defs"] if name.startswith("fact-")}


def in_table(head: str) -> set[str]:
    """The names in the first column of the table of docs/protocol.md that begins with these words."""
    rows = PROTOCOL[PROTOCOL.index(f"| {head} |") :].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([\w-]+)`", row.split("|")[1])}


def in_paragraph(begins: str) -> set[str]:
    """What stands in code marks in the paragraph of docs/protocol.md that begins so."""
    paragraph = PROTOCOL[PROTOCOL.index(begins) :].split("\n\n", maxsplit=1)[0]
    return set(re.findall(r"`([a-z_]+)`", paragraph))


def test_the_schema_is_one() -> None:
    """It is valid itself, and every reference leads somewhere."""
    Draft202012Validator.check_schema(SCHEMA)
    references = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(SCHEMA)))
    assert references == set(SCHEMA["$defs"])


def test_every_type_of_the_manual_has_a_schema_and_the_reverse() -> None:
    """Events on either carrier, facts of the gateway's own, and what a client says."""
    answers = {"server-response", "error-response"}
    assert in_table("type") | in_table("type on the data channel") | answers == set(BY_TYPE["fromGateway"])
    assert in_table("`server-message` type") == FACTS
    assert in_table("type from a client") == set(BY_TYPE["fromClient"])
    assert all(f"`{name}`" in PROTOCOL for name in answers)


def test_every_code_of_the_manual_is_in_the_schema_and_the_reverse() -> None:
    """Of notices, and of the end of a session."""
    assert in_paragraph("Codes of notices:") == set(SCHEMA["$defs"]["notice"]["enum"])
    assert in_paragraph("`code` of an ended session:") - {"code"} | {"moved"} == set(SCHEMA["$defs"]["end"]["enum"])
    assert {reason.value for reason in EndReason} == set(SCHEMA["$defs"]["end"]["enum"])


def test_what_the_code_can_say_is_in_the_schema() -> None:
    """Each type and code that is written down in the gateway's sources."""
    said = set(re.findall(r'\bmessage\(\s*"([\w-]+)"', SOURCES)) | {"signalling"}
    said |= {f"llm-function-call-{what}" for what in re.findall(r'_tell_browser\(\s*"(\w+)"', SOURCES)}
    said |= {"bot-started-speaking", "bot-stopped-speaking", "llm-function-call"}  # not literally in one call
    assert said == set(BY_TYPE["fromGateway"])
    assert set(re.findall(r'server_message\(\s*"(\w+)"', SOURCES)) == FACTS
    codes = set(re.findall(r'"notice",\s*code="(\w+)"', SOURCES))
    codes |= set(re.findall(r'(?:\b_notice|\bNotice)\(\s*"(\w+)"', SOURCES))
    codes |= {trouble.value for trouble in Trouble} | {"idle_soon"}
    assert codes == set(SCHEMA["$defs"]["notice"]["enum"])
    failures = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.UpstreamError)]
    assert {one.code for one in failures} == set(
        BY_TYPE["fromGateway"]["error"]["properties"]["data"]["properties"]["code"]["enum"]
    )
    handled = set(re.findall(r'case "([\w-]+)":', inspect.getsource(commands.Commands._do)))
    assert handled == set(BY_TYPE["fromClient"])


SAMPLES = [
    events.bot_ready("1.0"),
    {**events.user_transcription("yes", final=True, timestamp="2026-01-02T03:04:05.678+00:00"), "seq": 1},
    {**events.bot_output("no", 3), "seq": 2},
    {**events.error("It is gone.", code="upstream_auth", fatal=True), "seq": 3},
    {**events.state("ended", "You ended it.", code="user"), "seq": 4},
    {**events.usage(1, 2, 3), "seq": 5},
    {**events.frame(1, 20, 512, 384, 9000), "seq": 6},
    {**events.VIDEO_NOT_ALLOWED, "seq": 7},
]


@pytest.mark.parametrize(
    "sample", SAMPLES, ids=[str(sample["type"]) + str(index) for index, sample in enumerate(SAMPLES)]
)
def test_a_message_with_less_or_more_is_none(sample: events.Message) -> None:
    """Each member of the data is needed, of its own kind, and there are no others."""
    check(sample)
    for name, value in sample["data"].items():
        for change in ("without", "other"):
            changed = copy.deepcopy(sample)
            if change == "without":
                del changed["data"][name]
            else:
                changed["data"][name] = [value]
            if sample["type"] == "server-message" and name == "type" and change == "without":
                assert problem(changed, "fromGateway")
            elif name != "type":
                assert problem(changed, "fromGateway"), changed
    assert problem({**sample, "data": {**sample["data"], "more": 1}}, "fromGateway")
    assert problem({**sample, "more": 1}, "fromGateway")
    assert problem({**sample, "type": "other"}, "fromGateway")


def test_a_tool_may_tell_facts_of_its_own() -> None:
    """Under a type of its own."""
    check({**events.server_message("shop", articles=[1, 2]), "seq": 1})


@pytest.mark.parametrize("kind", BY_TYPE["fromClient"])
def test_the_examples_of_what_a_client_says_are_done(kind: str) -> None:
    """Each validates, and none is answered with a refusal; what is answered validates too."""
    for example in BY_TYPE["fromClient"][kind]["examples"]:
        check(example, "fromClient")
        answers = Commands(FakeSession(), "websocket", 10_000, 10.0).take(json.dumps(example), 0.0)
        assert "error-response" not in [answer["type"] for answer in answers]
        for answer in answers:
            check(answer)


def test_the_messages_that_the_manual_shows_are_as_it_says() -> None:
    """The blocks of JSON in docs/protocol.md."""
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PROTOCOL, re.DOTALL)]
    assert shown
    for message in shown:
        check(message, "fromClient")
