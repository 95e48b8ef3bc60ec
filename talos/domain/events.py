"""Audit events (contract 11.3): what happened to which key, never a secret."""

import enum
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from talos.domain.keys import Key, KeyRef


class EventName(enum.Enum):
    """Names of the contract, byte for byte."""

    ISSUED_CREATED = "IssuedAPIKeyCreated"
    IMPORTED_CREATED = "ImportedAPIKeyCreated"
    ISSUED_UPDATED = "IssuedAPIKeyUpdated"
    IMPORTED_UPDATED = "ImportedAPIKeyUpdated"
    ISSUED_REVOKED = "IssuedAPIKeyRevoked"
    IMPORTED_REVOKED = "ImportedAPIKeyRevoked"
    ISSUED_ROTATED = "IssuedAPIKeyRotated"
    IMPORTED_DELETED = "ImportedAPIKeyDeleted"
    DERIVED_TOKEN = "APIKeyDerivedToken"  # noqa: S105  (an event's name, not a secret)
    IMPORT_FAILED = "APIKeyImportFailed"
    VERIFICATION_FAILED = "APIKeyVerificationFailed"


@dataclass(frozen=True, slots=True)
class Requester:
    """By which request something happened, and whose: fit to be logged and stored.

    ``address`` is the client's, and ``caller`` says who that is, each as far as it is known. All
    are empty where there was no request.
    """

    request_id: str = ""
    address: str = ""
    caller: str = ""
    user_agent: str = ""


NOBODY: Final = Requester()


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event; ``attributes`` under the names of contract 11.3, empty ones left out.

    ``ProjectID`` is not among them: emitters write ``network_id`` under that name.
    """

    name: EventName
    network_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    requester: Requester = NOBODY
    key: KeyRef | None = None
    """The key that it is about, None where there is none or it is not known."""
    actor_id: str = ""
    """That key's actor."""
    changed: tuple[str, ...] = ()
    """Which members of the key were changed, by their names on the wire."""
    time_ns: int = 0

    def by(self, requester: Requester) -> Self:
        """Return the event as caused by a request."""
        return replace(self, requester=requester)


def event_id(time_ns: int) -> str:
    """Return a new id, a UUID of version 7 (RFC 9562, 5.7): as text they sort by their time."""
    ms, rest_ns = divmod(time_ns, 1_000_000)
    # Section 6.2, method 3: the part of the millisecond stands before what is random.
    number = (ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (rest_ns * 4096 // 1_000_000) << 64
    return str(uuid.UUID(int=number | 0b10 << 62 | secrets.randbits(62)))


_MEMBERS: Final = {
    "name": "name",
    "scopes": "scopes",
    "metadata": "metadata",
    "rate_limit": "rate_limit_policy",
    "allowed_cidrs": "ip_restriction",
    "visibility": "visibility",
    "status": "status",
    "expires_at_ns": "expire_time",
    "revocation_reason": "revocation_reason",
    "revocation_description": "revocation_description",
}


def changed_members(before: Key, after: Key) -> tuple[str, ...]:
    """Return the names of the members that differ; times and identities that always do aside."""
    return tuple(
        member for name, member in _MEMBERS.items() if getattr(before, name) != getattr(after, name)
    )
