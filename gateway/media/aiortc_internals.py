"""Everything of aiortc and aioice that is not public, in one place.

Owns the private names, the check that they are all still there, and what is built on them: how a connection gets its
datagrams from the shared port, an ICE restart, the taking over of the RTP plane, and the guard before SCTP. It must not
know sessions, audio or video.
**Invariant: no other module of the gateway uses a private name of these packages; `check` fails with the name of what
has moved before a call can.**
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

from aioice import Candidate, ConnectionClosed, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, Connection, ConnectionEvent, StunProtocol, get_host_addresses
from aiortc import RTCPeerConnection, rtcsctptransport
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport
from aiortc.rtcsctptransport import DataChunk, RTCSctpTransport

from gateway.errors import ConfigError
from gateway.media.datagrams import Address, UdpSocket
from gateway.media.sctp import STREAMS_MAX, WINDOW_BYTES, fault_of, waiting
from gateway.media.srtp import Srtp

logger = logging.getLogger(__name__)

CONNECTION_NAMES = (
    "_check_list",
    "_early_checks",
    "_nominated",
    "_nominating",
    "_protocols",
    "_query_consent_task",
    "_queue",
    "_remote_candidates",
    "check_incoming",
    "data_received",
    "get_component_candidates",
    "get_event",
    "query_consent",
    "request_received",
)
DTLS_NAMES = ("_rx_srtp", "_tx_srtp", "_ssl", "_rtp_router")
ICE_NAMES = ("_connection", "_send", "_recv")
SCTP_NAMES = (
    "_advertised_rwnd",
    "_data_channel_queue",
    "_data_channels",
    "_handle_data",
    "_inbound_streams",
    "_inbound_streams_max",
    "_last_received_tsn",
    "_outbound_queue",
    "_receive",
    "_receive_data_chunk",
    "_receive_reconfig_param",
    "_rto",
    "_sack_misordered",
    "_send_chunk",
    "_sent_queue",
)
CHECK_RTO_S = 0.1  # aioice waits 500 ms before it repeats a connectivity check; browsers wait about 50 to 100
CONSENT_S = 2.5  # as browsers do; each one also measures the round trip
CONSENT_TIMEOUT_S = 2.0
PROBES_MAX = 4  # at a time; one is what a NAT makes necessary
HANDSHAKE_RTO_S = 0.12  # OpenSSL repeats a flight after 1 s; browsers after 50 ms
HANDSHAKE_TRIES = 20
DTLS_QUEUE_MAX = 64  # datagrams; a handshake has a dozen
DTLS_PACKETS_PER_S = 400  # 64 KiB in 0.15 s; each costs 0.1 ms of the loop that all calls share
SCTP_RTO_S = 0.4  # aiortc waits 3 s for the first answer and 1 s at least for any; browsers 0.4 s
CHANNELS_MAX = 4  # of one call, of which one is used


def check() -> None:
    """Raise ConfigError when a name that is used here has moved."""
    gatherer = RTCIceGatherer(iceServers=[])
    transport = RTCIceTransport(gatherer)
    dtls = RTCDtlsTransport(transport, [RTCCertificate.generateCertificate()])
    missing = [
        f"{type(owner).__name__}.{name}"
        for owner, names in (
            (gatherer._connection, CONNECTION_NAMES),
            (transport, ICE_NAMES),
            (dtls, DTLS_NAMES),
        )
        for name in names
        if not hasattr(owner, name)
    ]
    # One of these cannot be made without an event loop, so what its constructor names is looked at.
    of_sctp = {*dir(RTCSctpTransport), *RTCSctpTransport.__init__.__code__.co_names}
    missing += [f"RTCSctpTransport.{name}" for name in SCTP_NAMES if name not in of_sctp]
    if not hasattr(stun, "RETRY_RTO"):
        missing.append("aioice.stun.RETRY_RTO")
    if not hasattr(rtcsctptransport, "SCTP_RTO_MIN"):
        missing.append("aiortc.rtcsctptransport.SCTP_RTO_MIN")
    if missing:
        raise ConfigError(
            f"This version of aiortc or aioice has moved {', '.join(missing)}: install the versions of constraints.txt."
        )


def host_addresses() -> list[str]:
    """Addresses of this machine, without loopback; the loopback address where there is no other."""
    return get_host_addresses(use_ipv4=True, use_ipv6=True) or ["127.0.0.1"]


class MuxedProtocol(StunProtocol):
    """One connection's end of a shared socket; what aioice believes to be a socket of its own."""

    def __init__(self, connection: Connection, transport: UdpSocket, address: Address) -> None:
        super().__init__(connection)
        self.transport = transport  # type: ignore[assignment]  # it is only asked to send
        self.local_candidate = candidate_of(address)

    async def close(self) -> None:
        """The socket stays open: others use it."""


