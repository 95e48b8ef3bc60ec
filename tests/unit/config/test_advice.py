"""Warnings at start: what is allowed and probably not meant."""

from pathlib import Path
from typing import Any

import pytest

from talos.config import advice, snapshot
from tests.unit.config.settings import BAD_KEY_URL, JWK, KEY_URL, loaded, tree, url_of

PREFIX = "credentials__api_keys__prefix"
MACAROON = "credentials__derived_tokens__macaroon__prefix"
JWT = "credentials__derived_tokens__jwt"
PUBLIC_JWK = {name: value for name, value in JWK.items() if name != "d"}


def warnings(tmp_path: Path, environ: dict[str, str] | None = None, **changes: Any) -> list[str]:
    config = loaded(tmp_path, tree(**changes), environ)
    return list(advice.warnings(snapshot.take(config)))


def test_nothing_to_say_about_the_smallest_configuration(tmp_path: Path) -> None:
    assert warnings(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"credentials__clock_skew": "11m"}, "credentials.clock_skew is above 10m and acts as 10m"),
        ({"credentials__clock_skew": "0s"}, "credentials.clock_skew is zero and acts as 5m"),
        (
            {
                "credentials__api_keys": {"default_ttl": "2h", "max_ttl": "1h"},
                "credentials__derived_tokens__default_ttl": "1h",
            },
            "credentials.api_keys.default_ttl is longer than",
        ),
        (
            {"credentials__derived_tokens__default_ttl": "9000h"},
            "credentials.derived_tokens.default_ttl is longer than",
        ),
        ({f"{PREFIX}__current": "mc"}, "credentials.api_keys.prefix.current collides"),
        ({f"{PREFIX}__current": "mc_v1"}, "credentials.api_keys.prefix.current collides"),
        ({f"{PREFIX}__current": "mc_v1_x"}, "credentials.api_keys.prefix.current collides"),
        ({f"{PREFIX}__retired": ["a", "mc"]}, "credentials.api_keys.prefix.retired collides"),
        ({f"{PREFIX}__public_current": "mc"}, "credentials.api_keys.prefix.public_current coll"),
        ({f"{PREFIX}__public_retired": ["mc"]}, "credentials.api_keys.prefix.public_retired coll"),
        ({f"{MACAROON}__retired": ["ory_ak"]}, "credentials.api_keys.prefix.current collides"),
        (
            {f"{JWT}__signing_key_id": "other", f"{JWT}__signing_keys__urls": [KEY_URL]},
            "credentials.derived_tokens.jwt.signing_key_id "
            "(TALOS_CREDENTIALS_DERIVED_TOKENS_JWT_SIGNING_KEY_ID): names no key that can sign; "
            "expected the kid of a key under "
            "credentials.derived_tokens.jwt.signing_keys.urls: test-key; JSON Web Tokens cannot",
        ),
        (
            {
                f"{JWT}__signing_key_id": "test-key",
                f"{JWT}__signing_keys__urls": [url_of(PUBLIC_JWK)],
            },
            "credentials.derived_tokens.jwt.signing_key_id "
            "(TALOS_CREDENTIALS_DERIVED_TOKENS_JWT_SIGNING_KEY_ID): names no key that can sign; "
            "expected nothing, since credentials.derived_tokens.jwt.signing_keys.urls holds no key",
        ),
        (
            {f"{JWT}__signing_keys__urls": [url_of(PUBLIC_JWK)]},
            "credentials.derived_tokens.jwt.signing_keys.urls holds no key that can sign",
        ),
        (
            {f"{JWT}__signing_keys__urls": [BAD_KEY_URL]},
            "credentials.derived_tokens.jwt.signing_keys.urls holds no key that can sign",
        ),
        (
            {"serve__http__cors": {"enabled": True, "allow_credentials": True}},
            "serve.http.cors.allow_credentials has no effect beside the origin *",
        ),
        (
            {"serve__http__client_ip_source": "CLIENT_IP_SOURCE_X_REAL_IP"},
            "serve.http.client_ip_source is set and serve.http.trusted_proxies is empty: ",
        ),
        (
            {"serve__http__trust_forwarded_host": True},
            "serve.http.trust_forwarded_host is set and serve.http.trusted_proxies is empty: ",
        ),
        (
            {"serve__http__trusted_proxies": ["10.0.0.1", "::/0"]},
            "serve.http.trusted_proxies holds every address of a family",
        ),
        (
            {"serve__http__trusted_proxies": ["0.0.0.0/0"]},
            "serve.http.trusted_proxies holds every address of a family",
        ),
        ({"cache__type": "memory"}, "cache.type is set and cache.enabled is not"),
        ({"cache__type": "redis"}, "cache.type is set and cache.enabled is not"),
        ({"cache": {"type": "redis", "enabled": True}}, "cache.type redis is not in this version"),
        ({"rate_limit__backend": "redis"}, "rate_limit.backend redis is not in this version"),
        ({"tracing__enabled": True}, "tracing.enabled: this version"),
        ({"credentials__issuer_retired": [5]}, "credentials.issuer_retired[0]: skipped; "),
    ],
)
def test_one_warning(tmp_path: Path, changes: dict[str, Any], begins: str) -> None:
    [line] = warnings(tmp_path, **changes)
    assert line.startswith(begins)


@pytest.mark.parametrize(
    "changes",
    [
        {"credentials__clock_skew": "10m"},
        {"credentials__api_keys": {"default_ttl": "9000h", "max_ttl": "0s"}},
        {f"{PREFIX}__current": "mc2", f"{PREFIX}__retired": ["m", "mc_"]},
        {"serve__http__cors": {"enabled": False, "allow_credentials": True}},
        {
            "serve__http__cors": {
                "enabled": True,
                "allow_credentials": True,
                "allowed_origins": ["https://a.example.com"],
            }
        },
        {"serve__http__client_ip_source": "CLIENT_IP_SOURCE_REMOTE_ADDR"},
        {
            "serve__http": {
                "client_ip_source": "CLIENT_IP_SOURCE_X_FORWARDED_FOR",
                "trust_forwarded_host": True,
                "trusted_proxies": ["unix:"],
            }
        },
        {"cache__type": "noop"},
        {"cache": {"type": "noop", "enabled": True}},
        {"cache__enabled": True},
        {"cache": {"type": "memory", "enabled": True}},
        {"cache": {"type": "redis", "enabled": False}},
        {"rate_limit": {"enabled": True, "backend": "memory"}},
        {f"{JWT}__signing_key_id": "test-key", f"{JWT}__signing_keys__urls": [KEY_URL]},
    ],
)
def test_no_warning(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert warnings(tmp_path, **changes) == []


def test_what_the_environment_had_to_pass_over(tmp_path: Path) -> None:
    [line] = warnings(tmp_path, {"TALOS_DB": "postgres"})
    assert line.startswith("TALOS_DB is ignored")
