"""A request for another node's session, handed on to it.

Owns the way from node to node: which requests go it, and how. It must not know what they ask for.
**Invariant: a request is answered by the node that owns its session, or by a problem that says to try again; a request
goes from node to node at most `HOPS_MAX` times, and what only nodes may say is believed only with the store's key.**
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import logging
from collections.abc import AsyncIterator, Mapping, Set

import aiohttp
from aiohttp import ClientTimeout, ClientWebSocketResponse, StreamReader, WSMsgType, web
from aiohttp.typedefs import Handler, Middleware

from gateway.cluster import MOVING, Cluster, NodeDead
from gateway.doors.addressed import session_id_of
from gateway.doors.body import BODY
from gateway.doors.limits import address_of
from gateway.errors import NodeSilent, TooManySessions
from gateway.registry import Registry
from gateway.store.store import Node

logger = logging.getLogger(__name__)

KEY, HOPS, CLIENT = "X-Gateway-Key", "X-Gateway-Hops", "X-Gateway-Client"
HOPS_MAX = 3  # to the machine, to its worker, and from one that drains to its successor
CONNECT_S = 2.0
ANSWER_S = 6.0  # an answer SDP takes less than half a second; a paused node must not hold a phone up for long
MESSAGE_MAX_BYTES = 256 * 1024  # more than any event socket takes
LET_GO = "/internal/let-go/"
DRAIN = "/internal/drain"
STARTS = ("/v1/sessions", "/whip", "/start", "/api/offer")  # requests that may go to whichever node has most room
STARTS_STREAM, COMES_BACK_AS_STREAM = "/v1/stream", "/stream"  # as they do, by GET
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "upgrade"}
# Whatever a client writes there, in whatever spelling, goes no further.
OF_NODES = {KEY.lower(), HOPS.lower(), CLIENT.lower()}
OF_THE_HANDSHAKE = {"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol"}
NOT_HANDED_ON = OF_THE_CONNECTION | OF_NODES | OF_THE_HANDSHAKE


class Forward:
    """The way to the other nodes; `key` is the store's, `machine` this node's own."""

    def __init__(self, key: str, machine: str) -> None:
        self._key = key
        self._machine = machine
        self._clients: dict[str, aiohttp.ClientSession] = {}

    def middleware(self, cluster: Cluster, registry: Registry) -> Middleware:
        """Hands on what is not for this node."""

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            session_id = None if request.method == "OPTIONS" else await session_id_of(request, registry)
            dead: set[str] = set()
            while (node := await self._destination(request, session_id, cluster, dead)) is not None:
                try:
                    return await self._hand_on(request, node)
                except NodeDead:
                    dead.add(node.id)
            return await handler(request)

        return middleware

    def routes(self, cluster: Cluster, registry: Registry) -> list[web.RouteDef]:
        """What only other nodes may ask."""

        async def let_go(request: web.Request) -> web.Response:
            self._check(request)
            session_id = request.match_info["session"]
            sibling = await cluster.sibling_with(session_id)  # the address of a machine leads to any of its workers
            if sibling is None:
                await registry.move(session_id)
            else:
                await self.ask_to_let_go(sibling, session_id)
            return web.Response(status=204)

        async def drain(request: web.Request) -> web.Response:
            self._check(request)
            cluster.start_draining()
            return web.Response(status=204)

        return [web.post(LET_GO + "{session}", let_go), web.post(DRAIN, drain)]

    async def ask_to_let_go(self, node: Node, session_id: str) -> None:
        """Another node is to end its part of a session; raises NodeDead and NodeSilent."""
        await self._tell(node, LET_GO + session_id)

    async def ask_to_drain(self, node: Node) -> None:
        """Another node is to take no more sessions; raises NodeDead and NodeSilent."""
        await self._tell(node, DRAIN)

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    def client_of(self, request: web.Request) -> str | None:
        """Whose request another node hands on; None when it comes from no node."""
        return request.headers.get(CLIENT) if self.is_of_a_node(request) else None

    def is_of_a_node(self, request: web.Request) -> bool:
        """Whether another node hands this request on."""
        return hmac.compare_digest(request.headers.get(KEY, "").encode(), self._key.encode())

    def _check(self, request: web.Request) -> None:
        if not self.is_of_a_node(request):
            raise web.HTTPNotFound

    def _hops(self, request: web.Request) -> int:
        told = request.headers.get(HOPS, "0")
        return int(told) if self.is_of_a_node(request) and told.isdigit() else 0

    async def _destination(
        self, request: web.Request, session_id: str | None, cluster: Cluster, dead: Set[str]
    ) -> Node | None:
        """The node that has to answer, none of those that turned out to be dead; None when it is this one."""
        hops = self._hops(request)
        comes_back = request.method == "POST" and (request.path.endswith("/peer") or request.path.startswith("/whip/"))
        if session_id is None:
            starts = (request.method == "POST" and request.path in STARTS) or request.path == STARTS_STREAM
            if not starts and not comes_back:
                return None
            if not cluster.draining:
                return await cluster.lightest(dead) if hops == 0 else None
            successor = await cluster.successor(dead) if hops == 0 else None
            if successor is None:
                raise TooManySessions("This server is going down and takes no new calls; please try again in a moment.")
            return successor
        comes_back |= request.path.endswith(COMES_BACK_AS_STREAM)
        if cluster.draining and hops == 0 and comes_back:
            return await cluster.successor(dead)  # it takes the session over from this node
        node = await cluster.place(session_id)
        if node is not None and node.id in dead:
            await cluster.dead(node, session_id)
            return None
        if node is not None and hops >= HOPS_MAX:
            raise NodeSilent(MOVING)
        return node

    # The way

    async def _hand_on(self, request: web.Request, node: Node) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._hand_on_socket(request, node)
        client, base = self._client(node)
        timeout = ClientTimeout(connect=CONNECT_S, sock_read=ANSWER_S)
        if "text/event-stream" in request.headers.get("Accept", ""):
            timeout = ClientTimeout(connect=CONNECT_S)
        try:
            async with client.request(
                request.method,
                base + request.path_qs,
                data=_body(request),
                headers=self._headers(request),
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                return await _returned(request, answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _meaning(error, node) from None

    async def _hand_on_socket(self, request: web.Request, node: Node) -> web.StreamResponse:
        client, base = self._client(node)
        offered = [
            part.strip() for part in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if part.strip()
        ]
        try:
            there = await client.ws_connect(
                base + request.path_qs,
                protocols=offered,
                headers=self._headers(request),
                timeout=aiohttp.ClientWSTimeout(ws_close=CONNECT_S),
                max_msg_size=MESSAGE_MAX_BYTES,
            )
        except aiohttp.WSServerHandshakeError as error:
            return web.Response(status=error.status, text=error.message)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _meaning(error, node) from None
        async with there:
            here = web.WebSocketResponse(
                protocols=[there.protocol] if there.protocol else (), max_msg_size=MESSAGE_MAX_BYTES
            )
            await here.prepare(request)
            to_there = asyncio.create_task(_pump(here, there), name="socket to a node")
            try:
                await _pump(there, here)
            finally:
                to_there.cancel()
                await asyncio.gather(to_there, return_exceptions=True)
            code = there.close_code
            if code is None or code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE:  # which nobody may send
                code = aiohttp.WSCloseCode.SERVICE_RESTART
            await here.close(code=code)
        return here

    async def _tell(self, node: Node, path: str) -> None:
        client, base = self._client(node)
        try:
            async with client.post(
                base + path, headers={KEY: self._key}, timeout=ClientTimeout(connect=CONNECT_S, sock_read=ANSWER_S)
            ) as answer:
                answer.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _meaning(error, node) from None

    def _headers(self, request: web.Request) -> dict[str, str]:
        return headers_for_a_node(request.headers, self._key, self._hops(request) + 1, address_of(request))

    def _client(self, node: Node) -> tuple[aiohttp.ClientSession, str]:
        """A client for the node, and the beginning of its addresses; raises NodeSilent when there is no way to it."""
        socket = node.socket if node.machine == self._machine else ""  # a path means nothing on another machine
        if not (where := socket or node.url):
            logger.warning("node %s has no GATEWAY_NODE_URL: no other machine can reach it", node.id)
            raise NodeSilent("The server that has this call cannot be reached from here; please try again.")
        if where not in self._clients:
            connector = aiohttp.UnixConnector(socket) if socket else aiohttp.TCPConnector()
            self._clients[where] = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._clients[where], "http://localhost" if socket else node.url.rstrip("/")


def headers_for_a_node(received: Mapping[str, str], key: str, hops: int, client: str) -> dict[str, str]:
    """What goes with a request that is handed on: the client's headers but for those that are not its to say."""
    kept = {name: value for name, value in received.items() if name.lower() not in NOT_HANDED_ON}
    return {**kept, KEY: key, HOPS: str(hops), CLIENT: client}


