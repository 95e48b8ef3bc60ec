"""What is allowed and still probably not meant: lines that are logged as warnings at start.

Faults stop the start; these do not. A line names settings, never values.
"""

import re
from collections.abc import Iterator
from typing import Final

from talos.config import schema
from talos.config.faults import Fault
from talos.config.snapshot import (
    DEFAULT_CLOCK_SKEW_NS,
    SIGNING_KEY_ID,
    SIGNING_KEY_URLS,
    Snapshot,
)
from talos.config.values import Config
from talos.domain.units import MAX_CLOCK_SKEW_NS
from talos.services.tenant import PEER_SOURCES, HttpSettings

_API_KEY_PREFIXES: Final = (
    "credentials.api_keys.prefix.current",
    "credentials.api_keys.prefix.public_current",
    "credentials.api_keys.prefix.retired",
    "credentials.api_keys.prefix.public_retired",
)
_MACAROON_PREFIXES: Final = (
    "credentials.derived_tokens.macaroon.prefix.current",
    "credentials.derived_tokens.macaroon.prefix.retired",
)

# Key ids are published; these bounds keep one line a line.
_PRINTABLE_KEY_ID: Final = re.compile(r"[!-~]{1,64}")
_MOST_KEY_IDS: Final = 10


def warnings(snapshot: Snapshot) -> tuple[str, ...]:
    """Return one line for each thing that whoever starts the server should know."""
    config = snapshot.config
    return (
        *config.warnings,
        *config.retirement_warnings(),
        *_clock_skew(config),
        *_lifetimes(config),
        *_prefixes(config),
        *_signing_key(snapshot),
        *_cross_origin(config),
        *_proxies(snapshot.http),
        *_cache(config),
        *_not_in_this_version(config),
    )


def _clock_skew(config: Config) -> Iterator[str]:
    configured_ns = config.duration_ns("credentials.clock_skew")
    if configured_ns > MAX_CLOCK_SKEW_NS:
        yield "credentials.clock_skew is above 10m and acts as 10m"
    if configured_ns == 0:
        minutes = DEFAULT_CLOCK_SKEW_NS // 60_000_000_000
        yield f"credentials.clock_skew is zero and acts as {minutes}m"


def _lifetimes(config: Config) -> Iterator[str]:
    longest_ns = config.duration_ns("credentials.api_keys.max_ttl")
    for path in ("credentials.api_keys.default_ttl", "credentials.derived_tokens.default_ttl"):
        default_ns = config.optional_duration_ns(path)
        if longest_ns and default_ns is not None and default_ns > longest_ns:
            yield (
                f"{path} is longer than credentials.api_keys.max_ttl: "
                "requests without a ttl are refused"
            )


def _prefixes(config: Config) -> Iterator[str]:
    """Find API keys that would be routed as macaroons (contract 5.6)."""
    for path in _API_KEY_PREFIXES:
        collides = any(
            f"{prefix}_v1_".startswith(f"{macaroon}_v1_")
            for prefix in _texts(config, path)
            for macaroon_path in _MACAROON_PREFIXES
            for macaroon in _texts(config, macaroon_path)
        )
        if collides:
            yield (
                f"{path} collides with credentials.derived_tokens.macaroon.prefix: "
                "such API keys are taken for macaroons and never verify"
            )


def _texts(config: Config, path: str) -> tuple[str, ...]:
    if path.endswith("retired"):
        return config.texts(path)
    text = config.optional_text(path)
    return () if text is None else (text,)


def signing_key_fault(snapshot: Snapshot) -> str | None:
    """Return the fault of a ``signing_key_id`` that names no key that can sign, or None.

    The server starts with it, and says 500 to whoever derives a JSON Web Token (contract 4.13).
    """
    config = snapshot.config
    keys = snapshot.tenant.credentials.signing_keys
    wanted = config.text(SIGNING_KEY_ID)
    if not wanted or any(key.kid == wanted and key.signs for key in keys.keys):
        return None
    setting = schema.settings()[SIGNING_KEY_ID]
    origin = config.origin(SIGNING_KEY_ID)
    variable = setting.variable if origin == "file" else origin
    problem = "names no key that can sign"
    return str(Fault(setting.parts, variable, problem, _signing_key_ids(snapshot)))


def _signing_key_ids(snapshot: Snapshot) -> str:
    keys = snapshot.tenant.credentials.signing_keys.keys
    ids = [key.kid for key in keys if key.signs]
    shown = [kid for kid in ids if _PRINTABLE_KEY_ID.fullmatch(kid)][:_MOST_KEY_IDS]
    more = f" and {len(ids) - len(shown)} more" if len(shown) < len(ids) else ""
    if not ids:
        return f"nothing, since {SIGNING_KEY_URLS} holds no key that can sign"
    return f"the kid of a key under {SIGNING_KEY_URLS}: {', '.join(shown)}{more}"


def _signing_key(snapshot: Snapshot) -> Iterator[str]:
    fault = signing_key_fault(snapshot)
    keys = snapshot.tenant.credentials.signing_keys
    if fault is not None:
        yield f"{fault}; JSON Web Tokens cannot be derived"
    elif snapshot.config.secrets(SIGNING_KEY_URLS) and not any(key.signs for key in keys.keys):
        yield f"{SIGNING_KEY_URLS} holds no key that can sign: JSON Web Tokens cannot be derived"


def _cross_origin(config: Config) -> Iterator[str]:
    cors = "serve.http.cors"
    if (
        config.flag(f"{cors}.enabled")
        and config.flag(f"{cors}.allow_credentials")
        and "*" in config.texts(f"{cors}.allowed_origins")
    ):
        yield (
            f"{cors}.allow_credentials has no effect beside the origin * in allowed_origins: "
            "any site could act with the cookies of its visitors"
        )


def _proxies(http: HttpSettings) -> Iterator[str]:
    """Find headers that strangers may set (contract 16 (41))."""
    proxies = "serve.http.trusted_proxies"
    if http.trusted_proxies.hold_a_family:
        yield f"{proxies} holds every address of a family: each such peer may speak for any caller"
    if http.trusted_proxies:
        return
    for path, counts, header, passes_for in (
        ("client_ip_source", http.client_ip_source not in PEER_SOURCES, "its header", "address"),
        ("trust_forwarded_host", http.trust_forwarded_host, "X-Forwarded-Host", "host"),
    ):
        if counts:
            yield (
                f"serve.http.{path} is set and {proxies} is empty: whoever sends {header} "
                f"passes for any {passes_for}, unless a proxy in front replaces it"
            )


def _cache(config: Config) -> Iterator[str]:
    kind = config.text("cache.type")
    if config.was_set("cache.type") and kind != "noop" and not config.was_set("cache.enabled"):
        yield "cache.type is set and cache.enabled is not: nothing is cached"
    elif config.flag("cache.enabled") and kind == "redis":
        yield "cache.type redis is not in this version: every verification reads the database"


def _not_in_this_version(config: Config) -> Iterator[str]:
    if config.text("rate_limit.backend") == "redis":
        yield (
            "rate_limit.backend redis is not in this version: "
            "rate limits are shown and not enforced"
        )
    if config.flag("tracing.enabled"):
        yield "tracing.enabled: this version writes no traces"
