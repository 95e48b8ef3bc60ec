"""Pages of a list, at a cost that depends on the page and not on where it is.

Ids descend by bytes and the next page starts below the last id. Without a status an index walk
gives exactly the rows of the page. The status that clients see depends on the clock, so no index
is in both orders, and there are two ways to a page:

- take *all* rows of the wanted state from the index by state and expiry, and sort them: good when
  there are few;
- *walk* the ids and leave out other states: good when there are many.

A look at no more than ``_FEW`` index entries tells which. So a page costs a look at ``_FEW``
entries, or, where ids and states are independent of each other as random ids are, at about
``limit * rows / _FEW`` of them, whichever way is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, desc, func, select
from sqlalchemy.engine import Connection

from talos.adapters.sql.rows import key_columns
from talos.adapters.sql.tables import KEY_TABLES
from talos.domain.keys import KeyKind, KeyStatus

_FEW: Final = 4_096
_FEW_PAGES: Final = 8
_FIRST_PORTION_PAGES: Final = 2


@dataclass(frozen=True, slots=True)
class PageQuery:
    """One page of ``KeyRepository.list_page``."""

    network_id: str
    kind: KeyKind
    limit: int
    before_id: str | None
    actor_id: str | None
    status: KeyStatus | None
    now_ns: int


def read_page(connection: Connection, query: PageQuery) -> Sequence[Row[Any]]:
    """Return the rows of the page, for ``rows.decode``."""
    if query.status is None:
        columns = key_columns(query.kind)
        return connection.execute(_by_id(query, columns, query.before_id, query.limit)).all()
    few = max(_FEW, query.limit * _FEW_PAGES)
    if connection.execute(_count(query, query.status, few)).scalar_one() < few:
        return connection.execute(_of_few(query, query.status)).all()
    return _walk(connection, query, query.status, few)


def count_live(
    connection: Connection, kind: KeyKind, network_id: str, now_ns: int, most: int
) -> int:
    """Count the keys of a network that can verify, and stop at ``most``."""
    query = PageQuery(network_id, kind, 0, None, None, KeyStatus.ACTIVE, now_ns)
    return int(connection.execute(_count(query, KeyStatus.ACTIVE, most)).scalar_one())


def _walk(
    connection: Connection, query: PageQuery, status: KeyStatus, longest_portion: int
) -> Sequence[Row[Any]]:
    """Go down the ids in growing portions until the page is full."""
    columns = KEY_TABLES[query.kind].c
    looked_at = (columns.key_id, columns.status, columns.expires_at_ns)
    page: list[Row[Any]] = []
    below, portion = query.before_id, query.limit * _FIRST_PORTION_PAGES
    while len(page) < query.limit:
        entries = connection.execute(_by_id(query, looked_at, below, portion)).all()
        wanted = [entry.key_id for entry in entries if _shows(entry, status, query.now_ns)]
        missing = query.limit - len(page)
        page += _still_wanted(connection, query, status, wanted[:missing])
        if len(wanted) >= missing:
            # Full, unless a row changed in between: then the walk goes on below the last one.
            below = wanted[missing - 1]
        elif len(entries) < portion:
            break
        else:
            below = entries[-1].key_id
        portion = min(portion * 2, longest_portion)
    return page


def _still_wanted(
    connection: Connection, query: PageQuery, status: KeyStatus, key_ids: Sequence[str]
) -> Sequence[Row[Any]]:
    columns = KEY_TABLES[query.kind].c
    rows = connection.execute(
        select(*key_columns(query.kind))
        .where(columns.nid == query.network_id, columns.key_id.in_(key_ids))
        .order_by(desc(columns.key_id))
    )
    return [row for row in rows if _shows(row, status, query.now_ns)]


def _by_id(
    query: PageQuery, columns: Sequence[ColumnElement[Any]], below: str | None, limit: int
) -> Select[Any]:
    """Select down the ids, whatever the state."""
    table = KEY_TABLES[query.kind]
    index = "PRIMARY" if query.actor_id is None else f"{table.name}_actor"
    statement = _hinted(query, select(*columns), index)
    if below is not None:
        statement = statement.where(table.c.key_id < below)
    return statement.order_by(desc(table.c.key_id)).limit(limit)


def _of_few(query: PageQuery, status: KeyStatus) -> Select[Any]:
    """Select the page out of all rows of a state."""
    columns = KEY_TABLES[query.kind].c
    # Adding nothing keeps planners from walking the ids instead.
    key_id = columns.key_id.concat("")
    statement = _in_state(query, status, key_columns(query.kind))
    if query.before_id is not None:
        statement = statement.where(key_id < query.before_id)
    return statement.order_by(desc(key_id)).limit(query.limit)


def _count(query: PageQuery, status: KeyStatus, most: int) -> Select[Any]:
    """Count the rows of a state, up to ``most``."""
    columns = KEY_TABLES[query.kind].c
    entries = (
        # Nothing that is not in the index, so that no row need be looked at.
        _in_state(query, status, [columns.expires_at_ns])
        # The order of the index, which makes it the cheapest way for every planner.
        .order_by(columns.status, columns.expires_at_ns)
        .limit(most)
    )
    return select(func.count()).select_from(entries.subquery())


def _in_state(
    query: PageQuery, status: KeyStatus, columns: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    table = KEY_TABLES[query.kind]
    index = f"{table.name}_state" if query.actor_id is None else f"{table.name}_actor_state"
    return _hinted(query, select(*columns), index).where(_condition(query, status))


def _hinted(query: PageQuery, statement: Select[Any], index: str) -> Select[Any]:
    """Restrict a statement to whose keys are asked for, and tell MySQL how to find them.

    Its planner takes an index that is nearly as good, and reads all that lies between.
    """
    table = KEY_TABLES[query.kind]
    statement = statement.where(table.c.nid == query.network_id)
    if query.actor_id is not None:
        statement = statement.where(table.c.actor_id == query.actor_id)
    return statement.with_hint(table, f"FORCE INDEX ({index})", "mysql")


def _condition(query: PageQuery, status: KeyStatus) -> ColumnElement[bool]:
    """Return the condition of ``Key.shown_status``."""
    columns = KEY_TABLES[query.kind].c
    match status:
        case KeyStatus.ACTIVE:
            stored, in_time = KeyStatus.ACTIVE, columns.expires_at_ns >= query.now_ns
        case KeyStatus.EXPIRED:
            stored, in_time = KeyStatus.ACTIVE, columns.expires_at_ns < query.now_ns
        case _:
            return columns.status == status.value
    return and_(columns.status == stored.value, in_time)


def _shows(row: Row[Any], status: KeyStatus, now_ns: int) -> bool:
    """Tell the same of a row that was read."""
    shown = row.status
    if shown == KeyStatus.ACTIVE.value and row.expires_at_ns < now_ns:
        shown = KeyStatus.EXPIRED.value
    return bool(shown == status.value)
