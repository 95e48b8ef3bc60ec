"""What a key is: the values that every part of the server speaks about.

Times are integers in nanoseconds since the Unix epoch (UTC), durations are integers in the unit
their name ends with. Nothing here is secret: a key's secret is never part of its record.
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple, NewType

NIL_NETWORK = "00000000-0000-0000-0000-000000000000"
"""The network of a single-tenant server (contract 9)."""

Metadata = NewType("Metadata", str)
"""Compact JSON text of an object, kept exactly as the caller sent it (contract 16, 17).

It is text, not a dict, because nothing between the wire and the database looks inside: the text
that was checked on the way in is the text that is stored and sent back.
"""

NO_METADATA = Metadata("{}")


class KeyKind(enum.Enum):
    """Which of the two tables a key lives in. The values are telemetry labels (contract 5.6)."""

    ISSUED = "issued"
    IMPORTED = "imported"


class KeyRef(NamedTuple):
    """Which key: no key can be named without its network."""

    network_id: str
    kind: KeyKind
    key_id: str


class KeyStatus(enum.IntEnum):
    """Contract 2.3. EXPIRED is computed on read and never stored (contract 16, 9)."""

    UNSPECIFIED = 0
    ACTIVE = 1
    REVOKED = 2
    EXPIRED = 3


class KeyVisibility(enum.IntEnum):
    """Contract 2.3. UNSPECIFIED acts as SECRET wherever a key is made."""

    UNSPECIFIED = 0
    SECRET = 1
    PUBLIC = 2


class RevocationReason(enum.IntEnum):
    """Contract 2.3."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    AFFILIATION_CHANGED = 2
    SUPERSEDED = 3
    PRIVILEGE_WITHDRAWN = 4


class TokenAlgorithm(enum.IntEnum):
    """Contract 2.3. UNSPECIFIED acts as JWT."""

    UNSPECIFIED = 0
    JWT = 1
    MACAROON = 2


@dataclass(frozen=True, slots=True)
class RateLimitPolicy:
    """At most ``quota`` requests in any ``window_s`` seconds (contract 6.7)."""

    quota: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Key:
    """The stored record of an issued or imported key (contract 2.3, 8.6).

    ``status`` is the stored one: ACTIVE or REVOKED. What a client is shown is ``shown_status``.
    ``expires_at_ns`` is None only for rows adopted from elsewhere; such a key never expires.
    """

    kind: KeyKind
    network_id: str
    key_id: str
    name: str
    actor_id: str
    scopes: tuple[str, ...]
    metadata: Metadata
    status: KeyStatus
    visibility: KeyVisibility
    created_at_ns: int
    updated_at_ns: int
    expires_at_ns: int | None
    last_used_at_ns: int | None = None
    rate_limit: RateLimitPolicy | None = None
    allowed_cidrs: tuple[str, ...] = ()
    revocation_reason: RevocationReason = RevocationReason.UNSPECIFIED
    revocation_description: str | None = None
    request_id: str | None = None
    token_prefix: str | None = None
    """The prefix an issued key was made with; None for an imported one."""

    @property
    def ref(self) -> KeyRef:
        """Which key it is the record of."""
        return KeyRef(self.network_id, self.kind, self.key_id)

    def expired(self, now_ns: int) -> bool:
        """Return whether the expiry has passed; the very instant still counts as alive (6.2)."""
        return self.expires_at_ns is not None and now_ns > self.expires_at_ns

    def shown_status(self, now_ns: int) -> KeyStatus:
        """Status as a client is shown it: revoked beats expired beats active (contract 16, 9)."""
        if self.status is KeyStatus.ACTIVE and self.expired(now_ns):
            return KeyStatus.EXPIRED
        return self.status
