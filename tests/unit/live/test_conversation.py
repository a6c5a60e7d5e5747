"""The fault matrix: what breaks, and what becomes of the conversation. On a virtual clock, without sockets."""

import asyncio
from typing import Any

import pytest

from gateway.errors import UpstreamAuth, UpstreamError, UpstreamQuota, UpstreamRefused, UpstreamUnavailable
from gateway.live import events as live
from gateway.live.breaker import Breaker
from gateway.live.policy import Policy, policy
from gateway.live.seed import ASK_AGAIN, GO_ON
from gateway.live.transcript import Turn
from gateway.settings import Settings
from gateway.simulator import Fault
from gateway.telemetry import metrics
from tests.clock import virtually
from tests.talk import MODEL, Talk, talk

INTERNAL = "Internal error encountered."
INVALID = "Request contains an invalid argument."
DEADLINE = "Deadline expired before operation could complete."


def typed(talking: Talk, number: int) -> list[str]:
    """What was written to a connection."""
    sent = [message.get("clientContent") for message in talking.simulator.connections[number - 1].messages]
    return [content["turns"][-1]["parts"][0]["text"] for content in sent if content]


# An abrupt end


@pytest.mark.parametrize(
    "fault",
    [
        Fault(at="turn", do="close", connection=1, code=1000, reason=""),
        Fault(at="turn", do="close", connection=1, code=1001, reason=""),
        Fault(at="turn", do="close", connection=1, code=1008, reason="Operation is not implemented, or supported."),
        Fault(at="turn", do="close", connection=1, code=1011, reason=INTERNAL),
        Fault(at="turn", do="close", connection=1, code=1011, reason=DEADLINE),
        Fault(at="turn", do="close", connection=1, code=1012, reason=""),
        Fault(at="turn", do="abort", connection=1),
    ],
    ids=lambda fault: f"{fault.do}-{fault.code}-{fault.reason[:8]}",
)
@virtually
async def test_a_link_that_ends_between_turns_is_resumed(fault: Fault) -> None:
    """With its handle, within 1.5 s, told in words; the next question is answered."""
    async with talk(fault) as talking:
        await talking.ask("hello")
        await talking.opened(2)
        assert talking.ways == ["fresh", "resumed"]
        assert talking.at(live.LinkOpened, 1) - talking.at(live.LinkLost) < 1.5
        assert talking.all(live.LinkLost)[0].reason.endswith(").")
        await talking.ask("still there?")
        assert talking.conversation.transcript.turns()[-1].user == "still there?"


@virtually
async def test_a_link_that_ends_in_an_answer_is_rehydrated_and_the_model_goes_on() -> None:
    """The handle is older than the question, so a fresh link is told everything, and asked to go on."""
    fault = Fault(at="speaking", do="close", connection=1, turn=2, after_s=0.5)
    async with talk(fault) as talking:
        await talking.ask("my name is Ada")
        talking.conversation.send_text("tell me a long story about the sea and the ships and the whales")
        await talking.opened(2)
        assert talking.ways == ["fresh", "rehydrated"]
        assert "User: my name is Ada" in talking.seed(2)
        assert "User: tell me a long story" in talking.seed(2)
        await talking.answered(3)
        assert typed(talking, 2) == [GO_ON]
        assert talking.conversation.transcript.turns()[1].cut


@virtually
async def test_a_refused_handle_leads_to_a_rehydrated_link() -> None:
    """The service has forgotten the session: the transcript has not. Live again within 2.5 s."""
    faults = (
        Fault(at="turn", do="close", connection=1),
        Fault(at="setup", do="close", connection=2, code=1008, reason="Session not found."),
    )
    async with talk(*faults) as talking:
        await talking.ask("my name is Ada")
        await talking.opened(2)
        assert talking.ways == ["fresh", "rehydrated"]
        assert "User: my name is Ada" in talking.seed(3)
        assert talking.at(live.LinkOpened, 1) - talking.at(live.LinkLost) < 2.5


