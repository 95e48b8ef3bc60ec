"""The statements on the tables of keys."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Delete, and_, bindparam, case, delete, insert, or_, select, update

from talos.adapters.sql.last_statements import Statement
from talos.adapters.sql.rows import WRITABLE, key_columns
from talos.adapters.sql.tables import KEY_TABLES
from talos.domain.keys import KeyKind, KeyRef, KeyStatus


def _insert_statement(kind: KeyKind) -> Statement:
    table = KEY_TABLES[kind]
    return Statement(insert(table), [column.name for column in table.c])


def _update_statement(kind: KeyKind) -> Statement:
    table = KEY_TABLES[kind]
    columns = table.c
    chosen = update(table).where(
        columns.nid == bindparam("network"), columns.key_id == bindparam("key")
    )
    return Statement(chosen, [column.name for column in columns if column.name in WRITABLE])


INSERT: Final = {kind: _insert_statement(kind) for kind in KeyKind}
UPDATE: Final = {kind: _update_statement(kind) for kind in KeyKind}


def by_id(kind: KeyKind) -> Any:
    """Read one key: parameters ``network`` and ``key``."""
    columns = KEY_TABLES[kind].c
    return select(*key_columns(kind)).where(
        columns.nid == bindparam("network"), columns.key_id == bindparam("key")
    )


def mark_used(kind: KeyKind) -> Any:
    """Note a use: ``network``, ``key`` and ``used``. See ``KeyRepository.mark_used``."""
    columns = KEY_TABLES[kind].c
    used = bindparam("used", type_=columns.last_used_at_ns.type)
    revoked = and_(columns.status == KeyStatus.REVOKED.value, columns.updated_at_ns < used)
    told = case((revoked, columns.updated_at_ns), else_=used)
    return (
        update(KEY_TABLES[kind])
        .where(
            columns.nid == bindparam("network"),
            columns.key_id == bindparam("key"),
            or_(columns.last_used_at_ns.is_(None), columns.last_used_at_ns < told),
        )
        .values(last_used_at_ns=told)
    )


def by_ids(network_id: str, kind: KeyKind, key_ids: Sequence[str]) -> Any:
    """Read several keys of one network and kind."""
    columns = KEY_TABLES[kind].c
    return select(*key_columns(kind)).where(columns.nid == network_id, columns.key_id.in_(key_ids))


def delete_by_ref(ref: KeyRef) -> Delete:
    """Remove one key."""
    columns = KEY_TABLES[ref.kind].c
    return delete(KEY_TABLES[ref.kind]).where(
        columns.nid == ref.network_id, columns.key_id == ref.key_id
    )
