"""A real coturn for tests: REST credentials, plain and TLS ports, one relay address."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.programs import START_TIMEOUT_S, require

SECRET = "of-this-test-only"
LIFETIME_S = 600


class Coturn:
    """`with Coturn(address, directory) as turn: turn.servers("udp")`."""

    def __init__(self, address: str, directory: Path) -> None:
        self._address = address
        self._directory = directory
        self._port, self._tls_port = _free_port(address), _free_port(address)

    def __enter__(self) -> Coturn:
        require("turnserver", "apt-get install coturn")
        certificate, key = _certificate(self._address, self._directory)
        self._log = (self._directory / "turn.log").open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            [
                shutil.which("turnserver") or "turnserver",
                *("-n", "--no-cli", "--log-file=stdout", "--verbose", "--fingerprint", "--no-dtls"),
                *("--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=gateway.test"),
                *(f"--listening-ip={self._address}", f"--relay-ip={self._address}"),
                *(f"--listening-port={self._port}", f"--tls-listening-port={self._tls_port}"),
                *(f"--cert={certificate}", f"--pkey={key}"),
                f"--pidfile={self._directory / 'turn.pid'}",
                f"--userdb={self._directory / 'turn.db'}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        _wait(self._address, self._port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def servers(self, transport: str) -> str:
        """`GATEWAY_ICE_SERVERS` for one way of getting there: udp, tcp or tls; the credential is the REST form's."""
        username = f"{int(time.time()) + LIFETIME_S}:someone"
        digest = hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()
        url = {
            "udp": f"turn:{self._address}:{self._port}?transport=udp",
            "tcp": f"turn:{self._address}:{self._port}?transport=tcp",
            "tls": f"turns:{self._address}:{self._tls_port}?transport=tcp",
        }[transport]
        return json.dumps([{"urls": url, "username": username, "credential": base64.b64encode(digest).decode()}])

    @property
    def log(self) -> str:
        """What coturn said."""
        return (self._directory / "turn.log").read_text(encoding="utf-8")


def _free_port(address: str) -> int:
    with socket.socket() as taken:
        taken.bind((address, 0))
        return int(taken.getsockname()[1])


def _wait(address: str, port: int) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


def _certificate(address: str, directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = directory / "turn.crt", directory / "turn.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path
