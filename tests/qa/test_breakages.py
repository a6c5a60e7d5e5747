"""Each check of the loopback page is able to fail: something real is broken, and it says what. `make test-qa`.

Budgets that a slow machine could break are off; those that a test is about are set in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.doors import pages
from gateway.errors import ConfigError
from gateway.guard.grant import TokenRequest
from gateway.guard.tokens import tokens_of
from gateway.media.aiortc_internals import host_addresses
from gateway.qa.run import QaOptions, run_qa
from gateway.settings import Settings
from tests.browser.loopback import Outcome, black_camera, budgets, qa, silent_microphone
from tests.coturn import Coturn
from tests.integration.guarded import SECRET
from tests.programs import NEVER_BUSY, Program

pytestmark = pytest.mark.browser


async def broken(directory: Path, check: str, limits: dict[str, float] | None = None, **more: Any) -> Outcome:
    """The outcome of one check, which must be FAIL."""
    options = {"budgets": budgets(directory / "budgets.json", **(limits or {})), **more.pop("options", {})}
    outcome = await qa(directory, check, options=options, **more)
    assert outcome.verdict(check) == "FAIL", outcome.reason(check)
    assert outcome.code == 1
    return outcome


def script(directory: Path, text: str) -> Path:
    """A script of the simulator."""
    path = directory / "script.toml"
    path.write_text(text, encoding="utf-8")
    return path


@asynccontextmanager
async def careless_gateway() -> AsyncIterator[str]:
    """The pages over doors that refuse nothing: what a gateway with a hole would answer."""

    async def config(_: web.Request) -> web.Response:
        video = {"fps_min": 1, "fps_max": 3, "size_px": 512}
        known = {"version": "0", "upstream": "simulator", "model": "m", "settings_hash": "0" * 12}
        return web.json_response({**known, "auth": "token", "video": video, "test_modes": None})

    async def anything(_: web.Request) -> web.Response:
        return web.json_response({"iceServers": []})

    application = web.Application()
    application.add_routes([web.get("/v1/client-config", config), web.route("*", "/v1/{any:.+}", anything)])
    application.add_routes(pages.routes())
    async with TestServer(application) as server:
        yield str(server.make_url("/"))


async def test_an_insecure_page_fails(tmp_path: Path) -> None:
    """Over plain HTTP from another address browsers give no microphone; what needs no sound is checked all the same."""
    host = host_addresses()[0]
    with Program(
        ["serve", "--port", "0", "--host", host], r"Open (http://\S+)", tmp_path / "log", GATEWAY_AUTH="insecure-open"
    ) as gateway:
        outcome = await broken(tmp_path, "environment", options={"url": gateway.found})
    assert "this page is not secure" in outcome.reason("environment")


@pytest.mark.parametrize(("check", "words"), [("token", "no token was answered 200, not 401"), ("limits", "not 413")])
async def test_a_gateway_that_refuses_nothing_fails(tmp_path: Path, check: str, words: str) -> None:
    """Whatever it is asked."""
    async with careless_gateway() as url:
        outcome = await broken(tmp_path, check, options={"url": url})
    assert words in outcome.reason(check)


async def test_a_gateway_with_tokens_passes_with_one_that_is_reusable(tmp_path: Path) -> None:
    """Every wrong one is refused, calls are made with the right one; one for a single call is a warning."""
    tokens = tokens_of(Settings(jwt_secret=SECRET))
    assert tokens is not None
    with Program(
        ["serve", "--port", "0"],
        r"Open (http://\S+)",
        tmp_path / "log",
        GATEWAY_AUTH="token",
        GATEWAY_JWT_SECRET=SECRET,
    ) as gateway:
        for reusable, verdict in ((True, "PASS"), (False, "WARN")):
            token = tokens.mint(TokenRequest(reusable=reusable), time.time()).token
            options = {"url": gateway.found, "token": token, "budgets": budgets(tmp_path / "budgets.json")}
            outcome = await qa(tmp_path, "token", "limits", options=options)
            assert (outcome.verdict("token"), outcome.verdict("limits")) == (verdict, "PASS")
            assert token not in json.dumps(outcome.report)


async def test_a_wrong_turn_secret_fails(tmp_path: Path) -> None:
    """A real coturn refuses the credentials, and the card says so; no call goes over it."""
    with Coturn(host_addresses()[0], tmp_path) as turn:
        good, bad = turn.server("udp"), turn.server("udp", secret="of-another-secret")
        outcome = await qa(
            tmp_path, "ice", "connectivity", options={"budgets": budgets(tmp_path / "b.json")}, ice_servers=(bad,)
        )
        assert outcome.code == 1
        assert "401 Unauthorized" in outcome.reason("ice")
        assert outcome.verdict("connectivity") == "FAIL"
        assert "over TURN/UDP" in outcome.reason("connectivity")
        well = await qa(
            tmp_path,
            "ice",
            "connectivity",
            options={"budgets": budgets(tmp_path / "b.json")},
            ice_servers=(good,),
        )
        assert (well.verdict("ice"), well.verdict("connectivity")) == ("PASS", "PASS")
        assert "over TURN/UDP" in well.reason("connectivity")


RELAY_WAYS = ("udp", "tcp", "tls")


async def test_every_way_through_a_relay_is_tried(tmp_path: Path) -> None:
    """Over UDP, TCP and TLS, each by a whole call of its own; a certificate that the browser does not know closes one
    of them, and the others go on."""
    with Coturn(host_addresses()[0], tmp_path) as turn:
        servers = tuple(turn.server(way) for way in RELAY_WAYS)
        options = {"budgets": budgets(tmp_path / "b.json")}
        own = {**options, "chromium_arguments": ("--ignore-certificate-errors",)}  # this coturn's is its own
        well = await qa(tmp_path, "ice", "connectivity", options=own, ice_servers=servers)
        assert (well.verdict("ice"), well.verdict("connectivity")) == ("PASS", "PASS"), well.report["checks"]
        ways = {way["way"]: way["pair"] for way in well.numbers("connectivity")["ways"]}
        assert {f"over TURN/{way.upper()}" for way in RELAY_WAYS} < ways.keys()
        assert [ways[f"over TURN/{way.upper()}"].split(" to ")[0] for way in RELAY_WAYS] == [
            f"relay over {way}" for way in RELAY_WAYS
        ]
        ill = await qa(tmp_path, "ice", "connectivity", options=options, ice_servers=servers)
        assert (ill.code, ill.verdict("ice"), ill.verdict("connectivity")) == (1, "FAIL", "FAIL")
        assert "turns:" in ill.reason("ice")
        assert "701: the server cannot be reached" in ill.reason("ice")
        assert "No connection over TURN/TLS" in ill.reason("connectivity")
        dead = [way["way"] for way in ill.numbers("connectivity")["ways"] if "connectMs" not in way]
        assert dead == ["over TURN/TLS"]


async def test_a_browser_without_udp_cannot_reach_the_gateway_but_by_a_relay(tmp_path: Path) -> None:
    """As where a company's policy forbids UDP: the way is named, and what to look at; a relay over TCP makes it a
    warning."""
    policies = ("--force-webrtc-ip-handling-policy", "--webrtc-ip-handling-policy")
    without = {"chromium_arguments": tuple(f"{policy}=disable_non_proxied_udp" for policy in policies)}
    outcome = await broken(tmp_path, "connectivity", options=without)
    assert "No connection directly" in outcome.reason("connectivity")
    assert "GATEWAY_UDP_PORT" in outcome.reason("connectivity")
    with Coturn(host_addresses()[0], tmp_path) as turn:
        options = {**without, "budgets": budgets(tmp_path / "b.json")}
        outcome = await qa(tmp_path, "connectivity", options=options, ice_servers=(turn.server("tcp"),))
        assert outcome.verdict("connectivity") == "WARN", outcome.reason("connectivity")
        assert "Only through a relay" in outcome.reason("connectivity")


async def test_a_muted_microphone_fails(tmp_path: Path) -> None:
    """On this side of the network."""
    outcome = await broken(tmp_path, "microphone", options={"chromium_arguments": (silent_microphone(tmp_path),)})
    assert "silent" in outcome.reason("microphone")


async def test_a_covered_camera_fails(tmp_path: Path) -> None:
    """On this side of the network, by a budget; at the gateway by the JPEG."""
    options = {"chromium_arguments": (black_camera(tmp_path),)}
    outcome = await broken(tmp_path, "camera", {"camera__black_percent": 33}, options=options)
    assert "Black" in outcome.reason("camera")
    outcome = await broken(tmp_path, "gateway_view", options=options)
    assert "JPEG that the model gets is black" in outcome.reason("gateway_view")


async def test_a_voice_with_holes_fails(tmp_path: Path) -> None:
    """Four tenths of the packets are lost: more than repetitions repair."""
    options = {"network": "loss_percent=40,burst=8"}
    outcome = await broken(tmp_path, "voice", {"voice__concealed_percent": 5}, options=options)
    assert "made up by the browser" in outcome.reason("voice")


async def test_a_long_way_fails(tmp_path: Path) -> None:
    """400 ms in each direction are more than a talk bears."""
    options = {"network": "delay_ms=400"}
    outcome = await broken(tmp_path, "round_trip", {"round_trip__delay_ms": 700}, options=options)
    assert outcome.numbers("round_trip")["delay_ms"] > 800
    assert "Mouth to ear" in outcome.reason("round_trip")


async def test_a_delay_that_goes_on_growing_fails(tmp_path: Path) -> None:
    """An echo whose clock is slow by 2 %: in four seconds that is beyond doubt, and measured within twice its error."""
    slow = script(tmp_path, "echo_drift_ppm = 20000")
    outcome = await broken(tmp_path, "round_trip", {"round_trip__drift_ppm": 500}, simulator_script=slow)
    assert "The delay drifts by" in outcome.reason("round_trip")
    numbers = outcome.numbers("round_trip")
    assert abs(numbers["drift_measured_ppm"] - 20_000) < 2 * numbers["drift_error_ppm"]


async def test_a_model_that_thinks_for_long_fails(tmp_path: Path) -> None:
    """The simulator takes three seconds more."""
    slow = script(tmp_path, "think_ms = 3000")
    outcome = await broken(tmp_path, "ttfab", {"ttfab__p50_ms": 2500}, simulator_script=slow)
    assert outcome.numbers("ttfab")["p50_ms"] > 3000
    assert "Half of the answers" in outcome.reason("ttfab")


async def test_video_that_costs_latency_fails(tmp_path: Path) -> None:
    """Each frame a second makes the simulator think half a second longer; the slope is found."""
    costly = script(tmp_path, "think_ms_per_fps = 500")
    outcome = await broken(tmp_path, "ttfab", {"ttfab__sure_slope_ms_per_fps": 150}, simulator_script=costly)
    assert "Video costs latency" in outcome.reason("ttfab")
    assert 300 < outcome.numbers("ttfab")["slope_ms_per_fps"] < 700


async def test_a_model_that_stops_late_fails(tmp_path: Path) -> None:
    """Half a second up and half a second down."""
    options = {"network": "delay_ms=500"}
    outcome = await broken(tmp_path, "barge_in", {"barge_in__silence_ms": 900}, options=options)
    assert "falls silent after" in outcome.reason("barge_in")


async def test_a_question_that_is_never_answered_fails(tmp_path: Path) -> None:
    """The simulator ends its turns without a sound, every time."""
    mute = "".join(f'[[fault]]\nat = "speaking"\ndo = "empty_turn"\nturn = {turn}\n' for turn in range(1, 40))
    outcome = await broken(tmp_path, "ttfab", simulator_script=script(tmp_path, mute), answer_timeout_s=60.0)
    assert "None of 6 questions was answered" in outcome.reason("ttfab")


async def test_old_pictures_fail(tmp_path: Path) -> None:
    """What is delayed by 500 ms is older than 400."""
    options = {"network": "delay_ms=500"}
    outcome = await broken(tmp_path, "frame_age", {"frame_age__p95_ms": 400}, options=options)
    assert "What the model sees is older than" in outcome.reason("frame_age")
    assert outcome.numbers("frame_age")["p50_ms"] > 500


REFUSED = "".join(
    f'[[fault]]\nat = "handshake"\ndo = "refuse"\nstatus = 403\nconnection = {number}\n' for number in range(2, 9)
)


@pytest.mark.parametrize("drill", ["kill_link", "go_away", "invalid_argument", "stall"])
async def test_a_model_that_lets_nobody_back_in_fails(tmp_path: Path, drill: str) -> None:
    """Every connection after the first is refused: the call ends, and the reason is said."""
    outcome = await broken(tmp_path, f"drill_{drill}", simulator_script=script(tmp_path, REFUSED))
    assert "The call ended" in outcome.reason(f"drill_{drill}")


async def test_a_function_that_is_not_waited_for_fails(tmp_path: Path) -> None:
    """It takes five seconds and the gateway gives it one."""
    outcome = await broken(tmp_path, "drill_slow_tool", tool_timeout_s=1.0)
    assert "function that the model called failed" in outcome.reason("drill_slow_tool")


async def test_a_conversation_that_is_not_kept_fails(tmp_path: Path) -> None:
    """The session ends while its browser has no network."""
    outcome = await broken(tmp_path, "drill_offline", session_max_s=5.0, goodbye_s=0.0)
    assert "call ended" in outcome.reason("drill_offline").lower()


async def test_a_browser_that_does_not_get_back_fails(tmp_path: Path) -> None:
    """A new connection takes longer than is waited for it."""
    outcome = await broken(
        tmp_path, "drill_peer", {"drill_peer__recovered_s": 0.3}, options={"network": "delay_ms=300"}
    )
    assert "the answer after the drill came in" in outcome.reason("drill_peer").lower()


async def test_a_call_that_loses_much_fails_its_soak(tmp_path: Path) -> None:
    """A quarter of the packets."""
    options = {"network": "loss_percent=25"}
    outcome = await broken(tmp_path, "soak", {"soak__loss_percent": 10}, options=options)
    assert "lost on the way up" in outcome.reason("soak")


async def test_a_page_that_cannot_run_is_told_from_one_that_fails(tmp_path: Path) -> None:
    """No gateway, no page: a sentence and no report."""
    with pytest.raises(Exception, match="cannot be opened"):
        await run_qa(QaOptions(url="http://127.0.0.1:9/", checks="environment", length="short"), Settings())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"checks": "nonsense"}, "no check nonsense; there are environment"),
        ({"network": "nonsense"}, "network=nonsense, which is not offered"),
    ],
)
async def test_what_cannot_be_run_is_said_in_a_sentence(asked: dict[str, str], words: str) -> None:
    """A typing mistake is no test that passes."""
    with pytest.raises(ConfigError, match=words):
        await run_qa(QaOptions(**asked), Settings(**NEVER_BUSY))
