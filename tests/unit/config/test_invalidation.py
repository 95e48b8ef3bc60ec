"""What an edit of the file does to credentials that are out: said in the log, by kind."""

from pathlib import Path
from typing import Any

import pytest

from talos.config.loading import load
from talos.config.reload import ConfigSource
from tests.support.log_records import Records
from tests.unit.config.settings import JWK, KEY_URL, OTHER_SECRET, SECRET, tree, url_of, write

HMAC = "secrets__hmac"
ISSUER = "credentials__issuer"
PREFIX = "credentials__api_keys__prefix"
MACAROON = "credentials__derived_tokens__macaroon__prefix"
URLS = "credentials__derived_tokens__jwt__signing_keys__urls"
AGE = "credentials__api_keys__max_ttl"
PUBLIC_JWK = {name: value for name, value in JWK.items() if name != "d"}
PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"

SECRETS_LOST = (
    "issued keys and macaroons made with it no longer verify, and its page tokens are refused"
)


def edited(
    path: Path, records: Records, before: dict[str, Any], after: dict[str, Any]
) -> list[str]:
    """What a reload from ``before`` to ``after`` says about lost values."""
    source = ConfigSource(load(write(path, tree(**before)), {}), {})
    write(path, tree(**after))
    source.examine()
    assert records.next()[1] == "configuration reloaded"
    assert records.none()
    return records.lost


def ending(value: str, end: str) -> dict[str, str]:
    return {"value": value, "expires_at": end}


@pytest.mark.parametrize(
    ("before", "after", "begins", "ends"),
    [
        (
            {},
            {HMAC: {"current": OTHER_SECRET}},
            "secrets.hmac.current was replaced, and the earlier secret is not in secrets.hmac.ret",
            SECRETS_LOST,
        ),
        (
            {},
            {HMAC: {"current": OTHER_SECRET, "retired": [ending(SECRET, PAST)]}},
            "secrets.hmac.current was replaced",
            SECRETS_LOST,
        ),
        (
            {HMAC: {"current": SECRET, "retired": [OTHER_SECRET]}},
            {},
            "secrets.hmac.retired no longer holds a secret that still counted",
            SECRETS_LOST,
        ),
        (
            {HMAC: {"current": SECRET, "retired": [ending(OTHER_SECRET, FUTURE)]}},
            {HMAC: {"current": SECRET, "retired": [ending(OTHER_SECRET, PAST)]}},
            "secrets.hmac.retired no longer holds a secret that still counted",
            SECRETS_LOST,
        ),
        ({}, {ISSUER: "b"}, "credentials.issuer was replaced", "derived under it no longer verify"),
        (
            {"credentials__issuer_retired": ["a"]},
            {},
            "credentials.issuer_retired no longer holds",
            "derived under it no longer verify",
        ),
        (
            {},
            {f"{PREFIX}__current": "other"},
            "credentials.api_keys.prefix no longer holds",
            "issued keys that begin with it no longer verify",
        ),
        (
            {f"{PREFIX}__public_current": "pub"},
            {},
            "credentials.api_keys.prefix no longer holds",
            "issued keys that begin with it no longer verify",
        ),
        (
            {f"{PREFIX}__retired": ["old"]},
            {},
            "credentials.api_keys.prefix no longer holds",
            "issued keys that begin with it no longer verify",
        ),
        (
            {},
            {f"{MACAROON}__current": "mac"},
            "credentials.derived_tokens.macaroon.prefix no longer holds",
            "macaroons that begin with it no longer verify",
        ),
        (
            {URLS: [KEY_URL]},
            {},
            "credentials.derived_tokens.jwt.signing_keys.urls no longer holds a key",
            "JSON Web Tokens signed with it no longer verify",
        ),
        ({}, {AGE: "24h"}, "credentials.api_keys.max_ttl was shortened", "no longer verify"),
        ({AGE: "0s"}, {}, "credentials.api_keys.max_ttl was shortened", "no longer verify"),
    ],
)
def test_what_is_lost(
    tmp_path: Path,
    records: Records,
    before: dict[str, Any],
    after: dict[str, Any],
    begins: str,
    ends: str,
) -> None:
    [line] = edited(tmp_path / "talos.yaml", records, before, after)
    assert line.startswith(begins)
    assert line.endswith(ends)
    assert SECRET not in line and OTHER_SECRET not in line


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {HMAC: {"current": OTHER_SECRET, "retired": [SECRET]}}),
        ({}, {HMAC: {"current": OTHER_SECRET, "retired": [ending(SECRET, FUTURE)]}}),
        (
            {HMAC: {"current": SECRET, "retired": [OTHER_SECRET]}},
            {HMAC: {"current": OTHER_SECRET, "retired": [SECRET]}},
        ),
        ({HMAC: {"current": SECRET, "retired": [ending(OTHER_SECRET, PAST)]}}, {}),
        ({}, {ISSUER: "b", "credentials__issuer_retired": ["https://keys.example.com"]}),
        ({}, {f"{PREFIX}": {"current": "other", "retired": ["ory_ak"]}}),
        ({f"{PREFIX}__public_current": "pub"}, {f"{PREFIX}__retired": ["pub"]}),
        ({}, {f"{MACAROON}": {"current": "mac", "retired": ["mc"]}}),
        ({URLS: [KEY_URL]}, {URLS: [url_of(PUBLIC_JWK)]}),
        ({}, {URLS: [KEY_URL]}),
        ({AGE: "24h"}, {AGE: "0s"}),
    ],
)
def test_nothing_is_lost(
    tmp_path: Path, records: Records, before: dict[str, Any], after: dict[str, Any]
) -> None:
    source = ConfigSource(load(write(tmp_path / "talos.yaml", tree(**before)), {}), {})
    write(tmp_path / "talos.yaml", tree(**after))
    source.examine()
    assert records.next()[1] == "configuration reloaded"
    assert records.lost == []
