"""The machine's own certificate: made once, kept, renewed when it no longer serves."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from gateway.certificate import fingerprint, own_certificate, tls_context
from gateway.errors import ConfigError

NAMES = {"192.0.2.7", "localhost", "fd00::7"}


def names_of(certificate: Path) -> set[str]:
    """What a certificate is for."""
    names = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return {*names.value.get_values_for_type(x509.DNSName), *map(str, names.value.get_values_for_type(x509.IPAddress))}


def test_it_is_for_every_address_and_as_short_as_browsers_want(tmp_path: Path) -> None:
    """A server's certificate and no authority's; a browser checks it against the address it asked for."""
    certificate, key = own_certificate(tmp_path / "new", NAMES)
    assert names_of(certificate) == NAMES
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert made.not_valid_after_utc - made.not_valid_before_utc <= datetime.timedelta(days=398)
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    tls_context(certificate, key)
    assert len(fingerprint(certificate).split(":")) == 32


def test_its_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """And so is the directory."""
    _, key = own_certificate(tmp_path / "new", NAMES)
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700


def test_it_is_kept(tmp_path: Path) -> None:
    """As long as it is for every address there is."""
    certificate, _ = own_certificate(tmp_path, NAMES)
    before = fingerprint(certificate)
    own_certificate(tmp_path, NAMES - {"fd00::7"})
    assert fingerprint(certificate) == before
    own_certificate(tmp_path, NAMES | {"192.0.2.8"})
    assert fingerprint(certificate) != before
    assert "192.0.2.8" in names_of(certificate)


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN"])
def test_what_is_broken_is_made_anew(tmp_path: Path, name: str, content: bytes | None) -> None:
    """A file that is missing, empty, or was cut off."""
    own_certificate(tmp_path, NAMES)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    tls_context(*own_certificate(tmp_path, NAMES))


def test_one_that_ends_soon_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A week before its end."""
    certificate, _ = own_certificate(tmp_path, NAMES)
    before = fingerprint(certificate)
    monkeypatch.setattr("gateway.certificate.RENEW_DAYS", 400)
    own_certificate(tmp_path, NAMES)
    assert fingerprint(certificate) != before


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Name another directory with GATEWAY_STATE_DIR"):
        own_certificate(tmp_path / "file", NAMES)


@pytest.mark.parametrize("broken", ["none", "nonsense", "another key"])
def test_files_of_the_operator_that_cannot_be_used_are_named(tmp_path: Path, broken: str) -> None:
    """Missing, no certificate, or a key of another one."""
    certificate, key = own_certificate(tmp_path / "a", NAMES)
    _, other = own_certificate(tmp_path / "b", NAMES)
    if broken == "none":
        certificate.unlink()
    elif broken == "nonsense":
        certificate.write_text("nonsense")
    with pytest.raises(ConfigError, match=r"GATEWAY_TLS_CERT, GATEWAY_TLS_KEY\) cannot be used: "):
        tls_context(certificate, other if broken == "another key" else key)


def test_old_versions_of_tls_are_not_spoken(tmp_path: Path) -> None:
    """1.2 at least."""
    assert tls_context(*own_certificate(tmp_path, NAMES)).minimum_version >= ssl.TLSVersion.TLSv1_2
