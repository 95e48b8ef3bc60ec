"""The verdict on a credential, and what a caller may say about how it is reached (contract 6)."""

import enum
from dataclasses import dataclass

from talos.domain.keys import KeyStatus, KeyVisibility, Metadata, RateLimitPolicy


class VerificationErrorCode(enum.Enum):
    """Why a credential is not valid; printed with the prefix ``VERIFICATION_ERROR_`` (2.3)."""

    INVALID_FORMAT = "INVALID_FORMAT"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    NOT_FOUND = "NOT_FOUND"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    INTERNAL = "INTERNAL"
    IP_NOT_ALLOWED = "IP_NOT_ALLOWED"
    RATE_LIMITED = "RATE_LIMITED"
    AUDIENCE_MISMATCH = "AUDIENCE_MISMATCH"


class CredentialType(enum.Enum):
    """Telemetry label of a credential's shape (5.6)."""

    JWT = "derived_jwt"
    MACAROON = "derived_macaroon"
    ISSUED = "issued"
    IMPORTED = "imported"


class CacheOutcome(enum.Enum):
    """Value of the ``Ory-Talos-Cache`` response header (6.8)."""

    HIT = "HIT"
    MISS = "MISS"
    SKIP = "SKIP"


class CacheDirective(enum.Enum):
    """What the request allows the cache to do (6.8)."""

    DEFAULT = "default"
    NO_CACHE = "no-cache"
    """Skip the read, still write."""
    NO_STORE = "no-store"
    """Skip the read and the write."""


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """What the limiter said about one admitted or refused call (6.7)."""

    allowed: bool
    remaining: int
    reset_at_ns: int


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict. ``error`` is None exactly when the credential is valid.

    A failed verification carries nothing of the key, except RATE_LIMITED, which keeps every field
    (6.7). ``restricted`` tells that the credential is good for some callers or some calls only: it
    has an address list, a derived token's ``acl`` included, or a policy that a limiter counts, even
    while limits are switched off. Such answers are marked ``Cache-Control: no-store``.
    """

    error: VerificationErrorCode | None
    message: str = ""
    key_id: str = ""
    actor_id: str = ""
    issuer: str = ""
    scopes: tuple[str, ...] = ()
    expires_at_ns: int | None = None
    metadata: Metadata | None = None
    visibility: KeyVisibility = KeyVisibility.UNSPECIFIED
    status: KeyStatus = KeyStatus.UNSPECIFIED
    audiences: tuple[str, ...] = ()
    rate_limit: RateLimitPolicy | None = None
    limit_state: RateLimitState | None = None
    restricted: bool = False

    @property
    def is_valid(self) -> bool:
        """Whether the credential is good."""
        return self.error is None
