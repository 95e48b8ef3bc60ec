"""What a request may see of the configuration, made from one ``Config`` (contract 8.4)."""

import hashlib
from dataclasses import astuple, dataclass
from typing import Final

from talos.config.retired import RetiredEntry
from talos.config.values import Config
from talos.credentials.jwk import SigningKeys
from talos.credentials.secrets import Retired, Secret, SecretRing
from talos.credentials.settings import CredentialSettings
from talos.domain.hosts import AllowedHosts
from talos.domain.keys import NIL_NETWORK
from talos.domain.proxies import TrustedProxies
from talos.domain.units import MAX_CLOCK_SKEW_NS, NS_PER_S
from talos.services.tenant import HttpSettings, Tenant

DEFAULT_CLOCK_SKEW_NS: Final = 300 * NS_PER_S

SIGNING_KEY_URLS: Final = "credentials.derived_tokens.jwt.signing_keys.urls"
SIGNING_KEY_ID: Final = "credentials.derived_tokens.jwt.signing_key_id"

# Whatever of these differs, a credential may be judged differently.
_JUDGING: Final = (
    "credentials.issuer",
    "credentials.clock_skew",
    "credentials.api_keys.max_ttl",
    "credentials.api_keys.prefix.current",
    "credentials.api_keys.prefix.public_current",
    SIGNING_KEY_ID,
    "credentials.derived_tokens.macaroon.prefix.current",
)
_JUDGING_RETIRED: Final = (
    "credentials.issuer_retired",
    "credentials.api_keys.prefix.retired",
    "credentials.api_keys.prefix.public_retired",
    "credentials.derived_tokens.macaroon.prefix.retired",
    "secrets.hmac.retired",
)
_JUDGING_SECRETS: Final = ("secrets.hmac.current",)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent moment: the configuration and everything that is computed from it.

    ``key_faults`` has one line for each signing key that could not be read (contract 16, 29).
    """

    config: Config
    tenant: Tenant
    http: HttpSettings
    key_faults: tuple[str, ...]


def take(config: Config, previous: Snapshot | None = None) -> Snapshot:
    """Return the snapshot of ``config``.

    Signing keys that ``previous`` has read from the same documents are taken over.
    """
    if previous and config.secrets(SIGNING_KEY_URLS) == previous.config.secrets(SIGNING_KEY_URLS):
        keys, faults = previous.tenant.credentials.signing_keys, previous.key_faults
    else:
        keys, faults = load_signing_keys(config)
    return Snapshot(config, tenant_settings(config, keys), http_settings(config), faults)


def load_signing_keys(config: Config) -> tuple[SigningKeys, tuple[str, ...]]:
    """Return the signing keys that can be read, and one line for each that cannot.

    A line names the entry by its index (``...signing_keys.urls[0]``), never by its value.
    """
    urls = [url.reveal().decode() for url in config.secrets(SIGNING_KEY_URLS)]
    keys, faults = SigningKeys.load(urls)
    section = SIGNING_KEY_URLS.removesuffix("urls")
    return keys, tuple(f"{section}{fault}" for fault in faults)


def tenant_settings(config: Config, signing_keys: SigningKeys | None = None) -> Tenant:
    """Return the settings of the one network, with ``signing_keys`` or those of ``config``."""
    keys = load_signing_keys(config)[0] if signing_keys is None else signing_keys
    return Tenant(
        network_id=NIL_NETWORK,
        credentials=_credential_settings(config, keys),
        default_ttl_ns=config.optional_duration_ns("credentials.api_keys.default_ttl"),
        token_ttl_ns=config.duration_ns("credentials.derived_tokens.default_ttl"),
        api_keys_max=config.optional_integer("quota.api_keys_max") or 0,
        cache_enabled=config.flag("cache.enabled"),
        cache_ttl_ns=config.duration_ns("cache.ttl"),
        rate_limit_enabled=config.flag("rate_limit.enabled"),
    )


def http_settings(config: Config) -> HttpSettings:
    """Return what the HTTP applications read at every request."""
    cors = "serve.http.cors"
    hosts = config.texts("serve.http.allowed_hosts")
    return HttpSettings(
        allowed_hosts=AllowedHosts(hosts) if hosts else None,
        client_ip_source=config.text("serve.http.client_ip_source"),
        exclude_health_from_log=config.flag("serve.http.request_log.exclude_health_endpoints"),
        trust_forwarded_host=config.flag("serve.http.trust_forwarded_host"),
        trusted_proxies=TrustedProxies(config.texts("serve.http.trusted_proxies")),
        cors_enabled=config.flag(f"{cors}.enabled"),
        cors_allowed_origins=config.texts(f"{cors}.allowed_origins"),
        cors_allowed_methods=config.texts(f"{cors}.allowed_methods"),
        cors_allowed_headers=config.texts(f"{cors}.allowed_headers"),
        cors_exposed_headers=config.texts(f"{cors}.exposed_headers"),
        cors_allow_credentials=config.flag(f"{cors}.allow_credentials"),
        cors_max_age_s=int(config.number(f"{cors}.max_age")),
    )


def clock_skew_ns(config: Config) -> int:
    """Return the tolerated difference of clocks: at most 10m, and 5m where 0 is configured.

    Contract 5.2 and 16, 32.
    """
    configured_ns = config.duration_ns("credentials.clock_skew")
    return min(configured_ns or DEFAULT_CLOCK_SKEW_NS, MAX_CLOCK_SKEW_NS)


def _credential_settings(config: Config, keys: SigningKeys) -> CredentialSettings:
    prefix = "credentials.api_keys.prefix"
    macaroon = "credentials.derived_tokens.macaroon.prefix"
    return CredentialSettings(
        hmac=SecretRing(
            current=config.secret("secrets.hmac.current"),
            retired=tuple(
                Retired(Secret(entry.value), entry.expires_at_ns)
                for entry in config.retired("secrets.hmac.retired")
            ),
        ),
        issuer=config.text("credentials.issuer"),
        issuers_retired=tuple(
            Retired(entry.value, entry.expires_at_ns)
            for entry in config.retired("credentials.issuer_retired")
        ),
        clock_skew_ns=clock_skew_ns(config),
        max_ttl_ns=config.duration_ns("credentials.api_keys.max_ttl"),
        prefix=config.text(f"{prefix}.current"),
        prefixes_retired=config.texts(f"{prefix}.retired"),
        public_prefix=config.optional_text(f"{prefix}.public_current"),
        public_prefixes_retired=config.texts(f"{prefix}.public_retired"),
        macaroon_prefix=config.text(f"{macaroon}.current"),
        macaroon_prefixes_retired=config.texts(f"{macaroon}.retired"),
        signing_keys=keys,
        signing_key_id=config.text("credentials.derived_tokens.jwt.signing_key_id"),
        generation=_generation(config),
    )


def _generation(config: Config) -> int:
    """Return a number of 63 bits that any two differently judging configurations do not share.

    A digest and no counter, so that all processes of a host, and all hosts, agree on it.
    """
    digest = hashlib.blake2b(digest_size=8, person=b"talos generation")

    def add(value: object) -> None:
        text = value.reveal() if isinstance(value, Secret) else repr(value).encode()
        digest.update(len(text).to_bytes(8, "big") + text)

    for path in _JUDGING:
        add(config[path])
    for path in _JUDGING_SECRETS:
        add(config.secret(path))
    for url in (urls := config.secrets(SIGNING_KEY_URLS)):
        add(url)
    add(len(urls))
    for path in _JUDGING_RETIRED:
        entries: tuple[RetiredEntry, ...] = config.retired(path)
        add(len(entries))
        for entry in entries:
            add(astuple(entry))
    return int.from_bytes(digest.digest(), "big") >> 1
