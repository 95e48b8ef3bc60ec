"""Deleting an imported key (contract 4.10)."""

from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyKind, KeyRef
from talos.services import audit
from talos.services.lookup import require_key_id
from talos.services.ports import Change, Clock
from talos.services.tenant import Tenant
from talos.services.writes import KeyWriter, Occasion


class DeleteService:
    """Removes imported keys; issued keys are kept until long after their revocation."""

    def __init__(self, writer: KeyWriter, clock: Clock) -> None:
        """Delete through ``writer``."""
        self._writer = writer
        self._clock = clock

    def delete(self, tenant: Tenant, key_id: str, requester: Requester = NOBODY) -> None:
        """Delete the key whatever its status, and free its ``request_id``.

        Raises ``InvalidRequest`` for the empty id, ``ApiKeyNotFound``, and what the repository
        raises.
        """
        require_key_id(KeyKind.IMPORTED, key_id)

        def remove(key: Key) -> Change:
            return Change(None, (audit.deleted(key),))

        ref = KeyRef(tenant.network_id, KeyKind.IMPORTED, key_id)
        self._writer.change(ref, remove, Occasion(self._clock.now_ns(), requester))
