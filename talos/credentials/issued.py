"""Issued keys: minting, and the three checks that need no database (contract 5.1, 5.2, 6.2)."""

from talos import _core
from talos.credentials.settings import CredentialSettings
from talos.domain.keys import KeyVisibility
from talos.domain.units import MAX_CLOCK_SKEW_NS, NS_PER_S
from talos.errors import InvalidRequest


def mint(settings: CredentialSettings, visibility: KeyVisibility, key_id: str, now_ns: int) -> str:
    """Make the text of a new key, which is shown once and never stored.

    ``key_id`` is a lower-case hyphenated UUID. UNSPECIFIED visibility acts as SECRET. Raises
    InvalidRequest for PUBLIC when no public prefix is configured (contract 4.1 step 6).
    """
    prefix = public_prefix(settings) if visibility is KeyVisibility.PUBLIC else settings.prefix
    return _core.mint_issued_key(prefix, now_ns // NS_PER_S, key_id, settings.hmac.current.reveal())


def public_prefix(settings: CredentialSettings) -> str:
    """Return the prefix of new PUBLIC keys; raises InvalidRequest when none is configured."""
    if not settings.public_prefix:
        raise InvalidRequest(
            "public keys need credentials.api_keys.prefix.public_current to be configured"
        )
    return settings.public_prefix


def checksum_valid(
    parsed: _core.UnverifiedIssuedKey, settings: CredentialSettings, now_ns: int
) -> bool:
    """Return whether a secret in force made the checksum: the proof of possession."""
    return _core.checksum_valid(parsed, settings.hmac.accepted(now_ns))


def age_valid(parsed: _core.UnverifiedIssuedKey, settings: CredentialSettings, now_ns: int) -> bool:
    """Return whether the embedded time is neither in the future nor older than ``max_ttl``.

    The clock skew counts for at most 10 minutes here; a ``max_ttl`` of 0 sets no limit.
    """
    age_ns = now_ns - parsed.timestamp_s * NS_PER_S
    if age_ns < -min(settings.clock_skew_ns, MAX_CLOCK_SKEW_NS):
        return False
    return settings.max_ttl_ns <= 0 or age_ns <= settings.max_ttl_ns


def prefix_allowed(parsed: _core.UnverifiedIssuedKey, settings: CredentialSettings) -> bool:
    """Return whether the prefix is a current or retired one, of either visibility."""
    return (
        parsed.prefix in (settings.prefix, settings.public_prefix)
        or parsed.prefix in settings.prefixes_retired
        or parsed.prefix in settings.public_prefixes_retired
    )
