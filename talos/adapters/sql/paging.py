"""Pages of a list, at a cost that depends on the page and not on where it is.

Ids descend by bytes and the next page starts below the last id. Without a status an index walk
gives exactly the rows of the page. The status that clients see depends on the clock, so no index
is in both orders, and there are two ways to a page:

- *wide*: walk the ids and leave out other states; good when many rows have the wanted one;
- *narrow*: take all rows of the wanted state from the index by state and expiry and sort them;
  good when there are few.

A look at no more than ``_FEW`` index entries tells which. So a page looks at ``_FEW`` entries, or,
where ids and states are independent of each other as random ids are, at about
``limit * rows / _FEW`` rows, whichever way is taken.
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
        statement = _by_id(query)
    else:
        few = max(_FEW, query.limit * _FEW_PAGES)
        found = connection.execute(_count(query, query.status, few)).scalar_one()
        choose = _narrow if found < few else _wide
        statement = choose(query, query.status)
    return connection.execute(statement).all()


def count_live(
    connection: Connection, kind: KeyKind, network_id: str, now_ns: int, most: int
) -> int:
    """Count the keys of a network that can verify, and stop at ``most``."""
    query = PageQuery(network_id, kind, 0, None, None, KeyStatus.ACTIVE, now_ns)
    return int(connection.execute(_count(query, KeyStatus.ACTIVE, most)).scalar_one())


def _by_id(query: PageQuery, *conditions: ColumnElement[bool]) -> Select[Any]:
    return _page(query, KEY_TABLES[query.kind].c.key_id, conditions)


def _wide(query: PageQuery, status: KeyStatus) -> Select[Any]:
    # Adding nothing keeps planners from answering these from an index in another order.
    columns = KEY_TABLES[query.kind].c
    state = _state(columns.status + 0, columns.expires_at_ns + 0, status, query.now_ns)
    return _by_id(query, state)


def _narrow(query: PageQuery, status: KeyStatus) -> Select[Any]:
    # As above: not from an index by id.
    columns = KEY_TABLES[query.kind].c
    state = _state(columns.status, columns.expires_at_ns, status, query.now_ns)
    return _page(query, columns.key_id.concat(""), [state])


def _page(
    query: PageQuery, key_id: ColumnElement[str], conditions: Sequence[ColumnElement[bool]]
) -> Select[Any]:
    page = select(*key_columns(query.kind)).where(*_owner(query), *conditions)
    if query.before_id is not None:
        page = page.where(key_id < query.before_id)
    return page.order_by(desc(key_id)).limit(query.limit)


def _count(query: PageQuery, status: KeyStatus, most: int) -> Select[Any]:
    """Count the rows of a state, up to ``most``."""
    columns = KEY_TABLES[query.kind].c
    state = _state(columns.status, columns.expires_at_ns, status, query.now_ns)
    entries = (
        select(columns.key_id)
        .where(*_owner(query), state)
        # The order of the index, which makes it the cheapest way for every planner.
        .order_by(columns.status, columns.expires_at_ns)
        .limit(most)
    )
    return select(func.count()).select_from(entries.subquery())


def _owner(query: PageQuery) -> list[ColumnElement[bool]]:
    columns = KEY_TABLES[query.kind].c
    owner = [columns.nid == query.network_id]
    if query.actor_id is not None:
        owner.append(columns.actor_id == query.actor_id)
    return owner


def _state(
    status: ColumnElement[int], expires_at_ns: ColumnElement[int], shown: KeyStatus, now_ns: int
) -> ColumnElement[bool]:
    """Return the condition of ``Key.shown_status``."""
    match shown:
        case KeyStatus.ACTIVE:
            return and_(status == KeyStatus.ACTIVE.value, expires_at_ns >= now_ns)
        case KeyStatus.EXPIRED:
            return and_(status == KeyStatus.ACTIVE.value, expires_at_ns < now_ns)
        case _:
            return status == shown.value
