"""What requests see, and when two snapshots judge differently."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from talos.config import schema, snapshot
from talos.config.loading import load
from talos.config.snapshot import Snapshot
from talos.config.values import Config
from talos.credentials.secrets import Retired, Secret
from talos.domain.keys import NIL_NETWORK
from talos.domain.proxies import NO_PROXIES, TrustedProxies
from tests.unit.config.settings import (
    BAD_KEY_URL,
    ISSUER,
    JWK,
    KEY_URL,
    OTHER_SECRET,
    SECRET,
    from_environ,
    loaded,
    tree,
    url_of,
)

REFERENCE = Path(__file__).with_name("reference.yaml")
S = 10**9


def taken(tmp_path: Path, **changes: Any) -> Snapshot:
    return snapshot.take(loaded(tmp_path, tree(**changes)))


def test_the_smallest_configuration(tmp_path: Path) -> None:
    tenant = taken(tmp_path).tenant
    assert tenant.network_id == NIL_NETWORK
    assert tenant.default_ttl_ns is None
    assert tenant.token_ttl_ns == 3600 * S
    assert tenant.api_keys_max == 0
    assert tenant.cache_enabled is True
    assert tenant.cache_ttl_ns == 300 * S
    assert tenant.rate_limit_enabled is False
    credentials = tenant.credentials
    assert credentials.hmac.accepted(0) == (SECRET.encode(),)
    assert credentials.issuer == ISSUER
    assert credentials.clock_skew_ns == 300 * S
    assert credentials.max_ttl_ns == 8760 * 3600 * S
    assert (credentials.prefix, credentials.public_prefix) == ("ory_ak", None)
    assert credentials.macaroon_prefix == "mc"
    assert credentials.signing_keys.empty


def test_a_full_configuration() -> None:
    taken = snapshot.take(load(REFERENCE, {}))
    assert taken.key_faults == ()
    tenant, credentials = taken.tenant, taken.tenant.credentials
    assert tenant.default_ttl_ns == 720 * 3600 * S
    assert tenant.token_ttl_ns == 5400 * S
    assert tenant.api_keys_max == 1000
    assert tenant.rate_limit_enabled is True
    assert credentials.issuers_retired == (
        Retired("https://old.example.com", None),
        Retired("https://older.example.com", 1_896_048_000 * S),
    )
    assert credentials.hmac.retired == (
        Retired(Secret("test-secret-that-is-retired-0123456789"), None),
        Retired(Secret("test-secret-that-is-older-0123456789a"), 1_896_044_400 * S + S // 2),
    )
    assert credentials.prefixes_retired == ("ory_old",)
    assert credentials.public_prefix == "ory_pk"
    assert credentials.public_prefixes_retired == ("ory_pub",)
    assert credentials.macaroon_prefixes_retired == ("mac",)
    assert credentials.signing_key_id == "test-key"
    assert credentials.signing_keys.signer("test-key").kid == "test-key"
    http = taken.http
    assert http.client_ip_source == "CLIENT_IP_SOURCE_X_FORWARDED_FOR"
    assert http.exclude_health_from_log is True
    assert http.trust_forwarded_host is False
    assert http.trusted_proxies == NO_PROXIES
    assert http.cors_enabled is True
    assert http.cors_allowed_origins == ("https://*.example.com",)
    assert http.cors_allowed_methods[-1] == "TRACE"
    assert http.cors_allowed_headers == ("Authorization", "Content-Type")
    assert http.cors_exposed_headers == ("Content-Type",)
    assert http.cors_allow_credentials is True
    assert http.cors_max_age_s == 3600


def test_the_proxies_are_read(tmp_path: Path) -> None:
    http = taken(tmp_path, serve__http__trusted_proxies=["10.0.0.0/8", "unix:"]).http
    assert http.trusted_proxies == TrustedProxies(["10.0.0.0/8", "unix:"])
    assert http.trusted_proxies.trust_peer("10.1.2.3")


@pytest.mark.parametrize(
    ("text", "acts_as_s"), [("5m", 300), ("1s", 1), ("10m", 600), ("10m1s", 600), ("0s", 300)]
)
def test_the_clock_skew_in_force(text: str, acts_as_s: int) -> None:
    tenant = snapshot.tenant_settings(from_environ(CREDENTIALS_CLOCK_SKEW=text))
    assert tenant.credentials.clock_skew_ns == acts_as_s * S


def test_a_bad_signing_key_is_named_by_index_and_the_others_work(tmp_path: Path) -> None:
    urls = [BAD_KEY_URL, KEY_URL, "base64://!!!"]
    result = taken(tmp_path, credentials__derived_tokens__jwt__signing_keys__urls=urls)
    path = "credentials.derived_tokens.jwt.signing_keys.urls"
    assert [line.split(":")[0] for line in result.key_faults] == [f"{path}[0]", f"{path}[2]"]
    assert [key.kid for key in result.tenant.credentials.signing_keys.keys] == ["test-key"]


def test_keys_are_read_again_only_when_their_documents_change(tmp_path: Path) -> None:
    urls = {"credentials__derived_tokens__jwt__signing_keys__urls": [KEY_URL]}
    first = taken(tmp_path, **urls)
    same = snapshot.take(loaded(tmp_path, tree(credentials__issuer="x", **urls)), first)
    keys = [result.tenant.credentials.signing_keys for result in (first, same)]
    assert keys[0] is keys[1]
    other = [url_of({**JWK, "kid": "other"})]
    urls["credentials__derived_tokens__jwt__signing_keys__urls"] = other
    changed = snapshot.take(loaded(tmp_path, tree(**urls)), first)
    assert [key.kid for key in changed.tenant.credentials.signing_keys.keys] == ["other"]


JUDGING: list[dict[str, Any]] = [
    {},
    {"secrets__hmac__current": OTHER_SECRET},
    {"secrets__hmac__retired": [OTHER_SECRET]},
    {"secrets__hmac__retired": [{"value": OTHER_SECRET, "expires_at": "2030-01-31T00:00:00Z"}]},
    {"secrets__hmac__retired": [{"value": OTHER_SECRET, "expires_at": "2030-01-31T00:00:01Z"}]},
    {"secrets__hmac__retired": [OTHER_SECRET, SECRET]},
    {"secrets__hmac__retired": [SECRET, OTHER_SECRET]},
    {"credentials__issuer": "x"},
    {"credentials__issuer_retired": ["x"]},
    {"credentials__issuer_retired": ["x", "y"]},
    {"credentials__issuer_retired": ["x,y"]},
    {"credentials__clock_skew": "1m"},
    {"credentials__api_keys__max_ttl": "1h"},
    {"credentials__api_keys__prefix__current": "x"},
    {"credentials__api_keys__prefix__retired": ["x"]},
    {"credentials__api_keys__prefix__public_current": "x"},
    {"credentials__api_keys__prefix__public_retired": ["x"]},
    {"credentials__derived_tokens__macaroon__prefix__current": "x"},
    {"credentials__derived_tokens__macaroon__prefix__retired": ["x"]},
    {"credentials__derived_tokens__jwt__signing_key_id": "x"},
    {"credentials__derived_tokens__jwt__signing_keys__urls": [KEY_URL]},
    {"credentials__derived_tokens__jwt__signing_keys__urls": [KEY_URL, KEY_URL]},
]


def test_what_judges_differently_has_another_generation(tmp_path: Path) -> None:
    generations = [taken(tmp_path, **change).tenant.credentials.generation for change in JUDGING]
    assert len(set(generations)) == len(JUDGING)
    assert all(0 <= generation < 2**63 for generation in generations)


@pytest.mark.parametrize("change", JUDGING)
def test_a_worker_that_is_told_of_an_edit_finds_the_same_generation(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """One worker reads the file, the others what it has published (``config.shared_config``)."""
    config = loaded(tmp_path, tree(**change))
    read, told = snapshot.take(config), snapshot.take(Config.from_bytes(config.to_bytes()))
    assert told.tenant.credentials.generation == read.tenant.credentials.generation


def test_a_process_of_its_own_finds_the_same_generation() -> None:
    """Whatever its hashes are seeded with: each worker counts on the others' numbers."""
    program = (
        "import sys; from talos.config import snapshot; from talos.config.loading import load; "
        "print(snapshot.take(load(sys.argv[1], {})).tenant.credentials.generation)"
    )
    found = {str(snapshot.take(load(REFERENCE, {})).tenant.credentials.generation)}
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, REFERENCE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_keys_that_were_taken_over_are_those_of_their_documents(tmp_path: Path) -> None:
    """A generation knows documents, not keys: the same ones must always give the same keys."""
    urls = {"credentials__derived_tokens__jwt__signing_keys__urls": [BAD_KEY_URL, KEY_URL]}
    config = loaded(tmp_path, tree(**urls))
    fresh = snapshot.take(config).tenant.credentials
    other = snapshot.take(loaded(tmp_path, tree(credentials__issuer="x", **urls)))
    kept = snapshot.take(config, other).tenant.credentials
    assert kept.generation == fresh.generation
    assert kept.signing_keys.public_jwks() == fresh.signing_keys.public_jwks()


def test_no_setting_of_credentials_and_secrets_is_forgotten() -> None:
    judging = {*snapshot._JUDGING, *snapshot._JUDGING_RETIRED, *snapshot._JUDGING_SECRETS}
    only_for_new_ones = {
        "credentials.api_keys.default_ttl",
        "credentials.derived_tokens.default_ttl",
    }
    settings = {path for path in schema.settings() if path.startswith(("credentials.", "secrets."))}
    assert settings == judging | only_for_new_ones | {snapshot.SIGNING_KEY_URLS}


@pytest.mark.parametrize(
    "change",
    [
        {"serve__http__cors__enabled": True},
        {"cache__ttl": "1m"},
        {"credentials__derived_tokens__default_ttl": "2h"},
        {"credentials__api_keys__default_ttl": "2h"},
        {"quota__api_keys_max": 5},
    ],
)
def test_other_changes_keep_the_generation(tmp_path: Path, change: dict[str, Any]) -> None:
    before = taken(tmp_path).tenant.credentials.generation
    assert taken(tmp_path, **change).tenant.credentials.generation == before
