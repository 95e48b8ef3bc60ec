"""Which credentials stop verifying when a reload takes values away (contract 5.7).

A value that is replaced goes on counting only where its list of retired values names it. Whoever
forgets that loses credentials, at once and in every worker: so the log says what an edit has done.
"""

from collections.abc import Iterator
from typing import Final

from talos.credentials.settings import CredentialSettings

_MADE_WITH_IT: Final = (
    "issued keys and macaroons made with it no longer verify, and its page tokens"
)


def warnings(before: CredentialSettings, after: CredentialSettings, now_ns: int) -> tuple[str, ...]:
    """Return a line for each value that counted under ``before`` and does not under ``after``."""
    return (
        *_secrets(before, after, now_ns),
        *_issuers(before, after, now_ns),
        *_prefixes(before, after),
        *_signing_keys(before, after),
        *_age(before, after),
    )


def _secrets(before: CredentialSettings, after: CredentialSettings, now_ns: int) -> Iterator[str]:
    current, *retired = before.hmac.accepted(now_ns)
    accepted = after.hmac.accepted(now_ns)
    if current not in accepted:
        yield (
            "secrets.hmac.current was replaced, and the earlier secret is not in "
            f"secrets.hmac.retired: {_MADE_WITH_IT} are refused"
        )
    if any(secret not in accepted for secret in retired):
        yield (
            "secrets.hmac.retired no longer holds a secret that still counted: "
            f"{_MADE_WITH_IT} are refused"
        )


def _issuers(before: CredentialSettings, after: CredentialSettings, now_ns: int) -> Iterator[str]:
    accepted = {after.issuer, *_counting_issuers(after, now_ns)}
    if before.issuer not in accepted:
        yield (
            "credentials.issuer was replaced, and the earlier one is not in "
            "credentials.issuer_retired: tokens derived under it no longer verify"
        )
    if _counting_issuers(before, now_ns) - accepted:
        yield (
            "credentials.issuer_retired no longer holds an issuer that still counted: "
            "tokens derived under it no longer verify"
        )


def _counting_issuers(settings: CredentialSettings, now_ns: int) -> set[str]:
    return {entry.value for entry in settings.issuers_retired if entry.accepted(now_ns)}


def _prefixes(before: CredentialSettings, after: CredentialSettings) -> Iterator[str]:
    if _key_prefixes(before) - _key_prefixes(after):
        yield (
            "credentials.api_keys.prefix no longer holds a prefix, current or retired, that still "
            "counted: issued keys that begin with it no longer verify"
        )
    if _macaroon_prefixes(before) - _macaroon_prefixes(after):
        yield (
            "credentials.derived_tokens.macaroon.prefix no longer holds a prefix, current or "
            "retired, that still counted: macaroons that begin with it no longer verify"
        )


def _key_prefixes(settings: CredentialSettings) -> set[str]:
    public = {settings.public_prefix} if settings.public_prefix else set()
    retired = {*settings.prefixes_retired, *settings.public_prefixes_retired}
    return {settings.prefix, *public, *retired}


def _macaroon_prefixes(settings: CredentialSettings) -> set[str]:
    return {settings.macaroon_prefix, *settings.macaroon_prefixes_retired}


def _signing_keys(before: CredentialSettings, after: CredentialSettings) -> Iterator[str]:
    kept = _verifying_keys(after)
    if any(key not in kept for key in _verifying_keys(before)):
        yield (
            "credentials.derived_tokens.jwt.signing_keys.urls no longer holds a key that verified: "
            "JSON Web Tokens signed with it no longer verify"
        )


def _verifying_keys(settings: CredentialSettings) -> list[dict[str, object] | None]:
    return [key.public_jwk() for key in settings.signing_keys.keys if key.verifies]


def _age(before: CredentialSettings, after: CredentialSettings) -> Iterator[str]:
    if after.max_ttl_ns and (not before.max_ttl_ns or after.max_ttl_ns < before.max_ttl_ns):
        yield (
            "credentials.api_keys.max_ttl was shortened: issued keys that are older than it no "
            "longer verify"
        )
