"""Configurations for the tests of this folder."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from talos.config.loading import load
from talos.config.values import Config
from talos.errors import ConfigurationError

SECRET = "test-secret-for-hmac-0123456789abcdef"
OTHER_SECRET = "test-secret-that-is-retired-0123456789"
ISSUER = "https://keys.example.com"

# The key of RFC 8032, test 1.
JWK = {
    "alg": "EdDSA",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "kid": "test-key",
    "kty": "OKP",
    "use": "sig",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}


def url_of(*jwks: Mapping[str, str]) -> str:
    """A signing key document as the configuration takes it."""
    document = json.dumps({"keys": list(jwks)}).encode()
    return "base64://" + base64.b64encode(document).decode()


KEY_URL = url_of(JWK)
# A document without keys.
BAD_KEY_URL = url_of()


def tree(**changes: Any) -> dict[str, Any]:
    """The smallest valid configuration, with settings changed by path (dots written as ``__``).

    A value of None leaves the setting out.
    """
    result: dict[str, Any] = {
        "credentials": {"issuer": ISSUER},
        "secrets": {"hmac": {"current": SECRET}},
    }
    for name, value in changes.items():
        *above, last = name.split("__")
        node = result
        for step in above:
            node = node.setdefault(step, {})
        if value is None:
            node.pop(last, None)
        else:
            node[last] = value
    return result


def write(path: Path, content: Mapping[str, Any] | str) -> Path:
    """Write a configuration file in place, for its owner alone."""
    path.touch(mode=0o600)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(dict(content)))
    return path


def loaded(
    tmp_path: Path, content: Mapping[str, Any] | str, environ: Mapping[str, str] | None = None
) -> Config:
    """What the file ``content`` and ``environ`` give together."""
    return load(write(tmp_path / "talos.yaml", content), environ or {})


def from_environ(**environ: str) -> Config:
    """What the environment alone gives, the required settings apart."""
    required = {
        "TALOS_CREDENTIALS_ISSUER": ISSUER,
        "TALOS_SECRETS_HMAC_CURRENT": SECRET,
    }
    return load(None, required | environ)


def faults(path: Path | str | None, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The faults that loading reports; fails where it reports none."""
    try:
        load(path, environ or {})
    except ConfigurationError as error:
        return error.faults
    raise AssertionError("the configuration is valid")


def faults_of(
    tmp_path: Path, content: Mapping[str, Any] | str, environ: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """The faults of a file with ``content``."""
    return faults(write(tmp_path / "talos.yaml", content), environ)
