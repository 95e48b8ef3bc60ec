"""Deleting an imported key (contract 4.10)."""

from talos.domain.events import NOBODY, Requester
from talos.domain.keys import KeyKind
from talos.services import audit
from talos.services.lookup import absence_named, require_key_id
from talos.services.ports import Clock, EventEmitter, KeyCache, KeyRepository
from talos.services.tenant import Tenant


class DeleteService:
    """Removes imported keys; issued keys are kept until long after their revocation."""

    def __init__(
        self, keys: KeyRepository, cache: KeyCache, events: EventEmitter, clock: Clock
    ) -> None:
        """Delete from ``keys`` while ``cache`` is held, tell ``events``."""
        self._keys = keys
        self._cache = cache
        self._events = events
        self._clock = clock

    def delete(self, tenant: Tenant, key_id: str, requester: Requester = NOBODY) -> None:
        """Delete the key whatever its status, and free its ``request_id``.

        Raises ``InvalidRequest`` for the empty id, ``ApiKeyNotFound``, and what the repository
        raises.
        """
        kind = KeyKind.IMPORTED
        require_key_id(kind, key_id)
        with self._cache.hold(tenant.network_id, kind, key_id), absence_named(kind):
            key = self._keys.delete(tenant.network_id, kind, key_id)
        self._events.emit(audit.deleted(key).by(requester))
