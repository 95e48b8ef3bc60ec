"""A key repository in a dictionary; tests/integration holds it to the rules of the SQL one."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from talos.domain.keys import Key, KeyKind, KeyStatus
from talos.errors import ApiKeyExists, ApiKeyNotFound, QuotaExceeded, TalosError
from talos.services.ports import BatchInserted, Inserted, InternalFault, Rotated

Name = tuple[str, KeyKind, str]


class InMemoryKeys:
    """Implements ``services.ports.KeyRepository``.

    ``trouble`` is raised by every method while it is set. ``after_read`` runs once when a reader
    has its row and has not yet returned it, ``before_commit`` and ``after_commit`` once around the
    next change: what another process does in between. Rows named in ``broken`` cannot be decoded.
    """

    def __init__(self) -> None:
        self.rows: dict[Name, Key] = {}
        self.reads = 0
        self.trouble: TalosError | None = None
        self.after_read: Callable[[], None] | None = None
        self.before_commit: Callable[[], None] | None = None
        self.after_commit: Callable[[], None] | None = None
        self.broken: set[str] = set()
        self._lock = threading.RLock()

    def insert(self, key: Key, *, quota: int, now_ns: int) -> Inserted:
        self._fail()
        with self._lock:
            replayed = self._by_request_id(key)
            if replayed is not None:
                return Inserted(replayed, created=False)
            if quota > 0 and self._living(key.network_id, now_ns) >= quota:
                raise QuotaExceeded
            if _name(key) in self.rows:
                raise ApiKeyExists
            self.rows[_name(key)] = key
            return Inserted(key, created=True)

    def is_full(self, network_id: str, *, quota: int, now_ns: int) -> bool:
        self._fail()
        return self._living(network_id, now_ns) >= quota

    def insert_batch(self, keys: Sequence[Key], *, quota: int, now_ns: int) -> BatchInserted:
        self._fail()
        with self._lock:
            headroom = len(keys)
            if quota > 0 and keys:
                headroom = max(quota - self._living(keys[0].network_id, now_ns), 0)
            existing = frozenset(
                position for position, key in enumerate(keys[:headroom]) if _name(key) in self.rows
            )
            for position, key in enumerate(keys[:headroom]):
                if position not in existing:
                    self.rows[_name(key)] = key
            return BatchInserted(existing, frozenset(range(headroom, len(keys))))

    def get(self, network_id: str, kind: KeyKind, key_id: str) -> Key | None:
        self._fail()
        self.reads += 1
        row = self.rows.get((network_id, kind, key_id))
        self._interleave("after_read")
        return row

    def get_many(
        self, network_id: str, kind: KeyKind, key_ids: Collection[str]
    ) -> Mapping[str, Key | InternalFault]:
        self._fail()
        self.reads += 1
        found: dict[str, Key | InternalFault] = {}
        for key_id in key_ids:
            row = self.rows.get((network_id, kind, key_id))
            if key_id in self.broken:
                found[key_id] = InternalFault(key_id)
            elif row is not None:
                found[key_id] = row
        self._interleave("after_read")
        return found

    def change(
        self, network_id: str, kind: KeyKind, key_id: str, change: Callable[[Key], Key]
    ) -> Key:
        self._fail()
        with self._lock:
            old = self._row(network_id, kind, key_id)
            return self._write(old, change(old))

    def rotate(
        self, network_id: str, key_id: str, succeed: Callable[[Key], tuple[Key, Key]]
    ) -> Rotated:
        self._fail()
        with self._lock:
            old = self._row(network_id, KeyKind.ISSUED, key_id)
            new, old_after = succeed(old)
            if _name(new) in self.rows:
                raise ApiKeyExists
            return Rotated(new, old, self._write(old, old_after, new))

    def delete(self, network_id: str, kind: KeyKind, key_id: str) -> Key:
        self._fail()
        with self._lock:
            row = self._row(network_id, kind, key_id)
            self._interleave("before_commit")
            del self.rows[_name(row)]
            self._interleave("after_commit")
            return row

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
                row = self.rows.get((network_id, kind, key_id))
                if row is None:
                    continue
                if row.status is KeyStatus.REVOKED:
                    used_at_ns = min(used_at_ns, row.updated_at_ns)
                told_ns = max(used_at_ns, row.last_used_at_ns or used_at_ns)
                self.rows[_name(row)] = replace(row, last_used_at_ns=told_ns)

    def put(self, key: Key) -> None:
        """Write a row behind everybody's back."""
        self.rows[_name(key)] = key

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

    def _row(self, network_id: str, kind: KeyKind, key_id: str) -> Key:
        try:
            return self.rows[network_id, kind, key_id]
        except KeyError:
            raise ApiKeyNotFound from None

    def _write(self, old: Key, new: Key, successor: Key | None = None) -> Key:
        written = replace(
            new,
            network_id=old.network_id,
            kind=old.kind,
            key_id=old.key_id,
            created_at_ns=old.created_at_ns,
            last_used_at_ns=old.last_used_at_ns,
        )
        self._interleave("before_commit")
        self.rows[_name(written)] = written
        if successor is not None:
            self.rows[_name(successor)] = successor
        self._interleave("after_commit")
        return written

    def _interleave(self, point: str) -> None:
        interruption = getattr(self, point)
        setattr(self, point, None)
        if interruption is not None:
            interruption()

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def _name(key: Key) -> Name:
    return (key.network_id, key.kind, key.key_id)
