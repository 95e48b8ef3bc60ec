"""The configuration object: getters, what was set, what is shown, what is hashed."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from talos.config import schema
from talos.config.loading import load
from talos.config.values import REDACTED, Config
from talos.credentials.secrets import Secret
from talos.errors import ConfigurationError
from tests.unit.config.settings import (
    ISSUER,
    KEY_URL,
    OTHER_SECRET,
    from_environ,
    loaded,
    tree,
)

REFERENCE = Path(__file__).with_name("reference.yaml")
NIL = "00000000-0000-0000-0000-000000000000"


def test_getters() -> None:
    config = load(REFERENCE, {})
    assert config.text("serve.http.host") == "0.0.0.0"
    assert config.integer("cache.memory.max_size") == 104857600
    assert config.number("serve.http.cors.max_age") == 3600.5
    assert config.flag("cache.redis.tls.enabled") is True
    assert config.texts("cache.redis.addrs") == ("redis-0:6379", "redis-1:6379")
    assert config.duration_ns("cache.ttl") == 300 * 10**9
    assert config.optional_duration_ns("credentials.api_keys.default_ttl") == 720 * 3600 * 10**9
    assert config.secret("db.dsn") == Secret(
        "postgres://talos:test-password@db:5432/talos?sslmode=disable&max_conns=10"
    )
    assert [
        secret.reveal()[:9]
        for secret in config.secrets("credentials.derived_tokens.jwt.signing_keys.urls")
    ] == [b"base64://"]
    assert [entry.expires_at_ns for entry in config.retired("secrets.hmac.retired")] == [
        None,
        1_896_044_400_500_000_000,
    ]


def test_what_is_not_set() -> None:
    config = from_environ()
    assert config.optional_text("serve.http.host") is None
    assert config.optional_integer("serve.http.workers") is None
    assert config.optional_duration_ns("credentials.api_keys.default_ttl") is None
    assert config.optional_secret("db.dsn") is None
    assert config["serve.http.workers"] is None
    with pytest.raises(ConfigurationError) as caught:
        config.secret("db.dsn")
    assert caught.value.faults == ("db.dsn (TALOS_DB_DSN): missing; expected a non-empty string",)
    with pytest.raises(ConfigurationError):
        config.integer("serve.http.workers")


def test_an_unknown_path_is_a_programming_error() -> None:
    config = from_environ()
    for get in (config.text, config.flag, config.secret, config.retired, config.__getitem__):
        with pytest.raises(KeyError):
            get("serve.http.prot")
    with pytest.raises(KeyError):
        config.text("secrets.hmac.current")


def test_secret_settings_come_wrapped_and_no_others() -> None:
    config = load(REFERENCE, {})
    for path, setting in schema.settings().items():
        value = config[path]
        if setting.retirement:
            assert "test-secret" not in repr(value)
        else:
            items = value if isinstance(value, tuple) else (value,)
            assert {isinstance(item, Secret) for item in items} <= {setting.secret}


def test_was_set(tmp_path: Path) -> None:
    config = loaded(tmp_path, tree(cache__ttl="1m"), {"SERVE_HTTP_HOST": ""})
    assert config.was_set("cache.ttl") and config.was_set("cache")
    assert config.was_set("serve.http.host")
    assert not config.was_set("cache.type")
    assert not config.was_set("serve.metrics.host")
    assert not config.was_set("tracing")


def test_redacted_shows_everything_but_secrets(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        tree(
            db__dsn="postgres://talos:test-password@db/talos",
            secrets__hmac__retired=[
                OTHER_SECRET,
                {"value": OTHER_SECRET, "expires_at": "2030-01-31T00:00:00Z"},
                {"value": OTHER_SECRET, "expires_at": OTHER_SECRET},
            ],
            credentials__derived_tokens__jwt__signing_keys__urls=[KEY_URL, KEY_URL],
            cache__redis__password="test-redis-password",
        ),
    )
    shown = config.redacted()
    assert shown["db"] == {"dsn": REDACTED}
    assert shown["secrets"]["hmac"] == {
        "current": REDACTED,
        "retired": [
            REDACTED,
            {"value": REDACTED, "expires_at": "2030-01-31T00:00:00Z"},
            REDACTED,
        ],
    }
    assert shown["cache"]["redis"]["password"] == REDACTED
    urls = shown["credentials"]["derived_tokens"]["jwt"]["signing_keys"]["urls"]
    assert urls == [REDACTED, REDACTED]
    assert shown["credentials"]["issuer"] == ISSUER
    assert shown["serve"]["http"]["port"] == 4420
    assert "workers" not in shown["serve"]["http"]


def test_what_is_shown_cannot_be_used_to_change_it(tmp_path: Path) -> None:
    config = loaded(tmp_path, tree(credentials__issuer_retired=["a"]))
    config.redacted()["credentials"]["issuer_retired"].append("b")
    config.redacted()["serve"]["http"]["cors"]["allowed_methods"].clear()
    assert config.texts("credentials.issuer_retired") == ("a",)
    assert len(config.texts("serve.http.cors.allowed_methods")) == 5
    assert schema.settings()["serve.http.cors.allowed_methods"].node["default"]


def test_nothing_is_printed_and_nothing_travels() -> None:
    config = load(REFERENCE, {})
    assert repr(config) == f"Config(file='{REFERENCE}', values redacted)"
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            travel(config)


def test_the_hash(tmp_path: Path) -> None:
    config = loaded(tmp_path, tree())
    first = config.hash("localhost:4420", NIL)
    assert len(first) == 64 and first == first.lower() and int(first, 16)
    assert config.hash("localhost:4420", NIL) == first
    assert loaded(tmp_path, tree()).hash("localhost:4420", NIL) == first


@pytest.mark.parametrize(
    "change",
    [
        {"secrets__hmac__current": OTHER_SECRET},
        {"cache__type": "noop"},
        {"cache__enabled": False},
        {"serve__http__port": 1},
        {"db__dsn": "sqlite:///x.db"},
        {"secrets__hmac__retired": [OTHER_SECRET]},
    ],
)
def test_every_effective_change_changes_the_hash(tmp_path: Path, change: dict[str, Any]) -> None:
    before = loaded(tmp_path, tree()).hash("h", NIL)
    assert loaded(tmp_path, tree(**change)).hash("h", NIL) != before


def test_spelling_out_a_default_leaves_the_hash_alone(tmp_path: Path) -> None:
    before = loaded(tmp_path, tree()).hash("h", NIL)
    assert loaded(tmp_path, tree(serve__http__port=4420.0)).hash("h", NIL) == before


def test_the_hash_differs_by_host_as_written_and_network() -> None:
    config = from_environ()
    hosts = ["a", "A", "a:80", "", "é", "\udcff"]
    networks = [NIL, "550e8400-e29b-41d4-a716-446655440001"]
    assert len({config.hash(host, network) for host in hosts for network in networks}) == 12


def test_restoring_what_was_shared(tmp_path: Path) -> None:
    config = loaded(tmp_path, REFERENCE.read_text(), {"TALOS_LOG_LEVEL": "debug", "TALOS_DB": "x"})
    restored = Config.from_bytes(config.to_bytes())
    assert restored.redacted() == config.redacted()
    assert restored.hash("h", NIL) == config.hash("h", NIL)
    assert restored.sources == config.sources
    assert restored.warnings == config.warnings
    for path in schema.settings():
        assert restored.origin(path) == config.origin(path)
        assert restored.was_set(path) == config.was_set(path)