def _body(request: web.Request) -> bytes | StreamReader | None:
    """What was read, or else the stream: it is read when the node is there, and not before."""
    read: bytes | None = request.get(BODY)
    return read if read is not None else request.content if request.can_read_body else None


async def _returned(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = answer.headers.copy()
    for name in (*OF_THE_CONNECTION, "content-length"):
        headers.popall(name, None)
    if not answer.content_type.startswith("text/event-stream"):
        return web.Response(status=answer.status, body=await answer.read(), headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    return response


async def _pump(
    source: web.WebSocketResponse | ClientWebSocketResponse, sink: web.WebSocketResponse | ClientWebSocketResponse
) -> None:
    """Hand on messages until the source closes; then close the sink, unless it is the browser's, which is told why."""
    try:
        async for message in _messages(source):
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
    except (ConnectionError, RuntimeError):
        pass  # one side is gone
    if isinstance(sink, ClientWebSocketResponse):
        await sink.close()


async def _messages(source: web.WebSocketResponse | ClientWebSocketResponse) -> AsyncIterator[aiohttp.WSMessage]:
    async for message in source:
        yield message


def _meaning(error: Exception, node: Node) -> Exception:
    """What a failed request says of the node."""
    reason = getattr(error, "os_error", None) or error
    if isinstance(reason, OSError) and reason.errno in (errno.ECONNREFUSED, errno.ENOENT):
        return NodeDead(node.id)
    logger.warning("node %s does not answer: %s", node.id, error or type(error).__name__)
    return NodeSilent("The server that has this call does not answer; please try again.")