@virtually
async def test_a_handle_that_kills_twice_is_dropped() -> None:
    """Two deaths soon after a resume: the third link is a fresh one that knows the words."""
    faults = (
        Fault(at="turn", do="close", connection=1),
        Fault(at="audio", do="close", connection=2, after_s=0.5),
        Fault(at="audio", do="close", connection=3, after_s=0.5),
    )
    async with talk(*faults) as talking:
        await talking.ask("my name is Ada")
        await talking.speak(1)
        await talking.speak(1)
        await talking.opened(4)
        assert talking.ways == ["fresh", "resumed", "resumed", "rehydrated"]


@virtually
async def test_a_poisoned_handle_is_found_by_its_silence() -> None:
    """A resumed link that hears and never answers is replaced by a fresh one after 8 s."""
    faults = (Fault(at="turn", do="close", connection=1), Fault(at="setup", do="poison", connection=2))
    async with talk(*faults) as talking:
        await talking.ask("my name is Ada")
        await talking.opened(2)
        await talking.speak(1)
        spoken_s = asyncio.get_running_loop().time()
        await talking.opened(3)
        assert talking.ways == ["fresh", "resumed", "rehydrated"]
        assert talking.at(live.LinkOpened, 2) - spoken_s < 10
        await talking.answered(2)


# 1007


@virtually
async def test_what_was_refused_is_not_sent_again() -> None:
    """After 1007 the link is fresh, and neither the sound nor the frame that waited is repeated."""
    fault = Fault(at="audio", do="close", connection=1, after_s=0.4, code=1007, reason=INVALID)
    async with talk(fault) as talking:
        await talking.opened(1)
        talking.conversation.send_frame(1, b"\xff\xd8")
        for _ in range(20):
            talking.conversation.send_audio(bytes(1280))
        await talking.opened(2)
        assert talking.ways == ["fresh", "fresh"]
        await asyncio.sleep(1)
        assert not talking.simulator.connections[1].audio


@virtually
async def test_a_seed_that_is_refused_becomes_shorter() -> None:
    """From the turns to a summary; when that is refused too, the conversation ends with the reason."""
    refused = {"at": "setup", "do": "close", "code": 1007, "reason": INVALID}
    faults = (
        Fault(at="turn", do="close", connection=1, code=1007, reason=INVALID, turn=2),
        Fault(connection=2, **refused),
    )
    async with talk(*faults) as talking:
        await talking.ask("my name is Ada. I live in London.")
        await talking.ask("and I like ships")
        await talking.opened(2)
        assert "The last turns were:\nUser: my name is Ada. I live in London." in talking.seed(2)
        assert "The user said: my name is Ada." in talking.seed(3)
        assert "I live in London" not in talking.seed(3)
    async with talk(*faults, Fault(connection=3, **refused)) as talking:
        await talking.ask("my name is Ada. I live in London.")
        await talking.ask("and I like ships")
        with pytest.raises(UpstreamRefused, match="invalid argument"):
            await talking.running


# What cannot get better, and what takes long


@pytest.mark.parametrize(
    ("fault", "model", "kind", "words"),
    [
        (Fault(at="handshake", do="refuse", status=403), MODEL, UpstreamAuth, "HTTP 403"),
        (Fault(at="handshake", do="refuse", status=404), MODEL, UpstreamRefused, "GATEWAY_API_VERSION"),
        (Fault(at="setup", do="close", code=1007, reason="API key not valid."), MODEL, UpstreamAuth, "not valid"),
        (Fault(at="turn", do="abort"), "models/gemini-1.5-pro", UpstreamRefused, "gemini-1.5-pro is not found"),
    ],
    ids=["forbidden", "path", "key", "model"],
)
@virtually
async def test_what_cannot_get_better_ends_at_once(
    fault: Fault, model: str, kind: type[UpstreamError], words: str
) -> None:
    """After one try, with the service's own words."""
    async with talk(fault, model=model) as talking:
        with pytest.raises(kind, match=words):
            await talking.running
        assert len(talking.all(live.LinkOpening)) == 1


