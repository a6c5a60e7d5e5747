"""The command line where it makes tokens."""

import jwt
import pytest

from gateway.cli import EXIT_WRONG, main

SECRET = "s" * 32


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEWAY_CONFIG", "GATEWAY_JWT_SECRET", "GATEWAY_JWT_PUBLIC_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_token_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the rights that were named, or as a link to a page."""
    monkeypatch.setenv("GATEWAY_JWT_SECRET", SECRET)
    assert main(["token", "--grant", '{"subject": "anna", "video": false}']) == 0
    token = capsys.readouterr().out.strip()
    payload = jwt.decode(token, SECRET, ["HS256"], audience="gemini-live-gateway")
    assert (payload["sub"], payload["gateway"]) == ("anna", {"video": False})
    assert main(["token", "--url", "https://gateway.example/"]) == 0
    assert capsys.readouterr().out.startswith("https://gateway.example/#token=ey")


@pytest.mark.parametrize(
    ("secret", "arguments", "said"),
    [
        ("", [], "set GATEWAY_JWT_SECRET"),
        ("short", [], "shorter than 32 bytes"),
        (SECRET, ["--grant", "{"], "--grant is not JSON"),
        (SECRET, ["--grant", "[]"], "The token cannot be made"),
        (SECRET, ["--grant", '{"vidio": false}'], "vidio: extra inputs"),
        (SECRET, ["--grant", '{"expires_in_s": 1000000}'], "86400 seconds at most"),
    ],
)
def test_a_token_that_cannot_be_made_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret: str, arguments: list[str], said: str
) -> None:
    """And exit code 2."""
    monkeypatch.setenv("GATEWAY_JWT_SECRET", secret)
    assert main(["token", *arguments]) == EXIT_WRONG
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
