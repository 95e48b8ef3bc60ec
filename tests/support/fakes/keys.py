"""A key repository in a dictionary; tests/integration holds it to the rules of the SQL one."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from talos.domain.events import AuditEvent
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus
from talos.errors import ApiKeyExists, ApiKeyNotFound, QuotaExceeded, TalosError
from talos.services.ports import BatchInserted, Change, Changed, Inserted, UnreadableRow


class InMemoryKeys:
    """Implements ``services.ports.KeyRepository``.

    ``trouble`` is raised by every method while it is set. ``after_read`` runs once when a reader
    has its row and has not yet returned it, ``before_commit`` and ``after_commit`` once around the
    next change: what another process does in between. Rows named in ``broken`` cannot be decoded.
    """

    def __init__(self) -> None:
        self.rows: dict[KeyRef, Key] = {}
        self.events: list[AuditEvent] = []
        self.reads = 0
        self.trouble: TalosError | None = None
        self.after_read: Callable[[], None] | None = None
        self.before_commit: Callable[[], None] | None = None
        self.after_commit: Callable[[], None] | None = None
        self.broken: set[str] = set()
        self._lock = threading.RLock()

    def insert(
        self, key: Key, *, quota: int, now_ns: int, event: AuditEvent | None = None
    ) -> Inserted:
        self._fail()
        with self._lock:
            replayed = self._by_request_id(key)
            if replayed is not None:
                return Inserted(replayed, created=False)
            if quota > 0 and self._living(key.network_id, now_ns) >= quota:
                raise QuotaExceeded
            if key.ref in self.rows:
                raise ApiKeyExists
            self.rows[key.ref] = key
            self.events += [] if event is None else [event]
            return Inserted(key, created=True)

    def is_full(self, network_id: str, *, quota: int, now_ns: int) -> bool:
        self._fail()
        return self._living(network_id, now_ns) >= quota

    def insert_batch(
        self, keys: Sequence[Key], *, quota: int, now_ns: int, events: Sequence[AuditEvent] = ()
    ) -> BatchInserted:
        self._fail()
        with self._lock:
            headroom = len(keys)
            if quota > 0 and keys:
                headroom = max(quota - self._living(keys[0].network_id, now_ns), 0)
            existing = frozenset(
                position for position, key in enumerate(keys[:headroom]) if key.ref in self.rows
            )
            for position, key in enumerate(keys[:headroom]):
                if position not in existing:
                    self.rows[key.ref] = key
                    self.events += events[position : position + 1]
            return BatchInserted(existing, frozenset(range(headroom, len(keys))))

    def get(self, ref: KeyRef) -> Key | None:
        self._fail()
        self.reads += 1
        row = self.rows.get(ref)
        self._interleave("after_read")
        return row

    def get_many(
        self, network_id: str, kind: KeyKind, key_ids: Collection[str]
    ) -> Mapping[str, Key | UnreadableRow]:
        self._fail()
        self.reads += 1
        found: dict[str, Key | UnreadableRow] = {}
        for key_id in key_ids:
            row = self.rows.get(KeyRef(network_id, kind, key_id))
            if key_id in self.broken:
                found[key_id] = UnreadableRow(key_id)
            elif row is not None:
                found[key_id] = row
        self._interleave("after_read")
        return found

    def change(self, ref: KeyRef, change: Callable[[Key], Change]) -> Changed:
        self._fail()
        with self._lock:
            try:
                before = self.rows[ref]
            except KeyError:
                raise ApiKeyNotFound from None
            wanted = change(before)
            if wanted.successor is not None and wanted.successor.ref in self.rows:
                raise ApiKeyExists
            self._interleave("before_commit")
            after = before
            if wanted.key is None:
                del self.rows[ref]
            else:
                after = _with_identity_of(before, wanted.key)
                self.rows[ref] = after
            if wanted.successor is not None:
                self.rows[wanted.successor.ref] = wanted.successor
            self.events += wanted.events
            self._interleave("after_commit")
            return Changed(before, after, wanted.events)

    def list_page(
        self,
        network_id: str,
        kind: KeyKind,
        *,
        limit: int,
        before_id: str | None,
        actor_id: str | None,
        status: KeyStatus | None,
        now_ns: int,
    ) -> Sequence[Key]:
        self._fail()
        rows = [
            row
            for row in self.rows.values()
            if (row.network_id, row.kind) == (network_id, kind)
            and (before_id is None or row.key_id.encode() < before_id.encode())
            and (actor_id is None or row.actor_id == actor_id)
            and (status is None or row.shown_status(now_ns) is status)
        ]
        return sorted(rows, key=lambda row: row.key_id.encode(), reverse=True)[:limit]

    def mark_used(self, network_id: str, kind: KeyKind, uses: Mapping[str, int]) -> None:
        self._fail()
        with self._lock:
            for key_id, used_at_ns in uses.items():
                row = self.rows.get(KeyRef(network_id, kind, key_id))
                if row is None:
                    continue
                if row.status is KeyStatus.REVOKED:
                    used_at_ns = min(used_at_ns, row.updated_at_ns)
                told_ns = max(used_at_ns, row.last_used_at_ns or used_at_ns)
                self.rows[row.ref] = replace(row, last_used_at_ns=told_ns)

    def put(self, key: Key) -> None:
        """Write a row behind everybody's back."""
        self.rows[key.ref] = key

    def _by_request_id(self, key: Key) -> Key | None:
        if key.request_id is None:
            return None
        for row in self.rows.values():
            if (row.network_id, row.kind, row.request_id) == (
                key.network_id,
                key.kind,
                key.request_id,
            ):
                return row
        return None

    def _living(self, network_id: str, now_ns: int) -> int:
        """Number of keys that can still verify (contract 16 (23))."""
        return sum(
            row.network_id == network_id and row.shown_status(now_ns) is KeyStatus.ACTIVE
            for row in self.rows.values()
        )

    def _interleave(self, point: str) -> None:
        interruption = getattr(self, point)
        setattr(self, point, None)
        if interruption is not None:
            interruption()

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def _with_identity_of(old: Key, new: Key) -> Key:
    return replace(
        new,
        network_id=old.network_id,
        kind=old.kind,
        key_id=old.key_id,
        created_at_ns=old.created_at_ns,
        last_used_at_ns=old.last_used_at_ns,
    )
