"""Keys in SQL: ``KeyRepository`` of ``talos.services.ports``, which states the contracts."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql.bulkheads import Bulkheads
from talos.adapters.sql.event_log import append
from talos.adapters.sql.health import DatabaseHealth
from talos.adapters.sql.key_statements import (
    INSERT,
    UPDATE,
    by_id,
    by_ids,
    delete_by_ref,
    mark_used,
)
from talos.adapters.sql.last_statements import write_last
from talos.adapters.sql.paging import PageQuery, count_live, read_page
from talos.adapters.sql.rows import (
    RowDecodeError,
    decode,
    encode,
    encode_change,
    key_columns,
    with_identity_of,
)
from talos.adapters.sql.tables import (
    KEY_ID_LENGTHS,
    KEY_TABLES,
    NAME_LENGTH,
    NETWORK_ID_LENGTH,
    REQUEST_ID_LENGTH,
    networks,
)
from talos.adapters.sql.transactions import Transactions
from talos.domain.events import AuditEvent
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus
from talos.errors import ApiKeyExists, ApiKeyNotFound, InternalError, QuotaExceeded
from talos.services.ports import BatchInserted, Change, Changed, Inserted, UnreadableRow

_ROUNDS: Final = 8
"""How often an insert starts over when others keep making and removing the row in its way."""
_IDS_PER_STATEMENT: Final = 500

_logger = logging.getLogger(__name__)


class SqlKeyRepository:
    """The keys of all networks in one database. Safe for use by many threads."""

    def __init__(
        self,
        engine: Engine,
        bulkheads: Bulkheads | None = None,
        health: DatabaseHealth | None = None,
    ) -> None:
        """Use ``engine``, which stays the caller's to dispose of, within ``bulkheads`` if given."""
        self._transactions = Transactions(
            engine,
            reading_bulkhead=bulkheads.reading if bulkheads else None,
            writing_bulkhead=bulkheads.writing if bulkheads else None,
            health=health,
        )
        self._by_id = {kind: by_id(kind) for kind in KeyKind}
        self._by_id_locked = {
            kind: statement.with_for_update() for kind, statement in self._by_id.items()
        }
        self._mark_used = {kind: mark_used(kind) for kind in KeyKind}

    def insert(
        self, key: Key, *, quota: int, now_ns: int, event: AuditEvent | None = None
    ) -> Inserted:
        """See ``KeyRepository.insert``."""
        for _ in range(_ROUNDS):
            inserted = self._transactions.write(
                "create API key",
                lambda connection: _insert(connection, key, event, quota, now_ns),
                on_conflict=lambda: None,
            )
            if inserted is None:
                inserted = self._transactions.read(
                    "create API key", lambda connection: self._in_the_way(connection, key)
                )
            if inserted is not None:
                return inserted
        raise InternalError("create API key")

    def is_full(self, network_id: str, *, quota: int, now_ns: int) -> bool:
        """See ``KeyRepository.is_full``."""
        return self._transactions.read(
            "count API keys",
            lambda connection: _live_keys(connection, network_id, now_ns, quota) >= quota,
        )

    def insert_batch(
        self, keys: Sequence[Key], *, quota: int, now_ns: int, events: Sequence[AuditEvent] = ()
    ) -> BatchInserted:
        """See ``KeyRepository.insert_batch``. The keys are of one network and one kind."""
        if not keys:
            return BatchInserted(frozenset(), frozenset())
        for _ in range(_ROUNDS):
            inserted = self._transactions.write(
                "create API keys",
                lambda connection: _insert_batch(connection, keys, events, quota, now_ns),
                # Another transaction made one of the keys: the next round sees it.
                on_conflict=lambda: None,
            )
            if inserted is not None:
                return inserted
        raise InternalError("create API keys")

    def get(self, ref: KeyRef) -> Key | None:
        """See ``KeyRepository.get``."""
        if not _addressable(ref):
            return None
        parameters = {"network": ref.network_id, "key": ref.key_id}
        row = self._transactions.read(
            "read API key",
            lambda connection: connection.execute(self._by_id[ref.kind], parameters).first(),
        )
        return None if row is None else _decoded(ref.kind, row, "read API key")

    def get_many(
        self, network_id: str, kind: KeyKind, key_ids: Collection[str]
    ) -> Mapping[str, Key | UnreadableRow]:
        """See ``KeyRepository.get_many``."""
        refs = [KeyRef(network_id, kind, key_id) for key_id in set(key_ids)]
        wanted = [ref.key_id for ref in refs if _addressable(ref)]
        try:
            rows = self._transactions.read(
                "read API keys",
                lambda connection: [
                    row
                    for some in _portions(wanted)
                    for row in connection.execute(by_ids(network_id, kind, some))
                ],
            )
        except InternalError:
            # One row that the driver cannot read must not take the others with it.
            return {
                key_id: found
                for key_id in wanted
                if (found := self._get_or_unreadable(KeyRef(network_id, kind, key_id))) is not None
            }
        return {row.key_id: _decoded_or_unreadable(kind, row) for row in rows}

    def change(self, ref: KeyRef, change: Callable[[Key], Change]) -> Changed:
        """See ``KeyRepository.change``."""
        inserts = False

        def work(connection: Connection) -> Changed:
            nonlocal inserts
            before = self._locked(connection, ref)
            wanted = change(before)
            after = before
            inserts = wanted.successor is not None
            if wanted.successor is not None:
                write_last(connection, INSERT[ref.kind], [encode(wanted.successor)])
            if wanted.key is None:
                connection.execute(delete_by_ref(ref))
            else:
                after = with_identity_of(before, wanted.key)
                _write(connection, after)
            append(connection, wanted.events)
            return Changed(before, after, wanted.events)

        def refused() -> Changed:
            # Without a successor no id can be taken: the database does not accept the record.
            raise ApiKeyExists if inserts else InternalError("change API key")

        return self._transactions.write("change API key", work, on_conflict=refused)

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
        """See ``KeyRepository.list_page``; how the cost is bounded stands in ``paging``."""
        lookups = [(network_id, NETWORK_ID_LENGTH)]
        if before_id is not None:
            lookups.append((before_id, max(KEY_ID_LENGTHS.values())))
        if actor_id is not None:
            lookups.append((actor_id, NAME_LENGTH))
        if not all(_storable(text, length) for text, length in lookups):
            return ()
        query = PageQuery(network_id, kind, limit, before_id, actor_id, status, now_ns)
        rows = self._transactions.read(
            "list API keys", lambda connection: read_page(connection, query)
        )
        return [_decoded(kind, row, "list API keys") for row in rows]

    def mark_used(self, network_id: str, kind: KeyKind, uses: Mapping[str, int]) -> None:
        """See ``KeyRepository.mark_used``."""
        # In one order everywhere, so that two marks never wait for each other.
        marks = [
            {"network": network_id, "key": key_id, "used": used_at_ns}
            for key_id, used_at_ns in sorted(uses.items())
            if _addressable(KeyRef(network_id, kind, key_id))
        ]
        if marks:
            self._transactions.write(
                "mark API keys used",
                lambda connection: connection.execute(self._mark_used[kind], marks),
            )

    def _locked(self, connection: Connection, ref: KeyRef) -> Key:
        """Read a key and keep others from changing it until the transaction ends."""
        row = None
        if _addressable(ref):
            parameters = {"network": ref.network_id, "key": ref.key_id}
            row = connection.execute(self._by_id_locked[ref.kind], parameters).first()
        if row is None:
            raise ApiKeyNotFound
        return _decoded(ref.kind, row, "read API key")

    def _in_the_way(self, connection: Connection, key: Key) -> Inserted | None:
        """Return the row that an insert of ``key`` repeats; None when there is none any more.

        Raises ``ApiKeyExists`` when only the id is taken.
        """
        repeated = _by_request_id(connection, key)
        if repeated is not None:
            return Inserted(repeated, created=False)
        parameters = {"network": key.network_id, "key": key.key_id}
        if connection.execute(self._by_id[key.kind], parameters).first() is not None:
            raise ApiKeyExists
        return None

    def _get_or_unreadable(self, ref: KeyRef) -> Key | UnreadableRow | None:
        try:
            return self.get(ref)
        except InternalError:
            return UnreadableRow(ref.key_id)


