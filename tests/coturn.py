"""A real coturn for tests, as `turn/` configures it: REST credentials, plain and TLS ports, one relay address."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.settings import IceServer
from tests.programs import START_TIMEOUT_S, STOP_TIMEOUT_S, free_port, require

ENTRYPOINT = Path(__file__).parents[1] / "turn/entrypoint.sh"
SECRET = "of-this-test-only"
LIFETIME_S = 600


class Coturn:
    """`with Coturn(address, directory) as turn: turn.servers("udp")`; more of turn/'s variables as `environment`.

    `under` is a program that starts it.
    """

    def __init__(self, address: str, directory: Path, under: tuple[str, ...] = (), **environment: str) -> None:
        self.address = address
        self._under = under
        self._directory = directory
        self._port, self._tls_port = free_port(address), free_port(address)
        self._environment = environment

    def __enter__(self) -> Coturn:
        require("turnserver", "apt-get install coturn")
        certificate, key = make_certificate(self.address, self._directory)
        self._log = (self._directory / "turn.log").open("w", encoding="utf-8")
        environment = {
            "PATH": os.environ["PATH"],
            "TURN_RUN": str(self._directory),
            "TURN_SECRET": SECRET,
            "PUBLIC_IPV4": self.address,
            "TURN_PORT": str(self._port),
            "TURN_TLS_PORT": str(self._tls_port),
            "TURN_CERT": str(certificate),
            "TURN_KEY": str(key),
            "TURN_CERT_LOOK_S": "1",
            **self._environment,
        }
        self.process = subprocess.Popen(
            [*self._under, str(ENTRYPOINT), "--verbose"], env=environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        wait_for(self.address, self._port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        self.process.wait(STOP_TIMEOUT_S)
        self._log.close()

    def url(self, transport: str) -> str:
        """The address for one way of getting there: udp, tcp or tls."""
        return {
            "udp": f"turn:{self.address}:{self._port}?transport=udp",
            "tcp": f"turn:{self.address}:{self._port}?transport=tcp",
            "tls": f"turns:{self.address}:{self._tls_port}?transport=tcp",
        }[transport]

    def server(self, *transports: str, secret: str = SECRET, user: str = "someone") -> IceServer:
        """The server with credentials of the REST form, as `draft-uberti-behave-turn-rest-00` has it."""
        username = f"{int(time.time()) + LIFETIME_S}:{user}"
        digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
        urls = tuple(map(self.url, transports))
        return IceServer(urls=urls, username=username, credential=base64.b64encode(digest).decode())

    def servers(self, transport: str) -> str:
        """`GATEWAY_ICE_SERVERS` for one way of getting there."""
        return json.dumps([self.server(transport).model_dump(mode="json")])

    @property
    def configuration(self) -> list[str]:
        """The lines of its configuration."""
        return (self._directory / "turnserver.conf").read_text(encoding="utf-8").splitlines()

    @property
    def log(self) -> str:
        """What coturn said."""
        return (self._directory / "turn.log").read_text(encoding="utf-8")


def wait_for(address: str, port: int) -> None:
    """Until something listens there."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


def make_certificate(address: str, directory: Path) -> tuple[Path, Path]:
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
