"""One call as a phone behind the worst firewall would make it: through the relay, and no other way.

Owns the call: an offer with a silent microphone, the answer, media, the end. It must not know the inside of the
gateway; it comes in by the same door as every browser.
**Invariant: the session it made is ended, whatever happened.**
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from urllib.parse import urljoin

import aiohttp
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)

from gateway.findings import Finding
from gateway.turn.client import Server

CONNECT_S = 20.0  # the gateway itself gives up after 15


async def call_through(server: Server, gateway_url: str, token: str | None) -> Finding:
    """Call the gateway at `gateway_url` through this relay."""
    headers = {"Content-Type": "application/sdp"} | ({"Authorization": f"Bearer {token}"} if token else {})
    relay = RTCIceServer(urls=server.url, username=server.username, credential=server.password)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[relay], iceTransportPolicy=RTCIceTransportPolicy.RELAY))
    timeout = aiohttp.ClientTimeout(total=CONNECT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http:
            pc.addTrack(AudioStreamTrack())
            await pc.setLocalDescription(await pc.createOffer())
            if "typ relay" not in pc.localDescription.sdp:
                return Finding("wrong", f"A call through {server.url} was not made: it gave no relay.")
            url = urljoin(gateway_url, "/v1/sessions")
            async with http.post(url, data=pc.localDescription.sdp, headers=headers) as response:
                text = await response.text()
                if response.status != 201:
                    return Finding("wrong", f"{url} refused a call: {response.status} {text[:200]}")
                session = urljoin(url, response.headers["Location"])
            try:
                return await _media(pc, text, server)
            finally:
                await http.delete(session, headers=headers)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Finding(
            "wrong",
            f"A call through {server.url} was not made: {gateway_url} cannot be reached ({error or 'no answer'}). "
            "Start the gateway, or name it: gateway doctor --turn --gateway URL.",
        )
    finally:
        await pc.close()


async def _media(pc: RTCPeerConnection, answer_sdp: str, server: Server) -> Finding:
    connected = asyncio.Event()
    pc.on("connectionstatechange", lambda: connected.set() if pc.connectionState == "connected" else None)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_S):
            await pc.setRemoteDescription(RTCSessionDescription(answer_sdp, "answer"))
            await connected.wait()
            return Finding("ok", f"A call to the gateway through {server.url} is connected: ICE, DTLS and SRTP.")
    return Finding(
        "wrong",
        f"A call through {server.url} did not connect: the relay does not reach the address and UDP port that browsers "
        "are told. Check GATEWAY_UDP_ADVERTISED, TURN_PEERS and the firewall between the two.",
    )


def relays(servers: Sequence[Server]) -> list[Server]:
    """Those that a call can be made through, one for each transport."""
    by_transport = {(server.host, server.transport): server for server in servers if server.relays}
    return list(by_transport.values())