@virtually
async def test_a_flapping_service_is_asked_ever_more_rarely_and_then_not() -> None:
    """Every connection dies at its setup: nine tries in some twenty seconds, each told, then the reason."""
    async with talk(Fault(at="setup", do="close", reason=INTERNAL)) as talking:
        with pytest.raises(UpstreamUnavailable, match="Internal error"):
            await talking.running
        waits = [event.retry_in_s for event in talking.all(live.LinkLost)]
        assert len(waits) == 8
        assert sorted(waits)[:4] == waits[:4]
        assert 15 < asyncio.get_running_loop().time() < 30


@virtually
async def test_a_used_up_quota_stops_all_conversations_for_a_while() -> None:
    """The breaker opens for half a minute, for those who share it; one success closes it."""
    breaker = Breaker()
    fault = Fault(at="handshake", do="refuse", connection=1, status=429)
    async with talk(fault, breaker=breaker) as talking:
        await talking.until(lambda: talking.all(live.LinkLost))
        assert breaker.wait_s(asyncio.get_running_loop().time()) > 29
        assert talking.all(live.LinkLost)[0].retry_in_s >= 29
        await talking.opened(1)
        assert 30 <= talking.at(live.LinkOpened) < 32
        assert breaker.wait_s(asyncio.get_running_loop().time()) == 0


@virtually
async def test_a_quota_that_stays_used_up_ends_the_conversation() -> None:
    """After the third refusal, in words."""
    async with talk(Fault(at="handshake", do="refuse", status=429)) as talking:
        with pytest.raises(UpstreamQuota):
            await talking.running


@virtually
async def test_the_service_names_the_wait() -> None:
    """Retry-After is kept to."""
    async with talk(Fault(at="handshake", do="refuse", connection=1, status=503, retry_after_s=7)) as talking:
        await talking.opened(1)
        assert 7 <= talking.at(live.LinkOpened) < 10


@virtually
async def test_a_setup_that_never_completes_is_given_up() -> None:
    """After its time, and the next connection does better."""
    async with talk(Fault(at="setup", do="freeze", connection=1)) as talking:
        await talking.opened(1)
        assert "no setupComplete within 20 s" in talking.all(live.LinkLost)[0].reason


@virtually
async def test_sound_is_kept_while_there_is_no_link() -> None:
    """What is said while the link is changed is heard on the next one, in order; what is too old is not."""
    async with talk(Fault(at="turn", do="close", connection=1)) as talking:
        await talking.ask("hello")
        await talking.until(lambda: talking.all(live.LinkLost))
        for index in range(5):
            talking.conversation.send_audio(index.to_bytes(2, "little") * 640)
        await talking.opened(2)
        await asyncio.sleep(0.1)
        assert bytes(talking.simulator.connections[1].audio[::1280]) == bytes(range(5))


# goAway


@virtually
async def test_go_away_is_followed_at_the_first_quiet_moment() -> None:
    """The answer that is being played is played to its end; the change then takes no time that anyone hears."""
    playing = True
    fault = Fault(at="turn", do="go_away", connection=1, time_left_s=50)
    async with talk(fault, is_quiet=lambda: not playing) as talking:
        await talking.ask("hello")
        await talking.until(lambda: talking.all(live.GoAway))
        await asyncio.sleep(5)
        assert talking.ways == ["fresh"]
        playing = False
        quiet_s = asyncio.get_running_loop().time()
        await talking.opened(2)
        assert talking.ways == ["fresh", "resumed"]
        assert talking.at(live.LinkOpened, 1) - quiet_s <= 0.3
        assert not talking.all(live.LinkLost)


