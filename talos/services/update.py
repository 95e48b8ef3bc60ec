"""Updating a key (contract 4.4, 4.9)."""

from collections.abc import Sequence

from talos.domain import rules
from talos.domain.drafts import KeyChange
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyKind
from talos.domain.masks import covered_fields, updated
from talos.services import audit
from talos.services.issue import shown
from talos.services.lookup import absence_named, require_key_id
from talos.services.ports import Clock, EventEmitter, KeyCache, KeyRepository
from talos.services.tenant import Tenant


class UpdateService:
    """Changes what may change of a key: name, scopes, metadata, rate limit and allowlist."""

    def __init__(
        self, keys: KeyRepository, cache: KeyCache, events: EventEmitter, clock: Clock
    ) -> None:
        """Write to ``keys`` while ``cache`` is held, tell ``events``."""
        self._keys = keys
        self._cache = cache
        self._events = events
        self._clock = clock

    def update(
        self,
        tenant: Tenant,
        kind: KeyKind,
        key_id: str,
        change: KeyChange,
        mask: Sequence[str] | None,
        requester: Requester = NOBODY,
    ) -> Key:
        """Update a key of any status and return it.

        ``mask`` holds the paths of ``update_mask`` as sent, None where the parameter was absent.
        Raises, in this order, ``InvalidRequest`` for a broken field rule and for an unknown path,
        ``ApiKeyNotFound``, ``InvalidRequest`` for metadata that is too large and for a malformed
        CIDR where the update covers them, and what the repository raises.
        """
        rules.raise_for(rules.change(change))
        fields = covered_fields(change, mask)
        require_key_id(kind, key_id)
        now_ns = self._clock.now_ns()

        def apply(key: Key) -> Key:
            if "metadata" in fields:
                rules.raise_for(rules.metadata(change.metadata))
            if "ip_restriction" in fields:
                rules.raise_for(rules.cidr_syntax(change.allowed_cidrs or ()))
            return updated(key, change, fields, now_ns)

        with self._cache.hold(tenant.network_id, kind, key_id), absence_named(kind):
            key = self._keys.change(tenant.network_id, kind, key_id, apply)
        self._events.emit(audit.updated(key).by(requester))
        return shown(key, now_ns)
