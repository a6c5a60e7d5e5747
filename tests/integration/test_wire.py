"""Google's own SDK as judge: of the simulator by talking to it, of both sides by reading every message."""

import asyncio
import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
from google import genai
from google.genai import errors, types
from google.genai.live import AsyncSession
from PIL import Image

from gateway.live import events as live
from gateway.live.conversation import Conversation
from gateway.live.policy import setup_options
from gateway.live.upstream import upstream_from
from gateway.settings import Settings
from gateway.simulator import Fault, Simulator
from tests.integration.test_session import PATIENCE_S, condition
from tests.wire import check_client, check_server

SECOND = 32_000  # bytes of 16 kHz PCM
TONE = (6000 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)).astype("<i2").tobytes()

MODELS = {
    "3.8": "gemini-3.8-live",
    "3.1": "gemini-3.1-flash-live-preview",
    "2.5": "gemini-2.5-flash-native-audio-preview-12-2025",
    "extended-thinking": "gemini-3.8-live-extended-thinking",
    "vertex": "gemini-live-2.5-flash-native-audio",
}


def jpeg() -> bytes:
    """A red frame."""
    buffer = io.BytesIO()
    Image.new("RGB", (512, 384), (200, 30, 40)).save(buffer, "JPEG")
    return buffer.getvalue()


def sdk_client(simulator: Simulator) -> genai.Client:
    """The SDK, pointed at a plain loopback socket; everything it sends is as it sends it to Google."""
    client = genai.Client(api_key="FAKE", http_options={"api_version": "v1beta"})
    client._api_client._websocket_base_url = lambda http_options=None: simulator.url  # type: ignore[method-assign]
    client._api_client._websocket_ssl_ctx = {}
    return client


async def answer(session: AsyncSession) -> list[types.LiveServerMessage]:
    """Everything up to the end of a turn."""
    async with asyncio.timeout(PATIENCE_S):
        return [message async for message in session.receive()]


def sound_of(messages: list[types.LiveServerMessage]) -> bytes:
    """The voice in an answer."""
    return b"".join(message.data for message in messages if message.data)


@pytest.fixture
async def scripted() -> AsyncIterator[Simulator]:
    """A simulator that calls a tool in its first answer and goes away after its second."""
    running = Simulator(
        script=(
            Fault(at="turn", do="tool_call", turn=1, name="lights", args={"on": True}),
            Fault(at="turn", do="go_away", turn=3, time_left_s=0.2),
        )
    )
    await running.start()
    yield running
    await running.stop()


async def test_the_sdk_talks_with_the_simulator(simulator: Simulator) -> None:
    """Setup, speech, a frame, text, an answer with voice and words, usage and a handle, all by the SDK's own client."""
    config = types.LiveConnectConfig(
        response_modalities=[types.Modality.AUDIO],
        system_instruction="Be brief.",
        input_audio_transcription=types.AudioTranscriptionConfig(),
        output_audio_transcription=types.AudioTranscriptionConfig(),
        session_resumption=types.SessionResumptionConfig(),
        context_window_compression=types.ContextWindowCompressionConfig(
            trigger_tokens=32_000, sliding_window=types.SlidingWindow(target_tokens=16_000)
        ),
    )
    async with sdk_client(simulator).aio.live.connect(model="gemini-3.8-live", config=config) as session:
        await session.send_realtime_input(video=types.Blob(data=jpeg(), mime_type="image/jpeg"))
        for at in range(0, SECOND, 1280):
            await session.send_realtime_input(
                audio=types.Blob(data=TONE[at : at + 1280], mime_type="audio/pcm;rate=16000")
            )
        await session.send_realtime_input(audio_stream_end=True)
        messages = await answer(session)
        words = "".join(
            message.server_content.output_transcription.text or ""
            for message in messages
            if message.server_content and message.server_content.output_transcription
        )
        assert "1.0 seconds of speech" in words
        assert "1 frame of 512 by 384, mostly red" in words
        assert len(sound_of(messages)) > 48_000
        usage = [message.usage_metadata for message in messages if message.usage_metadata][-1]
        assert usage.prompt_token_count
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="two words")]))
        assert sound_of(await answer(session))
    for sender, raw in simulator.connections[0].raw:
        if sender == "server":
            check_server(raw)


