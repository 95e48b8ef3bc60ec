"""What every derived token must show besides its signature, in the order of contract 6.4."""

from talos.credentials.claims import TokenClaims
from talos.credentials.rejection import TokenRejected
from talos.credentials.secrets import Retired, Secret
from talos.credentials.settings import CredentialSettings
from talos.domain.units import NS_PER_S

_TOKEN_TYPES = ("", "derived")


def accepted_issuers(settings: CredentialSettings, now_ns: int) -> frozenset[str]:
    """Return the current issuer and the retired ones still in force, empty ones left out (5.7)."""
    issuers = {settings.issuer}
    issuers.update(entry.value for entry in settings.issuers_retired if entry.accepted(now_ns))
    issuers.discard("")
    return frozenset(issuers)


def authentic_until_ns(settings: CredentialSettings, now_ns: int) -> int | None:
    """Return until when a token authentic at ``now_ns`` stays so; None for ever (contract 16, 6).

    What is retired only ever falls away as time passes. So under the same settings that holds
    at every earlier time as well, and at every later one before a secret or an issuer that was
    still accepted falls away: even if the clock is set back.
    """
    retired: tuple[Retired[Secret] | Retired[str], ...] = (
        *settings.hmac.retired,
        *settings.issuers_retired,
    )
    ends = (entry.expires_at_ns for entry in retired if entry.accepted(now_ns))
    return min((end for end in ends if end is not None), default=None)


def begun(instant_s: int | None, settings: CredentialSettings, now_ns: int) -> bool:
    """Return whether ``nbf`` or ``iat`` has come, the clock skew granted; absent counts as come."""
    return instant_s is None or now_ns + settings.clock_skew_ns >= instant_s * NS_PER_S


def check_type(claims: TokenClaims) -> None:
    """Raise TokenRejected (INVALID_FORMAT) for a token of another kind. Comes last (6.4)."""
    if claims.tty not in _TOKEN_TYPES:
        raise TokenRejected.token_type()
