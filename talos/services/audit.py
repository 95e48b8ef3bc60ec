"""What each audit event says (contract 11.3), and how often failures may be emitted."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from talos.domain.durations import format_go
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import Key, KeyKind, KeyVisibility, RevocationReason, TokenAlgorithm
from talos.domain.timestamps import rfc3339_seconds
from talos.domain.units import NS_PER_S
from talos.domain.verification import CredentialType
from talos.services.ports import EventEmitter

_log = logging.getLogger(__name__)

_CREATED: Final = {
    KeyKind.ISSUED: EventName.ISSUED_CREATED,
    KeyKind.IMPORTED: EventName.IMPORTED_CREATED,
}
_UPDATED: Final = {
    KeyKind.ISSUED: EventName.ISSUED_UPDATED,
    KeyKind.IMPORTED: EventName.IMPORTED_UPDATED,
}
_REVOKED: Final = {
    KeyKind.ISSUED: EventName.ISSUED_REVOKED,
    KeyKind.IMPORTED: EventName.IMPORTED_REVOKED,
}


def created(key: Key) -> AuditEvent:
    """An issued or imported key was made."""
    prefix = {"APIKeyPrefix": key.token_prefix or ""}
    return _event(_CREATED[key.kind], key, _about(key) | prefix)


def updated(key: Key) -> AuditEvent:
    """A key was updated, or an update changed nothing."""
    return _event(_UPDATED[key.kind], key, _about(key))


def revoked(before: Key, reason: RevocationReason) -> AuditEvent:
    """An administrator revoked a key; ``before`` is its record until then."""
    return _event(_REVOKED[before.kind], before, _about(before) | _reason(reason))


def self_revoked(key: Key, reason: RevocationReason) -> AuditEvent:
    """The holder of a key revoked it."""
    attributes = {"APIKeyID": key.key_id, "metadata.initiated_by": "self"} | _reason(reason)
    if key.kind is KeyKind.IMPORTED:
        attributes["APIKeyPrefix"] = "imported"
    return _event(_REVOKED[key.kind], key, attributes)


def rotated(new: Key, old_before: Key) -> AuditEvent:
    """A key got a successor; ``old_before`` is the old record until then."""
    attributes = _about(new) | {
        "APIKeyPrefix": new.token_prefix or "",
        "Operation": "rotate",
        "metadata.old_key_id": old_before.key_id,
        "metadata.old_expires_at": _expiry(old_before),
    }
    return _event(EventName.ISSUED_ROTATED, new, attributes)


def deleted(key: Key) -> AuditEvent:
    """An imported key was deleted."""
    return _event(EventName.IMPORTED_DELETED, key, _about(key))


def derived(parent: Key, algorithm: TokenAlgorithm, ttl_ns: int) -> AuditEvent:
    """A token was derived from ``parent``."""
    attributes = {
        "APIKeyID": parent.key_id,
        "metadata.algorithm": "macaroon" if algorithm is TokenAlgorithm.MACAROON else "jwt",
        "metadata.ttl": format_go(ttl_ns),
    }
    return _event(EventName.DERIVED_TOKEN, parent, attributes)


def import_failed(
    network_id: str, *, actor_id: str, index: int, error_code: str, message: str
) -> AuditEvent:
    """One item of a batch import failed; ``error_code`` is the full name of the enum."""
    attributes = {
        "KeyType": KeyKind.IMPORTED.value,
        "Reason": message,
        "ActorID": actor_id,
        "metadata.index": str(index),
        "metadata.error_code": error_code,
    }
    return AuditEvent(EventName.IMPORT_FAILED, network_id, _non_empty(attributes))


def verification_failed(
    network_id: str, reason: str, credential_type: CredentialType, key_id: str
) -> AuditEvent:
    """A credential was refused; ``key_id`` is empty unless its checksum or signature was right."""
    attributes = {
        "APIKeyID": key_id,
        "Reason": reason,
        "metadata.credential_type": credential_type.value,
    }
    return AuditEvent(EventName.VERIFICATION_FAILED, network_id, _non_empty(attributes))


class VerificationFailures:
    """Emits events of failed verifications: ten in a window of 60 s for each network.

    A window starts at the first event after the previous one ended. What exceeds it leaves a debug
    log line, and is counted: the next event says how many there were. Each instance has a budget of
    its own. Safe to share between threads.
    """

    BUDGET: Final = 10
    WINDOW_NS: Final = 60 * NS_PER_S

    def __init__(self, events: EventEmitter) -> None:
        """Emit through ``events``."""
        self._events = events
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, int, int]] = {}
        """Start of the window, events emitted in it, and events suppressed since the last one was
        emitted, by network; networks are configured, few.
        """

    def emit(self, failure: AuditEvent, now_ns: int) -> None:
        """Emit the event, or count it and log that the budget is spent."""
        suppressed = self._spend(failure.network_id, now_ns)
        if suppressed is None:
            _log.debug(
                "verification failure event withheld", extra={"network_id": failure.network_id}
            )
            return
        if suppressed:
            attributes = {**failure.attributes, "metadata.suppressed": str(suppressed)}
            failure = replace(failure, attributes=attributes)
        self._events.emit(failure)

    def _spend(self, network_id: str, now_ns: int) -> int | None:
        """Return how many were suppressed before this one, None where it is to be, too."""
        with self._lock:
            start_ns, emitted, suppressed = self._windows.get(network_id, (now_ns, 0, 0))
            if not start_ns <= now_ns < start_ns + self.WINDOW_NS:
                start_ns, emitted = now_ns, 0
            if emitted >= self.BUDGET:
                self._windows[network_id] = (start_ns, emitted, suppressed + 1)
                return None
            self._windows[network_id] = (start_ns, emitted + 1, 0)
            return suppressed


def _about(key: Key) -> dict[str, str]:
    return {
        "APIKeyID": key.key_id,
        "ActorID": key.actor_id,
        "Expiry": _expiry(key),
        "Visibility": "public" if key.visibility is KeyVisibility.PUBLIC else "secret",
    }


def _expiry(key: Key) -> str:
    return "" if key.expires_at_ns is None else rfc3339_seconds(key.expires_at_ns)


def _reason(reason: RevocationReason) -> dict[str, str]:
    if reason is RevocationReason.UNSPECIFIED:
        return {}
    return {"Reason": f"REVOCATION_REASON_{reason.name}"}


def _event(name: EventName, key: Key, attributes: Mapping[str, str]) -> AuditEvent:
    return AuditEvent(
        name, key.network_id, _non_empty(attributes), key=key.ref, actor_id=key.actor_id
    )


def _non_empty(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in attributes.items() if text}
