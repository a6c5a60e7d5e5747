"""The doctor and the command line."""

import socket
from pathlib import Path

import pytest

from gateway.certificate import own_certificate
from gateway.cli import main
from gateway.doctor import examine, settings_lines
from gateway.settings import IceServer, Settings
from gateway.settings_sources import unknown_variables


def texts(settings: Settings, level: str) -> str:
    """All findings of a level."""
    return "\n".join(finding.text for finding in examine(settings) if finding.level == level)


def test_a_good_machine_has_nothing_wrong() -> None:
    """The defaults work without a key, and the doctor says what they do."""
    settings = Settings(port=0)
    assert texts(settings, "wrong") == ""
    assert "talks to its built-in simulator" in texts(settings, "ok")


def test_what_is_wrong_comes_with_what_to_do() -> None:
    """A taken port, an address that is open to others, an upstream that is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "Set GATEWAY_PORT to a free port" in texts(Settings(port=port), "wrong")
    assert "gateway serve --lan" in texts(Settings(port=0, host="0.0.0.0"), "wrong")
    unreachable = Settings(port=0, upstream="simulator", upstream_url=f"ws://127.0.0.1:{port}")
    assert "cannot be reached" in texts(unreachable, "wrong")


def test_what_may_surprise_is_a_warning() -> None:
    """More frames than documented, a missing TURN server, a door that is open."""
    settings = Settings(
        port=0, host="0.0.0.0", auth="insecure-open", gemini_api_key="k", upstream_url="ws://127.0.0.1:9"
    )
    warnings = texts(settings, "warning")
    for words in ("at most 1 frame a second", "names no TURN server", "lets anyone in"):
        assert words in warnings


def test_whether_the_innermost_steps_are_in_c_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without them what they would gain, and how to get them."""
    settings = Settings(port=0)
    monkeypatch.setattr("gateway.doctor.IN_C", True)
    assert "innermost steps of media are in C" in texts(settings, "ok")
    monkeypatch.setattr("gateway.doctor.IN_C", False)
    monkeypatch.delenv("GATEWAY_NO_EXTENSIONS", raising=False)
    assert "apt-get install gcc python3-dev" in texts(settings, "warning")
    monkeypatch.setenv("GATEWAY_NO_EXTENSIONS", "1")
    assert "GATEWAY_NO_EXTENSIONS is set" in texts(settings, "warning")
    assert unknown_variables({"GATEWAY_NO_EXTENSIONS": "1"}) == {}


def test_who_signs_tokens_is_told(tmp_path: Path) -> None:
    """A key that is none, a source of keys that is away, and an operator without a key are found before callers are."""
    base = {"port": 0, "auth": "token"}
    assert "signed with GATEWAY_JWT_SECRET" in texts(Settings(**base, jwt_secret="s" * 32), "ok")
    assert "GATEWAY_OPERATOR_KEY is not set" in texts(Settings(**base, jwt_secret="s" * 32), "warning")
    assert "GATEWAY_JWT_PUBLIC_KEY is not a public key" in texts(Settings(**base, jwt_public_key="pem"), "wrong")
    away = texts(Settings(**base, jwks_url="https://127.0.0.1:9/jwks"), "wrong")
    assert "GATEWAY_JWKS_URL=https://127.0.0.1:9/jwks gives no keys" in away
    assert "GATEWAY_PRIVATE_NETWORKS" in away


def test_whether_a_browser_gives_its_camera_is_told(tmp_path: Path) -> None:
    """Over HTTPS it does; elsewhere than on this machine it does not without."""
    certificate, key = own_certificate(tmp_path, {"localhost"})
    assert "HTTPS with" in texts(Settings(port=0, tls_cert=certificate, tls_key=key), "ok")
    assert "cannot be used" in texts(Settings(port=0, tls_cert=certificate, tls_key=tmp_path / "none"), "wrong")
    open_to_all = Settings(port=0, host="0.0.0.0", auth="insecure-open")
    assert "HTTPS pages only" in texts(open_to_all, "warning")


def test_the_password_of_a_store_is_hidden() -> None:
    """Its address is shown."""
    lines = list(settings_lines(Settings(store="redis://user:s3cret@redis.internal:6379/1")))
    assert "GATEWAY_STORE=redis://(hidden)@redis.internal:6379/1" in lines


def test_settings_are_shown_and_secrets_hidden() -> None:
    """Every setting has its line; keys and TURN credentials do not appear."""
    settings = Settings(
        gemini_api_key="s3cret",
        ice_servers=(IceServer(urls=("turn:turn.example",), username="u", credential="s3cret"),),
    )
    lines = list(settings_lines(settings))
    assert len(lines) == len(Settings.model_fields) + 1
    assert "s3cret" not in "\n".join(lines)
    assert "GEMINI_API_KEY=(set, hidden)" in lines
    assert "GATEWAY_ICE_SERVERS=turn:turn.example (credential hidden)" in lines


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("GATEWAY_PORT", "eighty", "GATEWAY_PORT='eighty'"),
        ("GATEWAY_HOST", "0.0.0.0", "GATEWAY_HOST=0.0.0.0 can be reached from other machines"),
        ("GATEWAY_UPSTREAM", "gemini", "set GEMINI_API_KEY"),
        ("GEMINI_API_KEY_FILE", "/nowhere/key", "GEMINI_API_KEY_FILE=/nowhere/key cannot be read"),
        ("GATEWAY_CONFIG", "/nowhere/gateway.toml", "/nowhere/gateway.toml cannot be read"),
    ],
)
def test_a_mistake_ends_with_a_sentence_and_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, words: str
) -> None:
    """One line on standard error, no traceback."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    assert main(["serve"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gateway: ")
    assert words in error
    assert error.count("\n") == 1


def test_a_mistake_in_a_fault_script_ends_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also for the simulator."""
    assert main(["simulate", "--script", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_the_doctor_prints_its_findings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And warns of a variable that means nothing."""
    monkeypatch.setenv("GATEWAY_PROT", "1")
    monkeypatch.setenv("GATEWAY_PORT", "0")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "GATEWAY_PROT is not a setting; was GATEWAY_PORT meant?" in out
    assert "Ready: gateway serve" in out
    assert main(["doctor", "--settings"]) == 0
    assert "GATEWAY_PORT=0" in capsys.readouterr().out


def test_where_media_goes_is_told() -> None:
    """The address and port that browsers are told; a taken port and a wrong filter are wrong."""
    assert "set GATEWAY_UDP_PORT to open it" in texts(Settings(port=0), "ok")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        assert f"UDP port {port}" in texts(Settings(port=0, udp_port=port), "wrong")
    told = texts(Settings(port=0, udp_port=port, udp_advertised=("198.51.100.7",)), "ok")
    assert f"UDP to 198.51.100.7, port {port}" in told.replace(", 198.51.100.7", "")
    assert "GATEWAY_UDP_NETWORKS" in texts(Settings(port=0, udp_networks=("203.0.113.0/24",)), "wrong")
