"""Profiles as files."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.tools.profile import mcp_servers, read_profile

WHOLE = """
name = "support"
voice = "Kore"
tools = ["inventory"]

[[http_tool]]
name = "ticket"
description = "Open a ticket."
url = "https://desk.example/tickets"
secret_header = "X-Key"
secret_env = "DESK_KEY"
parameters = { type = "object", properties = { title = { type = "string" } }, required = ["title"] }

[[client_tool]]
name = "show_note"
description = "Keep a note in sight."

[[mcp]]
name = "wiki"
command = ["wiki-server", "--stdio"]
only = ["search"]
"""


def test_a_profile_is_read_whole(tmp_path: Path) -> None:
    """With tools of every kind."""
    path = tmp_path / "profile.toml"
    path.write_text(WHOLE)
    profile = read_profile(path)
    assert (profile.name, profile.voice, profile.model, profile.tools) == ("support", "Kore", None, ("inventory",))
    assert profile.http_tool[0].method == "POST"
    assert profile.client_tool[0].parameters == {"type": "object"}
    assert profile.mcp[0].only == ("search",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("voice = ", "is not TOML"),
        ("voise = 'Kore'", "voise: extra inputs"),
        ("[[mcp]]\nname = 'x'", "mcp.0: an MCP server has either a command or a url"),
        (WHOLE.replace('secret_env = "DESK_KEY"', ""), "secret_header and secret_env belong together"),
        (WHOLE.replace('url = "https', 'method = "BREW"\nurl = "https'), "http_tool.0.method: string should match"),
    ],
)
def test_a_mistake_is_a_sentence_with_the_name_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    """Which key, and what is wrong with it."""
    path = tmp_path / "profile.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        read_profile(path)
    assert "profile.toml" in str(raised.value)


def test_a_profile_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(ConfigError, match=r"cannot be read: No such file"):
        read_profile(tmp_path / "none.toml")


def test_servers_of_the_setting_are_checked_as_those_of_a_profile() -> None:
    """The sentence names the setting."""
    (server,) = mcp_servers([{"name": "wiki", "url": "https://wiki.example/mcp"}])
    assert server.url == "https://wiki.example/mcp"
    with pytest.raises(ConfigError, match=r"GATEWAY_MCP_SERVERS has a mistake: command: input should be"):
        mcp_servers([{"name": "wiki", "command": 7}])
