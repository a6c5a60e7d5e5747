"""The certificates of the listener: those of the operator, or one of this machine's own.

Owns the making and keeping of our own, and the loading of either. It must not know who listens.
**Invariant: our own is made once and kept, so that a phone that was told to trust it need not be told again, until it
ends or the machine has another address; its key is readable by its owner alone.**
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import ConfigError

VALID_DAYS = 397  # browsers refuse longer ones
RENEW_DAYS = 7


def own_certificate(directory: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """Files of a certificate for these names and addresses, and of its key; made when there is none that serves."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    wanted = set(names)
    try:
        if not _serves(certificate, key, wanted):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(certificate, key, wanted)
    except OSError as error:
        raise ConfigError(
            f"The certificate cannot be kept in {directory}: {error.strerror}. Name another directory with "
            "GATEWAY_STATE_DIR."
        ) from None
    return certificate, key


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a listener needs; raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise ConfigError(
            f"The certificate {certificate} with the key {key} (GATEWAY_TLS_CERT, GATEWAY_TLS_KEY) cannot be used: "
            f"{reason}."
        ) from None
    return context


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a certificate as browsers show it."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def _serves(certificate: Path, key: Path, wanted: set[str]) -> bool:
    if not certificate.exists() or not key.exists():
        return False
    try:
        kept = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return False  # cut off while it was written, say
    has = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    left = kept.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return wanted <= has and left > datetime.timedelta(days=RENEW_DAYS)


def _make(certificate: Path, key: Path, names: set[str]) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gemini Live gateway")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # a phone's clock may be behind
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS - 1))
        .add_extension(x509.SubjectAlternativeName([_general(one) for one in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem, nothing = serialization.Encoding.PEM, serialization.NoEncryption()
    key.unlink(missing_ok=True)  # so that the mode below is the new file's
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, nothing))
    certificate.write_bytes(made.public_bytes(pem))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
