"""The knobs of how much one may use.

Owns names, types, defaults and words of the limits, each with where its number comes from; `settings.py` reads them
with all the others. It must not know what the other modules do with a value.
**Invariant: every limit has a default that a normal call never meets.**
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import NoDecode


class LimitSettings(BaseModel):
    """A part of `Settings`."""

    # Requests
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks of proxies that are believed who a request comes from, such as "
        "`10.0.0.0/8`, comma-separated.",
    )
    proxy_header: Literal["x-forwarded-for", "forwarded"] = Field(
        "x-forwarded-for",
        description="The header in which they say it. The other one is not looked at: a proxy that does not set it "
        "passes on what a client wrote there.",
    )
    requests_per_s_address: float = Field(
        50.0,
        gt=0,
        description="Requests a second of one address (of one /64 in IPv6); more are answered 429. A call makes about "
        "15; a file of a page counts an eighth, a whole page about 6. A company may share one address.",
    )
    requests_per_s_subject: float = Field(
        20.0, gt=0, description="Requests a second of one subject, from wherever; more are answered 429."
    )
    requests_burst: int = Field(200, ge=1, description="Requests that an address, or a subject, may make at once.")

    # Sessions
    max_sessions: int = Field(100, ge=1, description="Sessions at once; one more is answered 503.")
    sessions_per_subject: int = Field(
        5,
        ge=1,
        description="Sessions of one subject at once, those that wait for their browser included; one more is answered "
        "429. All callers of an open gateway are one subject, which has no such limit.",
    )
    setups_at_once: int = Field(
        10,
        ge=1,
        description="Sessions whose first connection is being made at the same time; one more is answered 503. Each "
        "costs about 20 ms of processor time, for which the calls that run have to wait.",
    )
    listeners_per_session: int = Field(
        8, ge=0, description="Listeners (WHEP) of one session at once; one more is answered 503."
    )

    # What a description may hold
    sdp_max_bytes: int = Field(
        65_536, ge=4_096, description="Largest offer in bytes. The largest ones of browsers have 15,000."
    )
    sdp_max_sections: int = Field(
        8,
        ge=3,
        description="Media sections of an offer, those that are not used included. A browser offers three; each more "
        "is one that was added and given up.",
    )
    candidates_max: int = Field(
        100,
        ge=20,
        description="ICE candidates that a session may be given at once, and a minute. A phone with VPN, two SIMs and "
        "IPv6 has a dozen, and as many again after each change of network.",
    )
    transcript_max_chars: int = Field(
        200_000,
        ge=10_000,
        description="Characters of a session's transcript; the oldest turns are dropped. Some hours of talk.",
    )

    # The length of a session
    session_max_s: float = Field(
        3600.0,
        gt=0,
        description="Seconds a session may last; it is told 60 and 10 seconds ahead. A token may say less. An hour is "
        "more than a call of support takes, and bounds the bill of a page that was forgotten.",
    )
    idle_end_s: float = Field(
        600.0,
        gt=0,
        description="Seconds of a session in which nobody says or types anything and no tool is at work, after which "
        "it ends; it is told 30 seconds ahead. Ten minutes: someone may be busy with both hands.",
    )
    spoken_warnings: bool = Field(
        False,
        description="The model also says aloud that the call ends soon, and asks whether the person is still there.",
    )
    goodbye_s: float = Field(
        8.0,
        ge=0,
        description="Seconds the model may take to say goodbye when a budget is used up; 0 ends the call at once. A "
        "short sentence takes three, its beginning up to four.",
    )
    token_budget: int | None = Field(
        None,
        ge=1,
        description="Tokens of the model that a session may use, by the model's count, in which each turn reads all "
        "before it; empty: as many as it likes. A token may say less, and its sessions then share them.",
    )
    frame_budget: int | None = Field(
        None, ge=1, description="Frames that a session may show the model; empty: as many as it likes. As above."
    )

    # What a browser may send
    call_max_kbps: int = Field(
        8_000,
        ge=200,
        description="Kilobits a second that a call may send; over it the camera is not looked at, and four times as "
        "much for ten seconds ends the call. A camera of 1080p that ignores what it is told sends half of it.",
    )
    call_max_packets_per_s: int = Field(
        1_500, ge=200, description="Packets a second that a call may send, with the same consequences."
    )
    camera_max_px: int = Field(
        2_560,
        ge=64,
        le=16_383,
        description="Longest side of a picture that is decoded, in pixels; a larger one is refused before it is. "
        "All calls share one thread for pictures, and one of 2560 by 1440 takes it 10 ms.",
    )

    # When the machine is busy: video is looked at less, then not at all, then no session is added
    load_lag_ms: float = Field(
        40.0,
        gt=0,
        description="How late nine of ten wake-ups may be, in ms. The voice leaves each 20 ms, and a browser bears "
        "about 40 more without a gap.",
    )
    load_cpu: float = Field(
        0.85, gt=0, description="Share of a processor that the event loop may use; beyond it waits grow fast."
    )
    load_memory: float = Field(
        0.9, gt=0, description="Share of the container's, or the machine's, memory that the process may take."
    )
    load_decode_ms: float = Field(
        500.0, gt=0, description="How long a picture may wait for the decoder, in ms: the time between two of them."
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text, strict=False)
        return value
