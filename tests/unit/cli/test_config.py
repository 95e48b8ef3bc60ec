"""``talos config``."""

import base64
import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml

from talos.credentials import generate
from tests.support.cli import Run

SECRET = "test-secret-for-hmac-0123456789abcdef"
GOOD = f"""
db:
  dsn: sqlite:///var/lib/talos/talos.db
credentials:
  issuer: https://issuer.example
secrets:
  hmac:
    current: {SECRET}
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"]})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talos.yaml"
    path.write_text(GOOD)
    return path


def test_a_valid_configuration(talos: Run, file: Path) -> None:
    result = talos("config", "validate", "--config", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("The configuration is valid.\n")


def test_every_fault_at_once(talos: Run, file: Path) -> None:
    file.write_text(
        GOOD.replace(SECRET, "short-secret")
        + "serve: {http: {port: 70000}}\nlogg: {level: debug}\n"
    )
    result = talos("config", "validate", "--config", str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    for name in ("secrets.hmac.current", "serve.http.port", "logg", "did you mean log?"):
        assert name in result.stderr
    assert "TALOS_SERVE_HTTP_PORT" in result.stderr
    assert "short-secret" not in result.output


def test_nothing_configured(talos: Run) -> None:
    result = talos("config", "validate")
    assert result.exit_code == 1
    assert "credentials.issuer (TALOS_CREDENTIALS_ISSUER): missing" in result.stderr


def test_the_environment_counts(talos: Run, file: Path) -> None:
    os.environ["TALOS_SERVE_HTTP_PORT"] = "0"
    result = talos("config", "validate", "--config", str(file))
    assert result.exit_code == 1
    assert "serve.http.port (TALOS_SERVE_HTTP_PORT)" in result.stderr


def test_a_signing_key_that_cannot_be_read_is_an_error(talos: Run, file: Path) -> None:
    os.environ["TALOS_CREDENTIALS_DERIVED_TOKENS_JWT_SIGNING_KEYS_URLS"] = (
        "base64://test-not-base64!"
    )
    result = talos("config", "validate", "--config", str(file))
    assert result.exit_code == 1
    assert "urls[0]" in result.stderr
    assert "test-not-base64" not in result.output


def test_a_placeholder_is_an_error(talos: Run, file: Path) -> None:
    example = "<at least 32 characters from a random generator>"
    file.write_text(GOOD.replace(SECRET, example))
    result = talos("config", "validate", "--config", str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "secrets.hmac.current (TALOS_SECRETS_HMAC_CURRENT): a placeholder" in result.stderr
    assert "openssl rand -base64 48" in result.stderr
    assert example not in result.output


@pytest.mark.parametrize(
    ("http", "metrics", "clash"),
    [
        ("port: 4422", "", True),
        ("port: 4422, host: 10.0.0.1", "host: 0.0.0.0", True),
        ("port: 4422, host: 10.0.0.1", "host: 10.0.0.1", True),
        ('port: 4422, host: "[::]"', "host: 127.0.0.1", True),
        ("port: 4422", "host: 127.0.0.1", True),
        ("port: 4422, host: 10.0.0.1", "host: 10.0.0.2", False),
        ('port: 4422, host: "unix:/run/talos.sock"', "", False),
    ],
)
def test_two_listeners_on_one_port(
    talos: Run, file: Path, http: str, metrics: str, clash: bool
) -> None:
    file.write_text(GOOD + f"serve: {{http: {{{http}}}, metrics: {{{metrics}}}}}\n")
    result = talos("config", "validate", "--config", str(file))
    line = "serve.metrics.port (TALOS_SERVE_METRICS_PORT): is the port of serve.http.port too"
    assert (result.exit_code, line in result.stderr) == (int(clash), clash)


def test_a_signing_key_id_that_names_no_key_is_an_error(talos: Run, file: Path) -> None:
    prefix = "TALOS_CREDENTIALS_DERIVED_TOKENS_JWT_"
    keys = [generate.eddsa().private | {"kid": kid} for kid in ("key-of-may", "key-of-june")]
    document = base64.b64encode(json.dumps({"keys": keys}).encode()).decode()
    os.environ[f"{prefix}SIGNING_KEYS_URLS"] = f"base64://{document}"
    os.environ[f"{prefix}SIGNING_KEY_ID"] = "key-of-july"
    result = talos("config", "validate", "--config", str(file))
    assert result.exit_code == 1
    assert f"signing_key_id ({prefix}SIGNING_KEY_ID): names no key that can sign" in result.stderr
    assert result.stderr.endswith(": key-of-may, key-of-june\n")
    assert "key-of-july" not in result.output
    os.environ[f"{prefix}SIGNING_KEY_ID"] = "key-of-june"
    assert talos("config", "validate", "--config", str(file)).exit_code == 0
    del os.environ[f"{prefix}SIGNING_KEYS_URLS"]
    result = talos("config", "validate", "--config", str(file))
    assert (result.exit_code, "holds no key that can sign" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("oracle://user:test-password@h/db", "unknown database driver"),
        ("talos.db", "unknown database driver"),
        ("sqlite://:memory:", "memory"),
    ],
)
def test_a_dsn_that_names_no_database_is_an_error(
    talos: Run, file: Path, dsn: str, said: str
) -> None:
    os.environ["TALOS_DB_DSN"] = dsn
    result = talos("config", "validate", "--config", str(file))
    assert result.exit_code == 1
    assert "db.dsn (TALOS_DB_DSN)" in result.stderr
    assert said in result.stderr
    assert "test-password" not in result.output


def test_no_database_is_worth_a_warning(talos: Run, file: Path) -> None:
    file.write_text(GOOD.replace("db:\n  dsn: sqlite:///var/lib/talos/talos.db\n", ""))
    result = talos("config", "validate", "--config", str(file))
    assert result.exit_code == 0
    assert "warning: db.dsn is not set" in result.stderr


def test_show_redacts_secrets(talos: Run, file: Path) -> None:
    os.environ["TALOS_DB_DSN"] = "postgres://user:test-password@h/db"
    shown = talos("config", "show", "--config", str(file))
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert SECRET not in shown.output
    assert "test-password" not in shown.output
    values = yaml.safe_load(shown.stdout)
    assert values["credentials"]["issuer"] == "https://issuer.example"
    assert values["serve"]["http"]["port"] == 4420
    as_json = talos("config", "show", "--config", str(file), "--format", "json")
    assert json.loads(as_json.stdout) == values


def test_show_of_a_faulty_configuration_prints_the_faults(talos: Run) -> None:
    result = talos("config", "show")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "secrets.hmac.current" in result.stderr


def test_the_schema_is_a_schema(talos: Run) -> None:
    result = talos("config", "schema")
    assert (result.exit_code, result.stderr) == (0, "")
    schema = json.loads(result.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(GOOD), schema)
    assert "secrets" in schema["properties"]
