"""Updating a key (contract 4.4, 4.9)."""

from collections.abc import Sequence

from talos.domain import rules
from talos.domain.drafts import KeyChange
from talos.domain.events import NOBODY, Requester
from talos.domain.keys import Key, KeyKind, KeyRef
from talos.domain.masks import covered_fields, updated
from talos.services import audit
from talos.services.issue import shown
from talos.services.lookup import require_key_id
from talos.services.ports import Change, Clock
from talos.services.tenant import Tenant
from talos.services.writes import KeyWriter, Occasion


class UpdateService:
    """Changes what may change of a key: name, scopes, metadata, rate limit and allowlist."""

    def __init__(self, writer: KeyWriter, clock: Clock) -> None:
        """Write through ``writer``."""
        self._writer = writer
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

        def apply(key: Key) -> Change:
            if "metadata" in fields:
                rules.raise_for(rules.metadata(change.metadata))
            if "ip_restriction" in fields:
                rules.raise_for(rules.cidr_syntax(change.allowed_cidrs or ()))
            new = updated(key, change, fields, now_ns)
            return Change(new, (audit.updated(new),))

        ref = KeyRef(tenant.network_id, kind, key_id)
        changed = self._writer.change(ref, apply, Occasion(now_ns, requester))
        return shown(changed.after, now_ns)