def _insert(
    connection: Connection, key: Key, event: AuditEvent | None, quota: int, now_ns: int
) -> Inserted:
    if quota > 0:
        _lock_network(connection, key.network_id)
    repeated = _by_request_id(connection, key)
    if repeated is not None:
        return Inserted(repeated, created=False)
    if quota > 0 and _live_keys(connection, key.network_id, now_ns, quota) >= quota:
        raise QuotaExceeded
    write_last(connection, INSERT[key.kind], [encode(key)])
    append(connection, () if event is None else (event,))
    return Inserted(key, created=True)


def _insert_batch(
    connection: Connection,
    keys: Sequence[Key],
    events: Sequence[AuditEvent],
    quota: int,
    now_ns: int,
) -> BatchInserted:
    network_id, kind = keys[0].network_id, keys[0].kind
    headroom = len(keys)
    if quota > 0:
        _lock_network(connection, network_id)
        headroom = min(headroom, quota - _live_keys(connection, network_id, now_ns, quota))
    proceeding = keys[:headroom]
    columns = KEY_TABLES[kind].c
    taken = {
        key_id
        for some in _portions([key.key_id for key in proceeding])
        for (key_id,) in connection.execute(
            select(columns.key_id).where(columns.nid == network_id, columns.key_id.in_(some))
        )
    }
    # In one order everywhere, so that two batches never wait for each other.
    new = sorted((key for key in proceeding if key.key_id not in taken), key=lambda key: key.key_id)
    if new:
        write_last(connection, INSERT[kind], [encode(key) for key in new])
    # Without events, ``zip`` ends at once.
    append(
        connection,
        [event for key, event in zip(proceeding, events, strict=False) if key.key_id not in taken],
    )
    return BatchInserted(
        existing=frozenset(
            position for position, key in enumerate(proceeding) if key.key_id in taken
        ),
        over_quota=frozenset(range(headroom, len(keys))),
    )


