"""Audit events (contract 11.3): what happened to which key, never a secret."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self


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
    """By which request something happened, and whose: fit to be logged.

    ``address`` is the client's as far as it is known. Both are empty where there was no request.
    """

    request_id: str = ""
    address: str = ""


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

    def by(self, requester: Requester) -> Self:
        """Return the event as caused by a request."""
        return replace(self, requester=requester)
