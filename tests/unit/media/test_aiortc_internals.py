"""The private names that the gateway builds on."""

import pytest
from aioice import stun
from aioice.ice import Connection

from gateway.errors import ConfigError
from gateway.media import aiortc_internals


async def test_the_pinned_versions_have_every_name() -> None:
    """The check passes."""
    aiortc_internals.check()


@pytest.mark.parametrize(
    ("owner", "name"), [(Connection, "check_incoming"), (Connection, "query_consent"), (stun, "RETRY_RTO")]
)
async def test_a_name_that_moved_is_told(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """With the remedy, before any call."""
    monkeypatch.delattr(owner, name)
    with pytest.raises(ConfigError, match=rf"has moved .*{name}.*: install the versions of constraints\.txt"):
        aiortc_internals.check()
