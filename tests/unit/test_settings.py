"""The settings: where a value comes from, and what is said when it is wrong."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.settings import Settings, env_names, secret_fields
from gateway.settings_check import check_start
from gateway.settings_sources import load_settings, unknown_variables

SECRET = "s" * 32
OPEN = {"host": "0.0.0.0", "auth": "insecure-open"}


def test_defaults_need_nothing() -> None:
    """An empty environment gives the documented defaults and the simulator."""
    settings = load_settings({})
    assert (settings.host, settings.port, settings.model) == ("127.0.0.1", 8080, "gemini-3.8-live")
    assert (settings.video_fps_min, settings.video_fps_max) == (1, 3)
    assert (settings.video_size_px, settings.video_max_bytes) == (512, 30720)
    assert settings.effective_upstream == "simulator"
    assert settings.effective_auth == "open"
    check_start(settings)


def test_environment_beats_file_and_overrides_beat_both(tmp_path: Path) -> None:
    """A value is taken from the command line, else the environment, else the file."""
    config = tmp_path / "gateway.toml"
    config.write_text('port = 1\nmodel = "from-file"\nvoice = "Kore"\n')
    env = {"GATEWAY_CONFIG": str(config), "GATEWAY_MODEL": "from-env", "GATEWAY_PORT": "2"}
    settings = load_settings(env, overrides={"port": 3})
    assert (settings.port, settings.model, settings.voice) == (3, "from-env", "Kore")


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_a_key_selects_gemini(name: str) -> None:
    """With either name of the key, `auto` means Gemini, and the key is not printed."""
    settings = load_settings({name: "not-a-real-key"})
    assert settings.effective_upstream == "gemini"
    assert settings.gemini_api_key is not None
    assert settings.gemini_api_key.get_secret_value() == "not-a-real-key"
    assert "not-a-real-key" not in repr(settings)


def test_blank_variables_count_as_unset() -> None:
    """A variable that compose passes on empty changes nothing."""
    assert load_settings({"GATEWAY_PORT": "", "GEMINI_API_KEY": " "}).effective_upstream == "simulator"


def test_a_secret_file_is_read_and_stripped(tmp_path: Path) -> None:
    """`*_FILE` names a file that holds the secret; the newline at its end is not part of it."""
    file = tmp_path / "key"
    file.write_text("from-a-file\n")
    key = load_settings({"GEMINI_API_KEY_FILE": str(file)}).gemini_api_key
    assert key is not None
    assert key.get_secret_value() == "from-a-file"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read: No such file or directory"), ("", "is blank"), (" \n", "is blank")]
)
def test_a_missing_or_blank_secret_file_stops_the_start(tmp_path: Path, content: str | None, words: str) -> None:
    """The sentence names the variable, the file and what is wrong with it."""
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=words) as raised:
        load_settings({"GOOGLE_API_KEY_FILE": str(file)})
    assert str(raised.value).startswith(f"GOOGLE_API_KEY_FILE={file}")


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    """A key in the environment and in a file is a contradiction, not a precedence puzzle."""
    file = tmp_path / "key"
    file.write_text("one")
    with pytest.raises(ConfigError, match="both set"):
        load_settings({"GEMINI_API_KEY": "two", "GEMINI_API_KEY_FILE": str(file)})


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"GATEWAY_PORT": "tcp://10.0.0.1:80"}, "GATEWAY_PORT='tcp://10.0.0.1:80': input should be a valid integer"),
        ({"GATEWAY_UPSTREAM": "openai"}, "GATEWAY_UPSTREAM='openai'"),
        ({"GATEWAY_ICE_SERVERS": "[{"}, "GATEWAY_ICE_SERVERS is not valid JSON"),
        ({"GATEWAY_ICE_SERVERS": '[{"urls":"http://x"}]'}, "is not a stun:, stuns:, turn: or turns: URL"),
        ({"GATEWAY_VIDEO_FPS_MIN": "4"}, "GATEWAY_VIDEO_FPS_MIN must not be larger"),
        ({"GATEWAY_VIDEO_SIZE_PX": "9"}, "GATEWAY_VIDEO_SIZE_PX='9'"),
    ],
)
def test_a_wrong_value_is_named(env: dict[str, str], words: str) -> None:
    """The message names the variable, its value and what is wrong."""
    with pytest.raises(ConfigError) as raised:
        load_settings(env)
    assert words in str(raised.value)


def test_lists_are_readable_from_the_environment() -> None:
    """ICE servers are JSON, one URL may stand without brackets; origins are separated by commas."""
    settings = load_settings(
        {
            "GATEWAY_ICE_SERVERS": '[{"urls":"turn:turn.example:3478","username":"u","credential":"c"}]',
            "GATEWAY_CORS_ORIGINS": "https://a.example, https://b.example",
        }
    )
    assert settings.ice_servers[0].urls == ("turn:turn.example:3478",)
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_a_wrong_file_key_is_named_with_the_right_one(tmp_path: Path) -> None:
    """A typo in the file stops the start and suggests the key that was meant."""
    config = tmp_path / "gateway.toml"
    config.write_text("prot = 1\n")
    with pytest.raises(ConfigError, match=r"unknown key prot \(was port meant\?\)"):
        load_settings({}, config)


@pytest.mark.parametrize("content", [None, "port ="])
def test_an_unreadable_file_is_named(tmp_path: Path, content: str | None) -> None:
    """A settings file that is missing or not TOML stops the start."""
    config = tmp_path / "gateway.toml"
    if content is not None:
        config.write_text(content)
    with pytest.raises(ConfigError, match="The settings file"):
        load_settings({}, config)


def test_unknown_variables_are_reported_with_the_likely_name() -> None:
    """A misspelt variable is not silently ignored."""
    found = unknown_variables({"GATEWAY_MODLE": "x", "GATEWAY_SERVICE_HOST": "10.0.0.1", "GEMINI_API_KEY": "k"})
    assert found["GATEWAY_MODLE"] == "GATEWAY_MODEL"
    assert set(found) == {"GATEWAY_MODLE", "GATEWAY_SERVICE_HOST"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"host": "0.0.0.0"}, "callers need tokens, and there is no key .* gateway serve --lan"),
        ({"host": "0.0.0.0", "auth": "open"}, "GATEWAY_AUTH=open lets anyone in"),
        ({"auth": "token"}, "GATEWAY_AUTH=token, and there is no key to check them with"),
        ({"auth": "token", "jwt_secret": "s" * 31}, "GATEWAY_JWT_SECRET is shorter than 32 bytes"),
        (
            {"jwt_secret": SECRET, "jwks_url": "https://x.example"},
            "GATEWAY_JWT_SECRET and GATEWAY_JWKS_URL are all set",
        ),
        ({"jwt_secret_previous": SECRET}, "GATEWAY_JWT_SECRET_PREVIOUS is set and GATEWAY_JWT_SECRET is not"),
        ({"operator_key": "short"}, "GATEWAY_OPERATOR_KEY is shorter than 32 bytes"),
        ({"jwks_url": "http://backend/jwks"}, "must begin with https://"),
        ({"turn_urls": ("turn:x.example",)}, "GATEWAY_TURN_URLS and GATEWAY_TURN_SECRET belong together"),
        ({"turn_urls": ("x.example:3478",), "turn_secret": "s"}, "'x.example:3478' is not a turn: or turns: address"),
        ({**OPEN, "turn_urls": ("turn:x.example",), "turn_secret": "s"}, "the relay, to strangers"),
        ({"tls_cert": Path("cert.pem")}, "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY belong together"),
        ({"upstream": "gemini"}, "needs a key"),
        ({"upstream": "vertex"}, "GATEWAY_VERTEX_PROJECT"),
    ],
)
def test_combinations_that_must_not_start_are_refused(values: dict[str, str], words: str) -> None:
    """Values that are fine alone and wrong together are refused before anything listens."""
    with pytest.raises(ConfigError, match=words):
        check_start(Settings(**values))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_loopback_hosts_may_be_open(host: str) -> None:
    """On every form of a loopback address nothing has to be said."""
    check_start(Settings(host=host))


@pytest.mark.parametrize(
    "key", [{"jwt_secret": SECRET}, {"jwt_public_key": "pem"}, {"jwks_url": "https://backend.example/jwks"}]
)
def test_with_a_key_the_gateway_may_be_reached_by_anyone(key: dict[str, str]) -> None:
    """Token authentication is what any other address has by default."""
    settings = Settings(host="0.0.0.0", **key)
    assert settings.effective_auth == "token"
    check_start(settings)


def test_insecure_open_starts_anywhere() -> None:
    """The explicit word opens any address."""
    check_start(Settings(host="0.0.0.0", auth="insecure-open"))


def test_every_field_is_described_and_every_secret_is_hidden() -> None:
    """The generated table has words for each row, and whatever looks like a secret is one."""
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert env_names(name)
        if name not in ("tls_key", "video_key_frames"):  # the path of one; a kind of picture
            assert ("key" in name or "secret" in name or "password" in name) == (name in secret_fields()), name


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ({}, True),
        ({"host": "::1"}, True),
        ({"host": "0.0.0.0", "auth": "insecure-open"}, False),
        ({"auth": "token"}, False),
        ({"auth": "insecure-open"}, False),
        ({"test_modes": False}, False),
        ({"host": "0.0.0.0", "test_modes": True}, True),
    ],
)
def test_test_modes_are_on_by_themselves_only_where_nobody_else_comes(values: dict[str, Any], allowed: bool) -> None:
    """On an open loopback listener; a closed one may have a proxy in front."""
    assert Settings(**values).effective_test_modes is allowed


def test_a_fingerprint_tells_settings_apart_and_knows_no_secret() -> None:
    """It changes with what is set, and not with a key or a credential."""
    server = {"urls": "turn:turn.example", "username": "a", "credential": "b"}
    plain = Settings().fingerprint
    assert re.fullmatch(r"[0-9a-f]{12}", plain)
    assert Settings().fingerprint == plain
    assert Settings(video_fps_max=2).fingerprint != plain
    assert Settings(gemini_api_key="k").fingerprint == plain
    with_server = Settings(ice_servers=[server]).fingerprint
    assert with_server != plain
    assert Settings(ice_servers=[{**server, "credential": "c"}]).fingerprint == with_server
