"""docs/openapi.yaml against a running gateway: the same routes, and answers as they are written down."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
import yaml
from aiohttp.test_utils import TestClient
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from gateway import doors
from gateway.errors import ClientError, UpstreamQuota
from gateway.store.store import StoreUnavailable
from tests.programs import gateway_and_simulator

FILE = Path(__file__).parents[2] / "docs/openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
METHODS = frozenset({"get", "post", "patch", "delete", "options", "put"})
DOORS = Path(doors.__file__).parent
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item if method in METHODS]
ASKED = [one for one in OPERATIONS if one != ("/v1/drain", "post")]  # after which there is no more to ask
EXAMPLES = 5  # of each kind of data: what can be wrong about a request here is its body, its path or its headers
KEY = "the-key-of-the-operator-of-this-test"
SDP = {"Content-Type": "application/sdp"}
TOKENS = {
    "GATEWAY_AUTH": "token",
    "GATEWAY_JWT_SECRET": "signs-the-tokens-of-this-test-" * 2,
}

load_all_checks()
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "allow_header_conformance",
        "ignored_auth",
    ]
)


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def as_it_is(_: Any, value: Any) -> bytes:
    """A body of text."""
    return str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway that wants tokens; nothing that is asked of it is a defect."""
    directory = tmp_path_factory.mktemp("openapi")
    # More is asked than any caller may: no answer is to be that of a limit alone.
    plenty = dict.fromkeys(("REQUESTS_PER_S_ADDRESS", "REQUESTS_PER_S_SUBJECT", "REQUESTS_BURST"), "100000")
    plenty |= dict.fromkeys(("SETUPS_AT_ONCE", "MAX_SESSIONS", "SESSIONS_PER_SUBJECT"), "1000")
    limits = {f"GATEWAY_{name}": value for name, value in plenty.items()}
    with gateway_and_simulator(directory, directory / "recorded", GATEWAY_OPERATOR_KEY=KEY, **{**TOKENS, **limits}) as (
        running,
        _,
    ):
        yield running.found.rstrip("/")
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def token(gateway: str) -> str:
    """Of a caller."""
    key = {"Authorization": f"Bearer {KEY}"}
    minted = requests.post(f"{gateway}/v1/tokens", json={"subject": "anna", "reusable": True}, headers=key)
    return str(minted.json()["token"])


@pytest.fixture
def asked(gateway: str, token: str) -> Iterator[requests.Session]:
    """Requests of the caller; the sessions that they start are ended."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        made = set()

        def note(response: requests.Response, **_: Any) -> None:
            if response.status_code == 201 and "Location" in response.headers:
                made.add("/".join(response.headers["Location"].split("/")[:4]))
            elif response.ok and response.url.endswith(("/start", "/api/offer")):
                told = response.json()
                made.update(f"/v1/sessions/{told[name]}" for name in ("sessionId", "pc_id") if name in told)

        session.hooks["response"].append(note)
        yield session
        for location in made:
            assert session.delete(gateway + location).status_code in (204, 404)


async def test_the_file_names_every_door_and_no_other(client: TestClient) -> None:
    """Paths and methods; the pages are no door, and what nodes tell each other is no business of a caller."""
    served = {
        (route.resource.canonical, route.method.lower())
        for route in client.server.app.router.routes()
        if route.resource is not None
        and route.method != "HEAD"
        and not route.resource.canonical.startswith("/internal/")
    }
    assert served - {("/", "get"), ("/{path}", "get")} == set(OPERATIONS)


def test_the_file_names_every_code_and_no_other() -> None:
    """Those of the errors that a caller can mend, and those that the doors answer themselves."""
    own = {
        code
        for path in DOORS.glob("*.py")
        for code in re.findall(r'problem\(\s*\d+,.*?"(\w+)"\s*\)', path.read_text(), re.S)
    }
    errors = {error.code for error in _below(ClientError)} | {UpstreamQuota.code, StoreUnavailable.code}
    aiohttp = {"not_found", "method_not_allowed"}
    assert set(DOCUMENT["components"]["schemas"]["Code"]["enum"]) == own | errors | aiohttp


def _below(error: type[ClientError]) -> set[type[ClientError]]:
    """An error and those that are made of it."""
    return {error}.union(*(_below(one) for one in error.__subclasses__()))


@pytest.mark.parametrize(("path", "method"), ASKED, ids=[f"{method} {path}" for path, method in ASKED])
def test_answers_are_as_the_file_says(
    gateway: str, token: str, asked: requests.Session, path: str, method: str
) -> None:
    """Status, headers, content type and body: to the examples, to what is like them and to what is not, of a session
    that is there and of one that is not; without a token nothing is told."""
    written = DOCUMENT["paths"][path][method]
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method.upper()]
    bearers = [token, KEY] if written["tags"] == ["operations"] else [token]
    modes = [GenerationMode.POSITIVE, *[GenerationMode.NEGATIVE] * ("requestBody" in written)]
    for mode, bearer, there in itertools.product(modes, bearers, [False, *[True] * ("{id}" in path)]):
        present = _there(gateway, asked) if there else {}
        strategy = operation.as_strategy(
            generation_mode=mode,
            path_parameters={name: present[name] for name in present if f"{{{name}}}" in path} or None,
        )
        _ask(strategy, gateway, asked, {"Authorization": f"Bearer {bearer}"})


def _ask(strategy: Any, gateway: str, asked: requests.Session, headers: dict[str, str]) -> None:
    @hypothesis.settings(max_examples=EXAMPLES, database=None, deadline=None, derandomize=True)
    @hypothesis.given(case=strategy)
    def ask(case: schemathesis.Case) -> None:
        response = case.call(base_url=gateway, session=asked, headers=headers)
        case.validate_response(response, checks=CHECKED, headers=headers, transport_kwargs={"session": asked})

    ask()


def _there(gateway: str, asked: requests.Session) -> dict[str, str]:
    """Ids of a session with a camera and a listener."""
    camera = asked.post(f"{gateway}/whip", data=_offer("Camera"), headers=SDP)
    *_, session_id, _, peer = camera.headers["Location"].split("/")
    listener = asked.post(f"{gateway}/v1/sessions/{session_id}/whep", data=_offer("Listener"), headers=SDP)
    return {"id": session_id, "peer": peer, "listener": listener.headers["Location"].rpartition("/")[2]}


def _offer(who: str) -> str:
    body = DOCUMENT["components"]["requestBodies"][who]["content"]["application/sdp"]
    return str(next(iter(body["examples"].values()))["value"])
