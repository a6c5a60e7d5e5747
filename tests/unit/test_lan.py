"""A gateway for phones on one's own network."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
import segno

from gateway.errors import ConfigError
from gateway.guard.tokens import tokens_of
from gateway.lan import INVITED_S, invitation, on_lan, reachable_host
from gateway.settings import Settings
from gateway.settings_check import check_start


def test_it_listens_for_others_with_https_and_asks_for_tokens(tmp_path: Path) -> None:
    """All that is missing is made: certificate, secret; what was said stays."""
    settings = on_lan(Settings(state_dir=tmp_path))
    check_start(settings)
    assert (settings.host, settings.effective_auth) == ("0.0.0.0", "token")
    assert settings.tls_cert == tmp_path / "certificate.pem"
    assert settings.jwt_secret is not None
    assert on_lan(Settings(state_dir=tmp_path)).jwt_secret != settings.jwt_secret
    said = Settings(host="192.0.2.7", jwt_secret="s" * 32, tls_cert=Path("c"), tls_key=Path("k"))
    assert on_lan(said) == said.model_copy(update={"auth": "token"})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"auth": "open"}, "GATEWAY_AUTH=open does not"),
        ({"auth": "insecure-open"}, "GATEWAY_AUTH=insecure-open does not"),
        ({"jwks_url": "https://x.example"}, "unset GATEWAY_JWT_PUBLIC_KEY and GATEWAY_JWKS_URL"),
        ({"jwt_public_key": "pem"}, "unset GATEWAY_JWT_PUBLIC_KEY and GATEWAY_JWKS_URL"),
    ],
)
def test_what_contradicts_it_is_refused(values: dict[str, Any], said: str) -> None:
    """With a sentence."""
    with pytest.raises(ConfigError, match=said):
        on_lan(Settings(**values))


def drawn(picture: str) -> list[bytes]:
    """The modules of a QR code, 1 where it is dark, from half blocks with a margin of two."""
    lines = [line for line in picture.splitlines() if line]
    halves = [row for line in lines for row in ([c in " ▄" for c in line], [c in " ▀" for c in line])]
    side = len(lines[0]) - 4
    return [bytes(row[2:-2]) for row in halves[2 : 2 + side]]


async def test_an_invitation_is_a_link_with_a_token_for_an_hour_and_its_picture(tmp_path: Path) -> None:
    """For whoever scans it, as often as they like; the certificate can be compared."""
    settings = on_lan(Settings(state_dir=tmp_path))
    text = invitation(settings, "https://192.0.2.7:8080/")
    found = re.search(r"Open https://192\.0\.2\.7:8080/#token=(\S+)\n", text)
    assert found is not None
    tokens = tokens_of(settings)
    assert tokens is not None
    claims = await tokens.verify(found[1], time.time())
    assert claims.expires_at is not None
    assert abs(claims.expires_at - time.time() - INVITED_S - settings.jwt_leeway_s) < 60
    assert not claims.single_use
    wanted = segno.make_qr(f"https://192.0.2.7:8080/#token={found[1]}", error="l")
    assert drawn(text.partition("Open ")[0]) == [bytes(row) for row in wanted.matrix]
    assert re.search(r"\n([0-9A-F]{2}:){31}[0-9A-F]{2}$", text)


def test_the_address_that_others_are_told_is_one_they_can_reach() -> None:
    """What was said, or of all addresses one of this machine's."""
    assert reachable_host(Settings(host="192.0.2.7")) == "192.0.2.7"
    assert reachable_host(Settings(host="gateway.example")) == "gateway.example"
    assert reachable_host(Settings(host="0.0.0.0")) not in ("0.0.0.0", "")
