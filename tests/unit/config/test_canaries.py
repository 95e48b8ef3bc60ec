"""Canaries in the place of every secret, and a search of everything that could be printed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos.config import advice, environment, schema, snapshot
from talos.config.directory import SingleTenantSource
from talos.config.files import FileContent, parse
from talos.config.loading import Contents, Loader, load
from talos.config.reload import ConfigSource
from talos.errors import ConfigurationError
from tests.support.canaries import CANARY, LONG, told_by
from tests.support.log_records import Records
from tests.unit.config.settings import BAD_KEY_URL, KEY_URL, loaded, tree, write


def secrets_everywhere() -> dict[str, Any]:
    return tree(
        db__dsn=f"postgres://talos:{CANARY}@db:5432/talos",
        secrets__hmac={
            "current": LONG,
            "retired": [
                LONG,
                {"value": LONG, "expires_at": "2030-01-31T00:00:00Z"},
                {"value": LONG, "expires_at": LONG},
                {"value": [LONG]},
                [LONG],
                {},
            ],
        },
        cache__redis__password=CANARY,
        credentials__derived_tokens__jwt__signing_keys__urls=[
            KEY_URL,
            BAD_KEY_URL,
            f"base64://{LONG}",
            f"base64://{CANARY}!",
        ],
    )


def test_a_valid_configuration_shows_no_secret(tmp_path: Path) -> None:
    environ = {"TALOS_SECRETS": json.dumps({"hmac": {"current": LONG}}), "TALOS_DB": CANARY}
    config = loaded(tmp_path, secrets_everywhere(), environ)
    taken = snapshot.take(config)
    source = ConfigSource(config, environ)
    shown = [
        repr(config),
        str(config),
        json.dumps(config.redacted()),
        config.hash("h", "n"),
        repr(config.warnings),
        repr(config.retirement_warnings()),
        repr(config.retired("secrets.hmac.retired")),
        repr([config[path] for path in schema.settings()]),
        repr(taken),
        repr(taken.key_faults),
        repr(taken.tenant),
        repr(advice.warnings(taken)),
        repr(source),
        repr(SingleTenantSource(source)),
        repr(SingleTenantSource(source).current()),
        repr(environment.read(environ)),
    ]
    assert not [text for text in shown if CANARY in text]
    assert not [text for text in shown if KEY_URL in text or "nWGxne_9WmC6" in text]


def test_the_search_would_find_something(tmp_path: Path) -> None:
    config = loaded(tmp_path, secrets_everywhere())
    assert CANARY.encode() in config.secret("db.dsn").reveal()
    assert CANARY.encode() in config.to_bytes()
    try:
        raise ValueError(CANARY) from KeyError("x")
    except ValueError as error:
        assert CANARY in told_by(error)


def misplaced(value: Any) -> list[dict[str, Any]]:
    """Configurations with ``value`` at every secret place, and one more fault elsewhere."""
    places = [
        "db__dsn",
        "secrets__hmac__current",
        "secrets__hmac__retired",
        "secrets__hmac",
        "cache__redis__password",
        "credentials__derived_tokens__jwt__signing_keys__urls",
        "credentials__derived_tokens__jwt__signing_keys",
    ]
    return [tree(**{place: value, "serve__http__port": 0}) for place in places]


@pytest.mark.parametrize(
    "value",
    [
        CANARY,
        LONG,
        [CANARY],
        [[CANARY]],
        [{"value": CANARY}],
        [{"value": CANARY, "expires_at": CANARY, "until": CANARY}],
        {"value": CANARY},
        {LONG: 1},
        {CANARY: None},
        {"current": CANARY, "retired": CANARY},
        {"urls": CANARY},
        {"current": [CANARY], LONG: 1, "extra": CANARY},
    ],
)
def test_no_fault_shows_a_secret(tmp_path: Path, value: Any) -> None:
    for content in misplaced(value):
        path = write(tmp_path / "talos.yaml", content)
        with pytest.raises(ConfigurationError) as caught:
            load(path, {})
        assert any("serve.http.port" in line for line in caught.value.faults)
        assert CANARY not in told_by(caught.value)


@pytest.mark.parametrize("path", schema.settings())
@pytest.mark.parametrize("value", [CANARY, f"[{CANARY}", f'"{CANARY}"', f'{{"{CANARY}', "\udcff"])
def test_no_fault_shows_a_variable(path: str, value: str) -> None:
    for variable in (schema.settings()[path].variable, f"{schema.settings()[path].variable}_7"):
        with pytest.raises(ConfigurationError) as caught:
            load(None, {variable: value, "SERVE_HTTP_PORT": "0"})
        assert CANARY not in told_by(caught.value)


@pytest.mark.parametrize("path", schema.sections())
def test_no_fault_shows_a_section_variable(path: str) -> None:
    variable = schema.env_name(tuple(path.split(".")))
    for value in (CANARY, json.dumps({LONG: CANARY, "current": CANARY, "dsn": [CANARY]})):
        with pytest.raises(ConfigurationError) as caught:
            load(None, {variable: value})
        assert CANARY not in told_by(caught.value)


@pytest.mark.parametrize("name", ["talos.yaml", "talos.json", "talos.toml"])
@pytest.mark.parametrize("text", ["secrets: [{}", '{{"secrets": "{}', 'secrets = "{}', "a: *{}"])
def test_no_syntax_error_shows_the_file(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path / name, text.format(CANARY))
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert CANARY not in told_by(caught.value)


UNFILLED = [
    f"${{{LONG}}}",
    f"<{LONG}>",
    f"{{{{ {LONG} }}}}",
    f"changeme-{LONG}",
    f"your-secret-{LONG}",
    f"https://{LONG}",
    f"/run/secrets/{LONG}",
    f" {LONG}",
    f'"{LONG}"',
]


@pytest.mark.parametrize("value", UNFILLED)
def test_no_placeholder_is_repeated(tmp_path: Path, value: str) -> None:
    for content in misplaced(value):
        path = write(tmp_path / "talos.yaml", content)
        with pytest.raises(ConfigurationError) as caught:
            load(path, {})
        assert CANARY not in told_by(caught.value)
    retired = [{"value": value, "expires_at": "2030-01-31T00:00:00Z"}]
    config = loaded(tmp_path, tree(secrets__hmac__retired=retired))
    assert config.warnings
    assert CANARY not in repr(config.warnings)


def test_no_warning_shows_a_value(tmp_path: Path) -> None:
    """Unknown, overruled and quoted variables, and a secret in a file that all may read."""
    (tmp_path / "secret").write_text(f" {LONG}\n")
    (tmp_path / "secret").chmod(0o666)
    environ = {
        "TALOS_SECRETS_HMAC_CURENT": CANARY,
        "TALOS_DB_DSN": f"'sqlite:///{CANARY}.db'",
        "DB_DSN": f"sqlite:///{CANARY}.db",
        "TALOS_SECRETS_HMAC_CURRENT_FILE": str(tmp_path / "secret"),
        "TALOS_SECRETS_HMAC_RETIRED": f"{LONG}, {LONG}",
        "TALOS_PORT": CANARY,
    }
    config = loaded(tmp_path, tree(secrets=None), environ)
    assert len(config.warnings) == 7
    assert CANARY not in repr(advice.warnings(snapshot.take(config)))


@pytest.mark.parametrize("after", [*UNFILLED, f"{LONG}2"])
def test_no_reload_shows_a_secret(tmp_path: Path, records: Records, after: str) -> None:
    path = write(tmp_path / "talos.yaml", tree(secrets__hmac__current=LONG))
    source = ConfigSource(load(path, {}), {})
    write(path, tree(secrets__hmac__current=after))
    source.examine()
    assert CANARY not in repr(records.next())
    assert CANARY not in repr(records.lost)


junk = st.recursive(
    st.sampled_from([CANARY, LONG, f"{CANARY}\n", 5, -1.5, True, None]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "expires_at", "current", "id", "typo", LONG]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
places = st.sampled_from([*schema.settings(), *schema.sections()])


@settings(max_examples=300)
@given(st.dictionaries(places, junk, max_size=4))
def test_text_that_somebody_wrote_as_a_value_is_never_repeated(changes: Mapping[str, Any]) -> None:
    content = tree()
    for place, value in sorted(changes.items(), key=lambda change: -len(change[0])):
        parts = tuple(place.split("."))
        above: Any = content
        for step in parts[:-1]:
            above = above.setdefault(step, {}) if isinstance(above, dict) else None
        if isinstance(above, dict):
            above[parts[-1]] = value
    loader = Loader("talos.json", {})
    data = json.dumps(content).encode()
    assert parse(Path("talos.json"), data) == content
    try:
        config = loader.parse(Contents(FileContent(Path("talos.json"), data, 0o600), {}))
    except ConfigurationError as error:
        assert error.faults
        assert CANARY not in told_by(error)
    else:
        assert CANARY not in repr(config)
        assert CANARY not in repr(advice.warnings(snapshot.take(config)))