@virtually
async def test_go_away_is_followed_before_its_end_when_it_is_never_quiet() -> None:
    """At the latest 5 s before, although the service says nothing more."""
    fault = Fault(at="turn", do="go_away", connection=1, time_left_s=50)
    async with talk(fault, is_quiet=lambda: False) as talking:
        await talking.ask("hello")
        await talking.opened(2)
        left_s = talking.at(live.LinkOpened, 1) - talking.at(live.GoAway)
        assert 44.9 <= left_s <= 45.5


@virtually
async def test_a_service_that_falls_silent_after_go_away_is_left() -> None:
    """A question that it does not begin to answer within 2 s is put to the next link, in its own words."""
    fault = Fault(at="turn", do="go_away", connection=1, time_left_s=50)
    async with talk(fault) as talking:
        await talking.ask("hello")
        talking.conversation.send_text("what is this?")
        asked_s = asyncio.get_running_loop().time()
        await talking.answered(2)
        assert talking.ways == ["fresh", "resumed"]
        assert talking.at(live.LinkOpened, 1) - asked_s < 2.5
        assert typed(talking, 2) == ['(There was a technical break. I said: "what is this?" Please answer.)']


# Silence


@virtually
async def test_an_empty_turn_is_asked_for_again() -> None:
    """A turn that ends without a sound is not an answer: the model is asked once more, and answers."""
    async with talk(Fault(at="speaking", do="empty_turn")) as talking:
        talking.conversation.send_text("hello")
        await talking.until(lambda: talking.all(live.Speech))
        assert talking.notices == ["empty_turn"]
        assert typed(talking, 1) == ["hello", ASK_AGAIN]
        assert talking.ways == ["fresh"]


@virtually
async def test_a_service_that_stalls_is_left_for_another_link() -> None:
    """There is no one to nudge: it is resumed at once, asked again, and answers; the person was told."""
    async with talk(Fault(at="audio", do="stall", connection=1, after_s=1.5)) as talking:
        await talking.opened(1)
        await talking.ask("hello")
        await talking.speak(2)
        await talking.opened(2)
        assert talking.ways == ["fresh", "resumed"]
        assert talking.notices == ["no_answer"]
        await talking.answered(2)


@virtually
async def test_more_that_never_comes_is_asked_for() -> None:
    """A turn that announced more and brings nothing is not waited for for ever."""
    async with talk(Fault(at="speaking", do="in_progress", connection=1)) as talking:
        talking.conversation.send_text("hello")
        await talking.until(lambda: talking.notices)
        assert talking.notices == ["no_more"]
        await talking.until(lambda: talking.all(live.Speech))


@virtually
async def test_a_phantom_interruption_is_noticed() -> None:
    """`interrupted` although nobody spoke, and then nothing: the model is asked to go on."""
    async with talk(Fault(at="turn", do="interrupted", times=5)) as talking:
        await talking.ask("hello")
        await talking.until(lambda: talking.notices)
        assert talking.notices == ["phantom_interruption"]
        await talking.answered(2)


@virtually
async def test_a_model_that_never_answers_is_said_to_be_silent() -> None:
    """The ladder is climbed once; then the person is told, and the link stays for another word."""
    policy = Policy(answer_s=2.0)
    faults = tuple(Fault(at="setup", do="poison", connection=number) for number in range(1, 9))
    async with talk(*faults, policy=policy) as talking:
        await talking.opened(1)
        talking.conversation.send_text("hello")
        await talking.until(lambda: len(talking.notices) >= 4)
        assert talking.all(live.Notice)[-1].text == "The model does not answer. Please say it again."
        ways = list(talking.ways)
        await asyncio.sleep(60)
        assert talking.ways == ways
        assert not talking.running.done()


@virtually
async def test_a_short_noise_expects_no_answer() -> None:
    """A cough is not answered, and nobody is asked about it."""
    async with talk() as talking:
        await talking.opened(1)
        talking.conversation.user_started()
        talking.conversation.user_ended(expects_answer=False)
        await asyncio.sleep(60)
        assert talking.notices == []


# Backpressure