def _lock_network(connection: Connection, network_id: str) -> None:
    """Let inserts that count towards a quota through one by one."""
    connection.execute(
        select(networks.c.id)
        .where(networks.c.id == network_id)
        # Weaker than a full lock on PostgreSQL: foreign keys may still refer to the row.
        .with_for_update(key_share=True)
    )


def _live_keys(connection: Connection, network_id: str, now_ns: int, most: int) -> int:
    """Count the keys of both kinds that can verify, and stop at ``most``."""
    live = 0
    for kind in KeyKind:
        if live < most:
            live += count_live(connection, kind, network_id, now_ns, most - live)
    return live


def _by_request_id(connection: Connection, key: Key) -> Key | None:
    if key.request_id is None or not _storable(key.request_id, REQUEST_ID_LENGTH):
        return None
    columns = KEY_TABLES[key.kind].c
    row = connection.execute(
        select(*key_columns(key.kind)).where(
            columns.nid == key.network_id, columns.request_id == key.request_id
        )
    ).first()
    return None if row is None else _decoded(key.kind, row, "read API key")


def _write(connection: Connection, key: Key) -> None:
    identity = {"network": key.network_id, "key": key.key_id}
    write_last(connection, UPDATE[key.kind], [encode_change(key) | identity])


def _decoded(kind: KeyKind, row: Row[Any], operation: str) -> Key:
    try:
        return decode(kind, row)
    except RowDecodeError as error:
        _report(kind, row, error)
        raise InternalError(operation) from error


def _decoded_or_unreadable(kind: KeyKind, row: Row[Any]) -> Key | UnreadableRow:
    try:
        return decode(kind, row)
    except RowDecodeError as error:
        _report(kind, row, error)
        return UnreadableRow(row.key_id)


def _report(kind: KeyKind, row: Row[Any], error: RowDecodeError) -> None:
    _logger.error("stored %s key %s of network %s: %s", kind.value, row.key_id, row.nid, error)


def _addressable(ref: KeyRef) -> bool:
    """Return whether a row with this identity can exist at all."""
    return _storable(ref.network_id, NETWORK_ID_LENGTH) and _storable(
        ref.key_id, KEY_ID_LENGTHS[ref.kind]
    )


def _storable(text: str, length: int) -> bool:
    """Return whether a column of ``length`` characters can hold ``text`` on every database.

    What none can hold is in no row; asking for it would be an error on some.
    """
    if len(text) > length or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _portions(key_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(key_ids), _IDS_PER_STATEMENT):
        yield key_ids[start : start + _IDS_PER_STATEMENT]
