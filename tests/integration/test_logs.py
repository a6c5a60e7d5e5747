"""What the log of a gateway does not tell: secrets, and what people say."""

import asyncio
import json
import re
from pathlib import Path

import aiohttp
import pytest

from tests.integration.caller import Caller
from tests.integration.guarded import OPERATOR_KEY, SDP, SECRET, bearing
from tests.integration.test_session import until
from tests.programs import gateway_and_simulator

API_KEY = "of-the-model-and-of-nobody-else"
TURN_SECRET = "of-the-relay-and-of-nobody-else"
SAID = "xylophone"
SUBJECT = "anna@example.org"


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_a_call_leaves_no_secret_and_no_word_in_the_log(tmp_path: Path, level: str) -> None:
    """Keys, tokens, passwords of ICE and TURN, whose call it is and what was said; not even where everything is
    logged, nor when requests are refused."""
    secrets = {"api key": API_KEY, "jwt secret": SECRET, "operator key": OPERATOR_KEY, "turn secret": TURN_SECRET}
    environment = {
        "GATEWAY_LOG_LEVEL": level,
        "GATEWAY_AUTH": "token",
        "GATEWAY_JWT_SECRET": SECRET,
        "GATEWAY_OPERATOR_KEY": OPERATOR_KEY,
        "GATEWAY_TURN_URLS": "turn:127.0.0.1:9",
        "GATEWAY_TURN_SECRET": TURN_SECRET,
        "GATEWAY_UPSTREAM": "gemini",
        "GEMINI_API_KEY": API_KEY,
    }
    with gateway_and_simulator(tmp_path, tmp_path / "recorded", **environment) as (gateway, simulator):
        async with aiohttp.ClientSession(gateway.found) as client:
            wanted = {"subject": SUBJECT}
            async with client.post("/v1/tokens", json=wanted, headers=bearing(OPERATOR_KEY)) as response:
                token = (await response.json())["token"]
            async with client.get("/v1/ice-servers", headers=bearing(token)) as response:
                secrets["turn password"] = (await response.json())["iceServers"][0]["credential"]
            async with Caller(client, token=token, video=True, silent=True) as caller, caller.events() as socket:
                await until(socket, "server-message", type="frame")
                await socket.send_json({"type": "send-text", "id": "1", "data": {"content": SAID}})
                words = await until(socket, "bot-output")
                sdp = caller.pc.localDescription.sdp + caller.pc.remoteDescription.sdp
                for number, password in enumerate(re.findall(r"a=ice-pwd:(\S+)", sdp)):
                    secrets[f"ice password {number}"] = password
                # Without the subprotocol that is spoken here, which a library would warn of.
                await client.ws_connect(f"{caller.location}/events", protocols=(f"token.{token}",))
                assert await caller.end() == 204
            # Refusals, and what is no request at all.
            for path in (f"/v1/sessions/{token}", f"/v1/sessions/x?token={token}", f"/{OPERATOR_KEY}"):
                async with client.get(path, headers=bearing(token[:-1])) as response:
                    assert response.status in (400, 401, 404)
            async with client.post("/v1/sessions", data=f"v=0 {token}", headers={**SDP, **bearing(token)}) as response:
                assert response.status == 400
            address = gateway.found.removeprefix("http://").rstrip("/").partition(":")
            await nonsense(address[0], int(address[2]), f"GET / HTTP/1.1\r\nAuthorization : Bearer {token}\r\n\r\n")
        assert gateway.stop() == 0
        assert simulator.stop() == 0
    log = gateway.log
    assert "ends: You ended the call." in log
    assert ("DEBUG" in log) == (level == "DEBUG")
    heard = json.dumps(words["data"]["text"])
    secrets |= {"token": token, "signature": token.rpartition(".")[2], "subject": SUBJECT, "said": SAID}
    secrets |= {"answered": heard.strip('"')}
    assert {name for name, secret in secrets.items() if secret in log} == set(), log
    assert "Traceback" not in log


async def nonsense(host: str, port: int, request: str) -> None:
    """Send what cannot be read, and wait for the end of the connection."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request.encode())
    assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