OnMedia = Callable[[bytes], None]
# A datagram of media, where it came from, and the way back; whether it is the call's.
OnStray = Callable[[bytes, Address, MuxedProtocol], bool]


def candidate_of(address: Address, kind: Literal["host", "prflx"] = "host") -> Candidate:
    """A candidate (RFC 8445 §5.1.1)."""
    host, port = address
    return Candidate(
        foundation=candidate_foundation(kind, "udp", host),
        component=1,
        transport="udp",
        priority=candidate_priority(1, kind),
        host=host,
        port=port,
        type=kind,
    )


class IceLeg:
    """The ICE side of one peer connection on a shared port.

    `join` gives the connection its ends of the sockets; `offered_too` are further addresses that lead to them, which
    browsers are told and we need not know of; `on_valid` is told an address whose check was authentic;
    `on_media` gets what is neither STUN nor DTLS; `misses` says whether media from an unknown address looks like
    what should have come.
    """

    def __init__(
        self,
        pc: RTCPeerConnection,
        join: Callable[[Connection, OnMedia, OnStray], list[MuxedProtocol]],
        on_valid: Callable[[Address], None],
        on_media: OnMedia,
        misses: Callable[[bytes], bool],
        offered_too: Sequence[Address] = (),
    ) -> None:
        self._dtls: RTCDtlsTransport = pc.getTransceivers()[0].receiver.transport
        self._ice: RTCIceTransport = self._dtls.transport
        self._connection: Connection = self._ice._connection
        self._join = join
        self._offered_too = offered_too
        self._on_valid = on_valid
        self._on_media, self._misses = on_media, misses
        self._flight: list[bytes] = []
        self._flight_timer: asyncio.TimerHandle | None = None
        self._flight_tries, self._closed = 0, False
        self._probes: dict[Address, asyncio.Task[None]] = {}
        self._srtp: tuple[Srtp, Srtp] | None = None
        self._second_s, self._in_second = 0.0, 0  # datagrams of DTLS in the present second
        self.rtt_s: float | None = None
        self._take_over()

    @property
    def ufrag(self) -> str:
        """Our user name fragment."""
        return self._connection.local_username

    @property
    def pwd(self) -> str:
        """Our password."""
        return self._connection.local_password

    @property
    def candidates(self) -> list[str]:
        """Our candidates as SDP lines without `a=`."""
        return [f"candidate:{candidate.to_sdp()}" for candidate in self._connection.local_candidates]

    @property
    def srtp(self) -> tuple[Srtp, Srtp] | None:
        """(in, out) sessions; None before the handshake is over."""
        # Asked for with each packet, and `state` is made of an enumeration's name each time.
        if self._srtp is None and not self._closed and self._dtls.state == "connected":
            self._srtp = Srtp(self._dtls._rx_srtp), Srtp(self._dtls._tx_srtp)
        return self._srtp

    @property
    def remote(self) -> Address | None:
        """Where the browser is at the moment, as far as is agreed."""
        pair: CandidatePair | None = self._connection._nominated.get(1)
        return None if pair is None else pair.remote_addr

    def send(self, datagram: bytes) -> bool:
        """Send to where the browser is at the moment; False when that is not known."""
        pair: CandidatePair | None = self._connection._nominated.get(1)
        if pair is None:
            return False
        pair.protocol.transport.sendto(datagram, pair.remote_addr)
        return True

    def restart(self, ufrag: str, pwd: str) -> None:
        """The browser gathers anew (RFC 8445 §9): its former candidates and checks mean nothing any more.

        Our own credentials stay, which browsers accept; DTLS and SRTP go on. Media goes the old way until a new pair is
        nominated.
        """
        connection = self._connection
        connection.remote_username, connection.remote_password = ufrag, pwd
        for pair in connection._check_list:
            if pair.task is not None:
                pair.task.cancel()
        connection._check_list.clear()
        connection._remote_candidates.clear()
        connection._nominating.clear()

    def checks_after_restart(self) -> None:
        """Check the candidates that came with a restart; `connect` does it only the first time."""
        for pair in self._connection._check_list:
            if pair.state is CandidatePair.State.FROZEN:
                self._connection.check_start_task(pair)

    def _take_over(self) -> None:
        connection = self._connection
        stun.RETRY_RTO = CHECK_RTO_S
        incoming = connection.check_incoming

        def check_incoming(message: stun.Message, address: Address, protocol: StunProtocol) -> None:
            self._on_valid(address)
            incoming(message, address, protocol)

        def data_received(data: bytes, component: int) -> None:
            if connection._queue.qsize() < DTLS_QUEUE_MAX and self._admits_dtls():
                connection._queue.put_nowait((data, component))
                self._flight_answered()

        async def get_component_candidates(component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
            protocols = self._join(connection, self._on_media, self._stray)
            connection._protocols += protocols
            return [*(protocol.local_candidate for protocol in protocols), *map(candidate_of, self._offered_too)]

        next_event = connection.get_event

        async def get_event() -> ConnectionEvent:
            # A closed connection has None to tell, for which aiortc asks again at once and for ever: where a peer was
            # closed in the turn of its answer, nothing else of the process ran any more.
            return await next_event() or ConnectionClosed()

        connection.get_event = get_event  # type: ignore[method-assign]
        connection.check_incoming = check_incoming  # type: ignore[method-assign, assignment]
        connection.data_received = data_received  # type: ignore[method-assign]
        connection.get_component_candidates = get_component_candidates  # type: ignore[method-assign]
        connection.query_consent = self._consent  # type: ignore[method-assign]
        send = self._ice._send

        async def send_handshake(data: bytes) -> None:
            await send(data)
            if self._dtls.state == "connecting":
                self._flight_sent(data)

        self._ice._send = send_handshake

    def _admits_dtls(self) -> bool:
        """False for more than `DTLS_PACKETS_PER_S`: a sender that follows SCTP then slows down."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._second_s >= 1:
            self._second_s, self._in_second = now_s, 0
        self._in_second += 1
        return self._in_second <= DTLS_PACKETS_PER_S

    # Consent (RFC 7675). Nobody is cut off here: the watchdog of the peer looks at what arrives.

    async def _consent(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closed:  # aioice may begin with it after the connection was closed, and would never end it
            for pair in list(self._connection._nominated.values()):
                begun_s = loop.time()
                if await self._ask(pair) is None:
                    continue
                measured_s = loop.time() - begun_s
                # The least of what was seen lately: a lost and repeated request looks like a long way.
                self.rtt_s = measured_s if self.rtt_s is None else min(measured_s, self.rtt_s + 0.25 * measured_s)
            await asyncio.sleep(CONSENT_S)

    async def _ask(self, pair: CandidatePair) -> Address | None:
        """A check; where its answer came from."""
        request = self._connection.build_request(pair, nominate=False)
        key = (self._connection.remote_password or "").encode()
        with suppress(stun.TransactionError, TimeoutError):
            async with asyncio.timeout(CONSENT_TIMEOUT_S):
                address: Address = (await pair.protocol.request(request, pair.remote_addr, integrity_key=key))[1]
                return address
        return None

    # A NAT may give the browser another address unasked, and its own next check is up to 2.5 s away. So it is asked
    # whether it is there; its answer is as authentic as a check that it sends (RFC 8445 §7.3.1.4).

    def _stray(self, data: bytes, address: Address, protocol: MuxedProtocol) -> bool:
        if not self._misses(data):
            return False
        if address not in self._probes and len(self._probes) < PROBES_MAX and not self._closed:
            self._probes[address] = asyncio.create_task(self._probe(address, protocol), name="probe of an address")
            self._probes[address].add_done_callback(lambda _: self._probes.pop(address))
        return True

    async def _probe(self, address: Address, protocol: MuxedProtocol) -> None:
        pair = CandidatePair(protocol, candidate_of(address, "prflx"))
        if await self._ask(pair) == address:
            self._on_valid(address)
            self._connection._nominated[1] = pair

    # The handshake on a lossy network: our last flight is repeated until something comes back.

    def _flight_sent(self, data: bytes) -> None:
        self._flight.append(data)
        if self._flight_timer is None:
            self._flight_tries = 0
            self._arm()

    def _flight_answered(self) -> None:
        self._flight.clear()
        if self._flight_timer is not None:
            self._flight_timer.cancel()
            self._flight_timer = None

    def _arm(self) -> None:
        delay_s = HANDSHAKE_RTO_S * (1 + self._flight_tries // 4)
        self._flight_timer = asyncio.get_running_loop().call_later(delay_s, self._repeat)

    def _repeat(self) -> None:
        self._flight_timer = None
        if self._dtls.state != "connecting" or self._flight_tries >= HANDSHAKE_TRIES:
            return
        for datagram in self._flight:
            self.send(datagram)
        self._flight_tries += 1
        self._arm()

    def close(self) -> None:
        """Stop what runs by itself."""
        self._closed = True
        self._srtp = None
        self._flight_answered()
        for probe in self._probes.values():
            probe.cancel()


class SctpGuard:
    """What stands before the SCTP of one peer connection; made between the offer and the answer.

    `on_dropped` is told why something was turned away: `malformed`, `too_many_channels`, or `endless` when the data
    channel was closed because of it. The call goes on in every case.
    """

    def __init__(self, sctp: RTCSctpTransport, on_dropped: Callable[[str], None]) -> None:
        self._sctp = sctp
        self._on_dropped = on_dropped
        self.reset: set[int] = set()  # streams whose channel the browser has closed, and not only its connection
        rtcsctptransport.SCTP_RTO_MIN = SCTP_RTO_S  # type: ignore[assignment]
        sctp._rto = 2 * SCTP_RTO_S
        sctp._advertised_rwnd = WINDOW_BYTES
        sctp._inbound_streams_max = STREAMS_MAX
        self._handle_data, self._receive = sctp._handle_data, sctp._receive
        self._receive_data_chunk, self._send_chunk = sctp._receive_data_chunk, sctp._send_chunk
        self._receive_reconfig_param = sctp._receive_reconfig_param
        sctp._handle_data = self._packet  # type: ignore[method-assign]
        sctp._receive = self._message  # type: ignore[method-assign]
        sctp._receive_data_chunk = self._data_chunk  # type: ignore[method-assign]
        sctp._receive_reconfig_param = self._reconfigure  # type: ignore[method-assign]
        sctp._send_chunk = self._send  # type: ignore[method-assign]

    @property
    def unacknowledged(self) -> int:
        """Messages that were sent and may not have arrived, as far as is known."""
        sctp = self._sctp
        chunks = [chunk for chunk in (*sctp._sent_queue, *sctp._outbound_queue) if not chunk._acked]
        begun = {
            (chunk.stream_id, chunk.stream_seq) for chunk in chunks if chunk.protocol != rtcsctptransport.WEBRTC_DCEP
        }
        queued = [kind for _, kind, _ in sctp._data_channel_queue if kind != rtcsctptransport.WEBRTC_DCEP]
        return len(begun) + len(queued)

    async def _packet(self, data: bytes) -> None:
        if fault_of(data) is not None:
            self._on_dropped("malformed")
            return
        try:
            await self._handle_data(data)
        except Exception:  # whatever is wrong with it, the connection that it came over carries the call
            logger.debug("SCTP packet of %d bytes", len(data), exc_info=True)
            self._on_dropped("malformed")

    async def _data_chunk(self, chunk: DataChunk) -> None:
        sctp = self._sctp
        ahead = (chunk.tsn - (sctp._last_received_tsn or 0)) % 2**32
        chunks = sum(len(stream.reassembly) for stream in sctp._inbound_streams.values()) + len(sctp._sack_misordered)
        verdict = waiting(ahead, chunks, WINDOW_BYTES - sctp._advertised_rwnd)
        if verdict == "take":
            await self._receive_data_chunk(chunk)
        elif verdict == "abort":
            self._on_dropped("endless")
            await sctp.stop()

    async def _message(self, stream_id: int, pp_id: int, data: bytes) -> None:
        opens = pp_id == rtcsctptransport.WEBRTC_DCEP and data[:1] == bytes([rtcsctptransport.DATA_CHANNEL_OPEN])
        if opens and len(self._sctp._data_channels) >= CHANNELS_MAX:
            self._on_dropped("too_many_channels")
        else:
            await self._receive(stream_id, pp_id, data)

    async def _reconfigure(self, param: Any) -> None:
        if isinstance(param, rtcsctptransport.StreamResetOutgoingParam):
            self.reset.update(stream for stream in param.streams if stream < STREAMS_MAX)
        await self._receive_reconfig_param(param)

    async def _send(self, chunk: rtcsctptransport.Chunk) -> None:
        with suppress(ConnectionError):  # the connection is going; SCTP's timers come to the same conclusion
            await self._send_chunk(chunk)


def take_over_media(pc: RTCPeerConnection) -> None:
    """Let aiortc's senders and receivers rest: no decoder thread, no RTP task. Before the answer is set."""

    async def nothing(_: object) -> None:
        return None

    for transceiver in pc.getTransceivers():
        transceiver.sender.send = nothing  # type: ignore[method-assign, assignment]
        transceiver.receiver.receive = nothing  # type: ignore[method-assign, assignment]


def ssrc_of(pc: RTCPeerConnection, index: int) -> int:
    """The SSRC that our answer names for a transceiver."""
    ssrc: int = pc.getTransceivers()[index].sender._ssrc
    return ssrc