@virtually
async def test_a_service_that_stops_reading_costs_frames_first() -> None:
    """For 20 s nothing is read: no frame is sent, sound waits within its age, memory stays flat, then all goes on."""
    async with talk(Fault(at="audio", do="deaf", connection=1, after_s=0.2, stall_s=20)) as talking:
        await talking.opened(1)
        connection = talking.simulator.connections[0]
        for index in range(25 * 19):
            talking.conversation.send_audio(index.to_bytes(2, "little") * 640)
            if index % 8 == 0:
                talking.conversation.send_frame(index, bytes(20_000))
            await asyncio.sleep(0.04)
        frames = len(connection.frames)
        sent_s = len(connection.audio) / 32_000
        assert frames <= 3
        assert len(talking.conversation._outbox._sound) <= 76
        await asyncio.sleep(3)
        talking.conversation.send_frame(9999, bytes(20_000))
        talking.conversation.send_audio(bytes(1280))
        await asyncio.sleep(1)
        assert talking.ways == ["fresh"]
        assert len(connection.frames) > frames
        heard = [
            int.from_bytes(connection.audio[at : at + 2], "little")
            for at in range(0, len(connection.audio) - 1280, 1280)
        ]
        assert heard == sorted(heard)
        assert len(connection.audio) / 32_000 > sent_s + 1.5


@virtually
async def test_a_line_that_takes_nothing_is_dead() -> None:
    """Half-open TCP: after 30 s without a byte the link is given up and resumed."""
    async with talk(Fault(at="turn", do="freeze", connection=1)) as talking:
        await talking.ask("hello")
        for _ in range(25 * 45):
            talking.conversation.send_audio(bytes(1280))
            await asyncio.sleep(0.04)
        assert talking.ways[:2] == ["fresh", "resumed"]
        assert "has taken nothing for 30 s" in talking.all(live.LinkLost)[0].reason


@virtually
async def test_a_giant_message_is_taken() -> None:
    """Above the 1 MiB at which WebSocket clients give up by default."""
    async with talk(Fault(at="turn", do="big_message")) as talking:
        await talking.ask("hello")
        await talking.ask("again")
        assert talking.ways == ["fresh"]


# Errors inside the stream


@pytest.mark.parametrize(("code", "ways"), [(13, ["fresh", "resumed"]), (503, ["fresh", "resumed"]), (400, ["fresh"])])
@virtually
async def test_an_error_in_the_stream_is_treated_by_its_status(code: int, ways: list[str]) -> None:
    """A broken service is left, anything else is told."""
    fault = Fault.model_construct(**{**Fault(at="turn", do="error", connection=1).model_dump(), "code": code})
    async with talk(fault) as talking:
        await talking.ask("hello")
        await talking.ask("again")
        assert talking.ways == ways
        assert bool(talking.notices) is (code == 400)


# Memory


@virtually
async def test_the_words_that_were_not_heard_were_not_said() -> None:
    """On an interruption the transcript keeps the part that was played."""
    async with talk() as talking:
        talking.conversation.send_text("please tell me a very long story about the sea " * 5)
        await talking.until(lambda: talking.all(live.GenerationComplete))
        answer_ms = sum(len(event.pcm) for event in talking.all(live.Speech)) / 48
        whole = talking.conversation.transcript.open.model
        talking.conversation.cut_answer(answer_ms * 0.75)
        await talking.speak(1)
        turn = talking.conversation.transcript.turns()[0]
        assert turn.cut
        assert whole.startswith(turn.model)
        assert 0.15 < len(turn.model) / len(whole) < 0.35


