"""Precedence and validation: every fault at once, with what was expected and without values."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from talos.config import schema
from talos.config.loading import load
from talos.config.values import Config
from talos.domain.durations import MAX_DURATION_NS, format_go
from tests.unit.config.settings import (
    OTHER_SECRET,
    SECRET,
    faults,
    faults_of,
    from_environ,
    loaded,
    tree,
)

REFERENCE = Path(__file__).with_name("reference.yaml")


def test_a_file_of_the_reference_is_valid_unchanged() -> None:
    config = load(REFERENCE, {})
    # The keys that the reference does not know are the only ones it leaves alone.
    unset = {path for path in schema.settings() if not config.was_set(path)}
    ours = {
        "serve.http.workers",
        "serve.http.threads",
        "serve.http.trusted_proxies",
        "serve.http.allowed_hosts",
        "serve.http.max_connections_per_peer",
        "serve.http.socket_mode",
        "serve.http.idle_timeout",
        "serve.http.drain_delay",
        "serve.metrics.socket_mode",
        "rate_limit.memory.max_size",
    }
    assert unset == ours
    assert config.integer("serve.metrics.port") == 4422
    assert config.duration_ns("credentials.clock_skew") == 300 * 10**9


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_the_same_configuration_in_another_format(tmp_path: Path, suffix: str) -> None:
    content = yaml.safe_load(
        REFERENCE.read_text()
        .replace("2030-01-31T", "'2030-01-31T")
        .replace("00:00Z", "00:00Z'")
        .replace("+01:00", "+01:00'")
    )
    path = tmp_path / f"talos{suffix}"
    path.write_text(json.dumps(content))
    assert load(path, {}).redacted() == load(REFERENCE, {}).redacted()


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "talos.toml"
    path.write_text(
        f'[credentials]\nissuer = "x"\n[[credentials.issuer_retired]]\nvalue = "y"\n'
        f'expires_at = 2030-03-17T17:46:40Z\n[secrets.hmac]\ncurrent = "{SECRET}"\n'
    )
    [entry] = load(path, {}).retired("credentials.issuer_retired")
    assert (entry.value, entry.expires_at_ns) == ("y", 1_900_000_000_000_000_000)


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("unprefixed", [False, True])
@pytest.mark.parametrize("prefixed", [False, True])
def test_precedence(tmp_path: Path, in_file: bool, unprefixed: bool, prefixed: bool) -> None:
    content = tree(serve__http__port=1111) if in_file else tree()
    environ = {"SERVE_HTTP_PORT": "2222"} if unprefixed else {}
    environ |= {"TALOS_SERVE_HTTP_PORT": "3333"} if prefixed else {}
    config = loaded(tmp_path, content, environ)
    expected, origin = (
        (3333, "TALOS_SERVE_HTTP_PORT")
        if prefixed
        else (2222, "SERVE_HTTP_PORT")
        if unprefixed
        else (1111, "file")
        if in_file
        else (4420, "default")
    )
    assert config.integer("serve.http.port") == expected
    assert config.origin("serve.http.port") == origin
    assert config.was_set("serve.http.port") is (origin != "default")


def test_objects_merge_and_lists_replace(tmp_path: Path) -> None:
    config = loaded(tmp_path, tree(serve__http__cors={"allowed_headers": ["X-A"]}))
    assert config.texts("serve.http.cors.allowed_headers") == ("X-A",)
    assert config.texts("serve.http.cors.allowed_origins") == ("*",)
    assert config.integer("serve.http.port") == 4420


def test_empty_sections_are_fine(tmp_path: Path) -> None:
    config = loaded(tmp_path, tree(serve={}, cache={"redis": {"tls": {}}}, db={}))
    assert config.text("cache.type") == "memory"
    assert config.optional_secret("db.dsn") is None


@pytest.mark.parametrize(
    ("cache", "kind", "enabled"),
    [
        ({}, "memory", True),
        ({"enabled": False}, "memory", False),
        ({"enabled": True}, "memory", True),
        ({"type": "noop"}, "noop", False),
        ({"type": "noop", "enabled": True}, "noop", True),
        ({"type": "memory"}, "memory", False),
        ({"type": "memory", "enabled": True}, "memory", True),
        ({"type": "redis"}, "redis", False),
        ({"ttl": "1m"}, "memory", True),
    ],
)
def test_what_the_cache_is_by_default(
    tmp_path: Path, cache: dict[str, Any], kind: str, enabled: bool
) -> None:
    config = loaded(tmp_path, tree(cache=cache))
    assert (config.text("cache.type"), config.flag("cache.enabled")) == (kind, enabled)


def test_without_a_file_and_without_an_environment() -> None:
    assert faults(None) == (
        "credentials.issuer (TALOS_CREDENTIALS_ISSUER): missing; expected a non-empty string",
        "secrets.hmac.current (TALOS_SECRETS_HMAC_CURRENT): missing; "
        "expected a string of at least 32 characters",
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"serve__http__port": 70000},
            "serve.http.port (TALOS_SERVE_HTTP_PORT): is 70000; "
            "expected an integer from 1 to 65535",
        ),
        (
            {"serve__http__port": "4420"},
            "serve.http.port (TALOS_SERVE_HTTP_PORT): is a string; "
            "expected an integer from 1 to 65535",
        ),
        (
            {"serve__http__port": True},
            "serve.http.port (TALOS_SERVE_HTTP_PORT): is true; expected an integer from 1 to 65535",
        ),
        (
            {"serve__http__workers": 0},
            "serve.http.workers (TALOS_SERVE_HTTP_WORKERS): is 0; "
            "expected an integer of at least 1",
        ),
        (
            {"cache__enabled": "yes"},
            "cache.enabled (TALOS_CACHE_ENABLED): is a string; expected true or false",
        ),
        (
            {"log__level": "INFO"},
            "log.level (TALOS_LOG_LEVEL): unknown value, did you mean info?; "
            "expected one of debug, info, warn, error",
        ),
        (
            {"serve__http__client_ip_source": "X_REAL_IP"},
            "serve.http.client_ip_source (TALOS_SERVE_HTTP_CLIENT_IP_SOURCE): unknown value; "
            "expected one of CLIENT_IP_SOURCE_UNSPECIFIED, CLIENT_IP_SOURCE_REMOTE_ADDR, "
            "CLIENT_IP_SOURCE_CF_CONNECTING_IP, CLIENT_IP_SOURCE_X_FORWARDED_FOR, "
            "CLIENT_IP_SOURCE_X_REAL_IP, CLIENT_IP_SOURCE_TRUE_CLIENT_IP",
        ),
        (
            {"serve__http__trusted_proxies": ["10.0.0.0/8", "10.0.0.0/33"]},
            "serve.http.trusted_proxies[1] (TALOS_SERVE_HTTP_TRUSTED_PROXIES): "
            "expected an address, a network such as 10.0.0.0/8, or unix:",
        ),
        (
            {"serve__http__trusted_proxies": ["proxy.example.com"]},
            "serve.http.trusted_proxies[0] (TALOS_SERVE_HTTP_TRUSTED_PROXIES): "
            "expected an address, a network such as 10.0.0.0/8, or unix:",
        ),
        (
            {"serve__http__cors__allowed_methods": ["GET", "OPTIONS"]},
            "serve.http.cors.allowed_methods[1] (TALOS_SERVE_HTTP_CORS_ALLOWED_METHODS): "
            "unknown value; expected one of GET, POST, PUT, PATCH, DELETE, HEAD, CONNECT, TRACE",
        ),
        (
            {"serve__http__cors__allowed_headers": ["A", "A"]},
            "serve.http.cors.allowed_headers (TALOS_SERVE_HTTP_CORS_ALLOWED_HEADERS): "
            "an item is repeated; expected a list without repetition, each item a string",
        ),
        (
            {"cache__redis__addrs": []},
            "cache.redis.addrs (TALOS_CACHE_REDIS_ADDRS): empty; expected a list with at least "
            "one item, each item an address such as localhost:6379",
        ),
        (
            {"cache__redis__addrs": ["localhost"]},
            "cache.redis.addrs[0] (TALOS_CACHE_REDIS_ADDRS): "
            "expected an address such as localhost:6379",
        ),
        (
            {"credentials__issuer": ""},
            "credentials.issuer (TALOS_CREDENTIALS_ISSUER): empty; expected a non-empty string",
        ),
        (
            {"secrets__hmac__current": SECRET[:31]},
            "secrets.hmac.current (TALOS_SECRETS_HMAC_CURRENT): too short; "
            "expected a string of at least 32 characters",
        ),
        (
            {"secrets__hmac__current": 12345},
            "secrets.hmac.current (TALOS_SECRETS_HMAC_CURRENT): is a number; "
            "expected a string of at least 32 characters",
        ),
        (
            {"secrets__hmac__retired": [OTHER_SECRET, {"value": "short"}]},
            "secrets.hmac.retired[1].value (TALOS_SECRETS_HMAC_RETIRED): too short; "
            "expected a string of at least 32 characters",
        ),
        (
            {"credentials__api_keys__prefix__current": "with-dash"},
            "credentials.api_keys.prefix.current (TALOS_CREDENTIALS_API_KEYS_PREFIX_CURRENT): "
            "expected 1 to 16 letters, digits or underscores",
        ),
        (
            {"credentials__api_keys__prefix__retired": ["trailing\n"]},
            "credentials.api_keys.prefix.retired[0] (TALOS_CREDENTIALS_API_KEYS_PREFIX_RETIRED): "
            "expected 1 to 16 letters, digits or underscores",
        ),
        (
            {"credentials__derived_tokens__macaroon__prefix__current": "ninechars"},
            "credentials.derived_tokens.macaroon.prefix.current "
            "(TALOS_CREDENTIALS_DERIVED_TOKENS_MACAROON_PREFIX_CURRENT): "
            "expected 1 to 8 letters, digits or underscores",
        ),
        (
            {"credentials__derived_tokens__jwt__signing_keys__urls": ["file:///etc/key.json"]},
            "credentials.derived_tokens.jwt.signing_keys.urls[0] "
            "(TALOS_CREDENTIALS_DERIVED_TOKENS_JWT_SIGNING_KEYS_URLS): "
            "expected `base64://` followed by a key document in Base64",
        ),
        (
            {"multitenancy__enabled": True},
            "multitenancy.enabled (TALOS_MULTITENANCY_ENABLED): several networks are not "
            "supported by this version; expected false",
        ),
        (
            {"multitenancy__networks": [{"hostname": "a", "id": "A", "config_path": "x"}]},
            "multitenancy.networks[0].id (TALOS_MULTITENANCY_NETWORKS): "
            "expected a UUID in lower case",
        ),
        (
            {
                "multitenancy__networks": [
                    {"hostname": "a", "id": "550e8400-e29b-41d4-a716-446655440001"}
                ]
            },
            "multitenancy.networks[0].config_path (TALOS_MULTITENANCY_NETWORKS): missing; "
            "expected a string",
        ),
        (
            {"tracing__exporter": "none"},
            "tracing.exporter (TALOS_TRACING_EXPORTER): unknown value; expected one of otlp",
        ),
        (
            {"tracing__sample_rate": 1.5},
            "tracing.sample_rate (TALOS_TRACING_SAMPLE_RATE): is 1.5; "
            "expected a number from 0 to 1",
        ),
        ({"db__dsn": ""}, "db.dsn (TALOS_DB_DSN): empty; expected a non-empty string"),
        ({"db__dsn": {"x": 1}}, "db.dsn (TALOS_DB_DSN): is a mapping; expected a non-empty string"),
    ],
)
def test_one_fault(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    assert faults_of(tmp_path, tree(**change)) == (line,)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            {"credentials": {"isuer": "x"}},
            "credentials.isuer: unknown key; did you mean credentials.issuer?",
        ),
        ({"dsn": "x"}, "dsn: unknown key; did you mean db.dsn?"),
        ({"hmac": {}}, "hmac: unknown key; did you mean secrets.hmac?"),
        ({"port": 1}, "port: unknown key; did you mean serve.http.port or serve.metrics.port?"),
        ({"$schema": "x"}, "$schema: unknown key"),
        ({"version": "1"}, "version: unknown key"),
        (
            {"serve": {"http": {"Port": 1}}},
            "serve.http.Port: unknown key; did you mean serve.http.port?",
        ),
        (
            {"serve": {"port": 1}},
            "serve.port: unknown key; did you mean serve.http.port or serve.metrics.port?",
        ),
        ({"serve": {"tls": {}}}, "serve.tls: unknown key"),
        ({"cache": {"redis": {"tls": {"key": 1}}}}, "cache.redis.tls.key: unknown key"),
        ({"secrets": {SECRET: 1}}, "secrets: holds an unknown key; expected only hmac"),
        (
            {"secrets": {"hmac": {"hunter2": None}}},
            "secrets.hmac: holds an unknown key; expected only current, retired",
        ),
        ({"db": {"hunter2": None}}, "db: holds an unknown key; expected only dsn"),
        ({"db": {"dns": "x"}}, "db.dns: unknown key; did you mean db.dsn?"),
        ({"log": {"two words": 1}}, "log: holds an unknown key; expected only level, format"),
    ],
)
def test_unknown_keys(tmp_path: Path, content: dict[str, Any], line: str) -> None:
    lines = faults_of(tmp_path, content)
    assert line in lines


@pytest.mark.parametrize("section", ["cache", "serve", "secrets", "multitenancy", "credentials"])
def test_null_for_a_section_is_a_fault(tmp_path: Path, section: str) -> None:
    lines = faults_of(tmp_path, {**tree(), section: None})
    assert lines == (f"{section}: is null; expected a mapping",)


def test_every_fault_of_a_file_and_the_environment_at_once(tmp_path: Path) -> None:
    content = tree(
        serve__http__port=0,
        log__format="xml",
        cache__ttl="soon",
        quota__api_keys_max=-1,
        secrets__hmac__current=None,
        extra=1,
    )
    lines = faults_of(tmp_path, content, {"LAST_USED_NUM_WORKERS": "many"})
    assert [line.split(":")[0].split(" ")[0] for line in lines] == [
        "extra",
        "serve.http.port",
        "log.format",
        "secrets.hmac.current",
        "cache.ttl",
        "last_used.num_workers",
        "quota.api_keys_max",
    ]


def test_the_variable_that_gave_a_value_is_named(tmp_path: Path) -> None:
    lines = faults_of(tmp_path, tree(), {"cache_ttl": "x", "TALOS_LOG": '{"level": "x"}'})
    assert [line.split(":")[0] for line in lines] == [
        "log.level (TALOS_LOG)",
        "cache.ttl (cache_ttl)",
    ]


DURATIONS = [path for path, setting in schema.settings().items() if "x-duration" in setting.node]
ABOVE_ZERO = ("last_used.flush_interval", "serve.http.idle_timeout")
BARE = ("credentials.clock_skew", "last_used.flush_interval")


def with_duration(path: str, text: str) -> Config:
    return from_environ(**{schema.settings()[path].variable: text})


def test_which_settings_are_durations() -> None:
    assert len(DURATIONS) == 11


@pytest.mark.parametrize("path", DURATIONS)
@pytest.mark.parametrize(
    ("text", "value_ns"),
    [
        ("1h30m", 5400 * 10**9),
        ("1.5s", 1_500_000_000),
        ("2562047h", 2562047 * 3600 * 10**9),
        ("10ms5us5µs7ns", 10_010_007),
    ],
)
def test_durations(path: str, text: str, value_ns: int) -> None:
    assert with_duration(path, text).duration_ns(path) == value_ns


@pytest.mark.parametrize("path", DURATIONS)
@pytest.mark.parametrize(
    "text",
    ["", "5", "5 m", "-5m", "m", "1d", "5M", "1e3s", "2562048h", "5m\n", "nonsense", "9" * 30],
)
def test_what_is_no_duration_is_a_fault_everywhere(path: str, text: str) -> None:
    if path in BARE and text == "5":
        assert with_duration(path, text).duration_ns(path) == 5
        return
    variable = schema.settings()[path].variable
    above_zero = " above zero" if path in ABOVE_ZERO else ""
    required = {"CREDENTIALS_ISSUER": "x", "SECRETS_HMAC_CURRENT": SECRET}
    assert faults(None, {**required, variable: text}) == (
        f"{path} ({variable}): expected a duration{above_zero} such as 30s, 5m or 1h30m "
        "(at most 292 years)",
    )


@pytest.mark.parametrize("path", DURATIONS)
def test_zero(path: str) -> None:
    if path in ABOVE_ZERO:
        with pytest.raises(Exception, match="invalid"):
            with_duration(path, "0s")
    else:
        assert with_duration(path, "0s").duration_ns(path) == 0


@pytest.mark.parametrize("path", DURATIONS)
def test_a_number_is_no_duration(tmp_path: Path, path: str) -> None:
    [line] = faults_of(tmp_path, tree(**{path.replace(".", "__"): 300}))
    assert "is 300; expected a duration" in line


@given(st.integers(1, MAX_DURATION_NS))
def test_a_printed_duration_reads_back(value_ns: int) -> None:
    text = format_go(value_ns)
    for path in ("credentials.api_keys.max_ttl", "last_used.flush_interval"):
        assert with_duration(path, text).duration_ns(path) == value_ns


@given(st.integers(1, MAX_DURATION_NS))
def test_bare_digits_are_nanoseconds_where_the_reference_takes_them(value_ns: int) -> None:
    for path in BARE:
        assert with_duration(path, str(value_ns)).duration_ns(path) == value_ns


@pytest.mark.parametrize(
    "entry",
    [
        5,
        None,
        True,
        [],
        {},
        {"value": 5},
        {"value": "a", "expires_at": "soon"},
        {"value": "a", "expires_at": 5},
        {"value": "a", "expires_at": "2030-01-31"},
        "",
    ],
)
@pytest.mark.parametrize("path", ["credentials.issuer_retired", "secrets.hmac.retired"])
def test_malformed_retired_entries_are_skipped(tmp_path: Path, path: str, entry: Any) -> None:
    if isinstance(entry, dict) and entry.get("value") == "a":
        entry = {**entry, "value": OTHER_SECRET}
    good = "good-" + OTHER_SECRET
    config = loaded(tmp_path, tree(**{path.replace(".", "__"): [entry, good]}))
    assert [kept.value for kept in config.retired(path)] == [good]
    warnings = config.retirement_warnings()
    if entry == "":
        assert warnings == ()
    else:
        [warning] = warnings
        assert warning.startswith(f"{path}[0]: skipped; ")
        assert OTHER_SECRET not in warning


def test_entries_without_an_end(tmp_path: Path) -> None:
    entries = [{"value": "a"}, {"value": "b", "expires_at": ""}, {"value": "c", "expires_at": None}]
    config = loaded(tmp_path, tree(credentials__issuer_retired=entries))
    assert [(e.value, e.expires_at_ns) for e in config.retired("credentials.issuer_retired")] == [
        ("a", None),
        ("b", None),
        ("c", None),
    ]
    assert config.retirement_warnings() == ()


@pytest.mark.parametrize(
    "path",
    ["credentials.api_keys.prefix.retired", "credentials.derived_tokens.macaroon.prefix.retired"],
)
def test_prefixes_are_skipped_like_any_retired_value(tmp_path: Path, path: str) -> None:
    config = loaded(tmp_path, tree(**{path.replace(".", "__"): ["", 5, "old"]}))
    assert config.texts(path) == ("old",)
    assert len(config.retirement_warnings()) == 1
