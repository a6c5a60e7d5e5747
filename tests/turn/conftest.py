"""What the tests of the relay share: one coturn, as turn/ configures it."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.media.aiortc_internals import host_addresses
from tests.coturn import Coturn

PREVIOUS = "the-one-before-it"
USER_QUOTA = 12  # as by default; the audit stays below it
GATEWAY = "198.51.100.20"  # nobody: a permission asks for no answer


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """A relay for a gateway on another machine; nobody's address is its public one."""
    with Coturn(
        host_addresses()[0],
        tmp_path_factory.mktemp("coturn"),
        PUBLIC_IPV4="198.51.100.10",
        PRIVATE_IPV4=host_addresses()[0],
        TURN_PEERS=GATEWAY,
        TURN_SECRET_PREVIOUS=PREVIOUS,
        TURN_USER_QUOTA=str(USER_QUOTA),
    ) as running:
        yield running


@pytest.fixture
def any_certificate() -> ssl.SSLContext:
    """Takes the certificate that a test made for itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Where a relay may write."""
    return tmp_path