@virtually
async def test_a_full_context_is_renewed_in_a_quiet_moment() -> None:
    """It is summarised, a fresh link knows the summary and the last turns, and nobody hears a gap."""
    asked: list[int] = []

    async def summarise(turns: Any, before: str) -> str:
        asked.append(len(turns))
        await asyncio.sleep(3)
        return "Ada lives in London."

    async with talk(policy=Policy(context_budget_tokens=250), summarise=summarise) as talking:
        await talking.ask("my name is Ada and I live in London")
        for index in range(9):
            await talking.ask(f"question {index}")
        await talking.until(lambda: "rehydrated" in talking.ways)
        index = talking.ways.index("rehydrated")
        assert asked[0] >= 1
        assert "in short: Ada lives in London." in talking.seed(index + 1)
        assert "User: my name is Ada" not in talking.seed(index + 1)
        opening = [at_s for at_s, event in talking.happened if isinstance(event, live.LinkOpening)][index]
        assert talking.at(live.LinkOpened, index) - opening < 0.3
        assert not talking.all(live.LinkLost)


@virtually
async def test_history_can_be_told_as_content() -> None:
    """Where the model takes it and the setting asks; elsewhere the instruction carries it."""
    faults = (
        Fault(at="turn", do="close", connection=1),
        Fault(at="setup", do="close", connection=2, code=1008, reason="Session not found."),
    )
    policy = Policy(rehydrate_with="content")
    async with talk(*faults, policy=policy) as talking:
        await talking.ask("my name is Ada")
        await talking.opened(2)
        await talking.ask("who am I?")
        first = next(message for message in talking.simulator.connections[2].messages if "clientContent" in message)
        roles = [(turn["role"], turn["parts"][0]["text"]) for turn in first["clientContent"]["turns"]]
        assert roles[0] == ("user", "my name is Ada")
        assert roles[1][0] == "model"
        assert talking.seed(3) == "Be brief."
    async with talk(*faults, policy=policy, model="models/gemini-2.5-flash-native-audio-latest") as talking:
        await talking.ask("my name is Ada")
        await talking.opened(2)
        assert "my name is Ada" in talking.seed(3)


@virtually
async def test_the_newest_frame_is_shown_to_a_fresh_link() -> None:
    """What the camera sees is part of what a new link has to know."""
    fault = Fault(at="speaking", do="close", connection=1, after_s=0.3)
    async with talk(fault) as talking:
        await talking.opened(1)
        talking.conversation.send_frame(7, b"\xff\xd8frame")
        await asyncio.sleep(1)
        talking.conversation.send_text("what do you see here on my table in the room")
        await talking.opened(2)
        await asyncio.sleep(1)
        assert talking.simulator.connections[1].frames == [b"\xff\xd8frame"]


@virtually
async def test_a_turn_is_a_turn_on_every_kind_of_model() -> None:
    """Also when what was heard is told after the answer, as Gemini 3 does."""
    for model in (MODEL, "models/gemini-2.5-flash-native-audio-latest", "models/gemini-3.1-flash-live-preview"):
        async with talk(model=model) as talking:
            await talking.opened(1)
            await talking.speak(2)
            await talking.answered(1)
            (turn,) = talking.conversation.transcript.turns()
            assert turn == Turn(1, turn.user, turn.model)
            assert "speech" in turn.user
            assert turn.model.startswith("I heard")


@virtually
async def test_a_transcript_that_is_full_drops_its_oldest_words_and_tells_once() -> None:
    """The limit is the setting's; the call goes on."""
    settings = Settings(transcript_max_chars=10_000)
    before = metrics.REGISTRY.get_sample_value("gateway_limits_reached_total", {"limit": "transcript_full"}) or 0.0
    async with talk(policy=policy(settings)) as talking:
        await talking.opened(1)
        for number in range(12):
            await talking.ask(f"{number} " + "word " * 800)
        turns = talking.conversation.transcript.turns()
        assert sum(len(turn.user) + len(turn.model) for turn in turns) <= 10_000
        assert turns[0].number > 1
        assert turns[-1].user.startswith("11 ")
        assert talking.notices.count("transcript_full") == 1
    after = metrics.REGISTRY.get_sample_value("gateway_limits_reached_total", {"limit": "transcript_full"})
    assert after == before + 1