async def test_the_sdk_answers_a_tool_call_and_sees_the_end(scripted: Simulator) -> None:
    """A call, its response, goAway and the close code arrive as the SDK's own objects and errors."""
    config = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO])
    async with sdk_client(scripted).aio.live.connect(model="gemini-3.8-live", config=config) as session:
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="hello")]))
        await answer(session)
        async with asyncio.timeout(PATIENCE_S):
            call = await anext(message.tool_call async for message in session.receive() if message.tool_call)
        assert call.function_calls
        assert (call.function_calls[0].name, call.function_calls[0].args) == ("lights", {"on": True})
        response = types.FunctionResponse(id=call.function_calls[0].id, name="lights", response={"output": "done"})
        await session.send_tool_response(function_responses=response)
        assert sound_of(await answer(session))
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="bye")]))
        await answer(session)
        async with asyncio.timeout(PATIENCE_S):
            gone = await anext(message.go_away async for message in session.receive() if message.go_away)
            assert gone.time_left == "0.2s"
            with pytest.raises(errors.APIError, match="Deadline expired"):
                await anext(session.receive())
    for sender, raw in scripted.connections[0].raw:
        if sender == "server":
            check_server(raw)


@pytest.mark.parametrize("refused", ["TEXT", "gemini-1.5-pro"])
async def test_what_google_refuses_is_refused_in_its_words(simulator: Simulator, refused: str) -> None:
    """A text answer and a retired model end with the code and the text of the service."""
    is_model = refused.startswith("gemini")
    modality = types.Modality.AUDIO if is_model else types.Modality.TEXT
    model = refused if is_model else "gemini-3.8-live"
    words = "not found for API version v1beta" if is_model else "response modalities \\(TEXT\\) is not supported"
    with pytest.raises(errors.APIError, match=words) as raised:
        async with sdk_client(simulator).aio.live.connect(
            model=model, config=types.LiveConnectConfig(response_modalities=[modality])
        ):
            pass
    assert raised.value.code == (1008 if is_model else 1007)


@pytest.mark.parametrize("flavour", MODELS)
async def test_every_message_of_both_sides_is_one_of_the_sdk(flavour: str) -> None:
    """For each family of models: a conversation with sound, a frame, a pause and text, each message validated."""
    vertex = flavour == "vertex"
    simulator = Simulator()
    await simulator.start()
    settings = Settings(
        upstream="vertex" if vertex else "simulator",
        upstream_url=simulator.url,
        model=MODELS[flavour],
        voice="Kore",
        vertex_project="a-project",
    )
    happened: list[live.ConversationEvent] = []
    upstream = upstream_from(settings, None, bearer=lambda: "a-token")
    conversation = Conversation(upstream, setup_options(settings), happened.append)
    running = asyncio.create_task(conversation.run())
    try:
        conversation.send_frame(1, jpeg())
        for at in range(0, SECOND, 1280):
            conversation.send_audio(TONE[at : at + 1280])
        conversation.audio_stream_end()
        await condition(lambda: any(isinstance(event, live.TurnComplete) for event in happened))
        conversation.send_text("two words")
        await condition(lambda: sum(isinstance(event, live.TurnComplete) for event in happened) >= 2)
        assert sum(len(event.pcm) for event in happened if isinstance(event, live.Speech)) > 96_000
        usage = [event for event in happened if isinstance(event, live.UsageReport)][-1]
        assert usage.prompt_tokens > 0
        assert usage.response_tokens > 0
        words = "".join(event.text for event in happened if isinstance(event, live.ModelWords))
        assert "I heard 1.0 seconds of speech" in words
        assert "saw 1 frame of 512 by 384, mostly red" in words
        assert live.FrameSent(1) in happened
    finally:
        conversation.close()
        await running
        await simulator.stop()
    (connection,) = simulator.connections
    for sender, raw in connection.raw:
        if sender == "client":
            check_client(raw)
        else:
            check_server(raw, vertex=vertex)
    assert bytes(connection.audio) == TONE
    assert ("authorization" in connection.headers) is vertex
    assert connection.frames == [jpeg()]
