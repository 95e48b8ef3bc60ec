"""A page costs what the page is, not what the table is; counted, not timed.

What is counted: on SQLite steps of its virtual machine, on MySQL and MariaDB rows read, on
PostgreSQL rows that scans looked at. ``bench/paging.py`` shows the times of 1,000,000 keys.
"""

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql import paging
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import DatabaseUrl, PoolSettings
from talos.adapters.sql.engine import create_engine, writing
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.rows import encode
from talos.adapters.sql.tables import KEY_TABLES
from talos.domain.keys import Key, KeyKind, KeyStatus
from tests.integration.repository_contract import descending, listed
from tests.integration.sample_keys import NOW_NS, make_key

KIND = KeyKind.IMPORTED
FEW = 200
LIMIT = 20
SMALL, LARGE = 2_000, 10_000
# One page in steps of SQLite's machine; about 30 columns and tests a row.
STEPS_PER_ROW = 60

State = Callable[[int], dict[str, object]]

REVOKED: dict[str, object] = {"status": KeyStatus.REVOKED}
EXPIRED: dict[str, object] = {"expires_at_ns": NOW_NS - 1}
ACTIVE: dict[str, object] = {"expires_at_ns": NOW_NS + 1}

LAYOUTS: dict[str, State] = {
    "nearly all expired": lambda n: {100: ACTIVE, 200: REVOKED}.get(n % 1000, EXPIRED),
    "nearly all active": lambda n: {100: EXPIRED, 200: REVOKED}.get(n % 1000, ACTIVE),
    "nearly all revoked": lambda n: {100: EXPIRED, 200: ACTIVE}.get(n % 1000, REVOKED),
    "a third each": lambda n: (ACTIVE, EXPIRED, REVOKED)[n % 3],
}


@dataclass(frozen=True)
class Filled:
    """A table with a small and a large network of the same layout."""

    engine: Engine
    small: str
    large: str
    keys: list[Key]
    """Those of the large network."""


@pytest.fixture(scope="module")
def single(shared_url: DatabaseUrl) -> Iterator[Engine]:
    """One connection, so that its counters count everything."""
    engine = create_engine(replace(shared_url, pool=PoolSettings(1, 1, None, None)))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", params=LAYOUTS)
def filled(request: pytest.FixtureRequest, single: Engine) -> Filled:
    small, _ = fill(single, SMALL, LAYOUTS[request.param])
    large, keys = fill(single, LARGE, LAYOUTS[request.param])
    with single.connect() as connection:
        match single.dialect.name:
            case "postgresql":
                connection.exec_driver_sql("VACUUM ANALYZE imported_api_keys")
            case "mysql":
                connection.exec_driver_sql("ANALYZE TABLE imported_api_keys").all()
    return Filled(single, small, large, keys)


def fill(engine: Engine, count: int, state: State) -> tuple[str, list[Key]]:
    network = str(uuid.uuid4())
    SqlDatabase(engine).ensure_network(network)
    keys = [
        make_key(
            network,
            KIND,
            key_id=hashlib.sha256(f"{network}{number}".encode()).hexdigest(),
            # Half of the keys are one actor's; the rest have ten each.
            actor_id="machine" if number % 2 == 0 else f"user_{number // 20}",
            **state(number),
        )
        for number in range(count)
    ]
    with writing(engine).begin() as connection:
        connection.execute(insert(KEY_TABLES[KIND]), [encode(key) for key in keys])
    return network, keys


def looked_at(engine: Engine, call: Callable[[], object]) -> int:
    """How much the database did for ``call``."""
    match engine.dialect.name:
        case "sqlite":
            return _sqlite_steps(engine, call)
        case "mysql":
            return _mysql_rows(engine, call)
        case _:
            return _postgres_rows(engine, call)


def _sqlite_steps(engine: Engine, call: Callable[[], object]) -> int:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    pooled = engine.raw_connection()
    driver = pooled.driver_connection
    pooled.close()
    assert isinstance(driver, sqlite3.Connection)
    driver.set_progress_handler(count, 1)
    try:
        call()
    finally:
        driver.set_progress_handler(None, 0)
    assert steps > 0
    return steps // STEPS_PER_ROW


def _mysql_rows(engine: Engine, call: Callable[[], object]) -> int:
    def rows_read() -> int:
        with engine.connect() as connection:
            status = connection.exec_driver_sql(
                "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_first',"
                "'Handler_read_key','Handler_read_last','Handler_read_next','Handler_read_prev',"
                "'Handler_read_rnd_next')"
            )
            return sum(int(value) for _, value in status)

    # Asking reads too, always the same.
    asking = -rows_read() + rows_read()
    before = rows_read()
    call()
    return rows_read() - before - asking


def _postgres_rows(engine: Engine, call: Callable[[], object]) -> int:
    statements: list[tuple[str, Any]] = []

    def record(
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: Any,
        context: object,
        executemany: bool,
    ) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", record)
    call()
    event.remove(engine, "before_cursor_execute", record)
    assert statements
    rows = 0
    with engine.connect() as connection:
        for statement, parameters in statements:
            explained = connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
            ).scalar_one()
            plan = explained if isinstance(explained, list) else json.loads(explained)
            rows += _scanned(plan[0]["Plan"])
    return rows


def _scanned(node: dict[str, Any]) -> int:
    below = sum(_scanned(child) for child in node.get("Plans", ()))
    if "Scan" not in node["Node Type"]:
        return below
    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return below + int(each * node["Actual Loops"])


def places(filled: Filled) -> list[str | None]:
    ordered = descending([key.key_id for key in filled.keys])
    return [None, ordered[len(ordered) // 2], ordered[-LIMIT - 1], ordered[-1]]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_FEW", FEW)


def test_without_a_status_only_the_page_is_looked_at(filled: Filled) -> None:
    repository = SqlKeyRepository(filled.engine)
    for actor in (None, "machine", "user_10"):
        for before_id in places(filled):
            cost = looked_at(
                filled.engine,
                lambda actor=actor, before_id=before_id: listed(  # type: ignore[misc]
                    repository,
                    filled.large,
                    KIND,
                    limit=LIMIT,
                    actor_id=actor,
                    before_id=before_id,
                ),
            )
            assert cost <= 3 * LIMIT, (actor, before_id)


def test_with_a_status_the_cost_is_bounded_whatever_the_place_and_the_size(
    filled: Filled,
) -> None:
    repository = SqlKeyRepository(filled.engine)
    for status in (KeyStatus.ACTIVE, KeyStatus.EXPIRED, KeyStatus.REVOKED):
        for actor in (None, "machine", "user_10"):
            for network in (filled.small, filled.large):
                for before_id in places(filled):
                    cost = looked_at(
                        filled.engine,
                        lambda network=network, actor=actor, status=status, before_id=before_id: (  # type: ignore[misc]
                            listed(
                                repository,
                                network,
                                KIND,
                                limit=LIMIT,
                                actor_id=actor,
                                status=status,
                                before_id=before_id,
                            )
                        ),
                    )
                    # The look at the index, then a page out of few, or a page out of a third.
                    assert cost <= FEW + 2 * FEW, (status, actor, network, before_id)


def test_the_pages_are_right_whichever_way_they_were_found(filled: Filled) -> None:
    repository = SqlKeyRepository(filled.engine)
    for status in (KeyStatus.ACTIVE, KeyStatus.EXPIRED, KeyStatus.REVOKED):
        for actor in (None, "machine", "user_10"):
            expected = descending(
                [
                    key.key_id
                    for key in filled.keys
                    if key.shown_status(NOW_NS) is status and actor in (None, key.actor_id)
                ]
            )
            for place in (0, len(expected) // 2, max(0, len(expected) - LIMIT // 2)):
                page = listed(
                    repository,
                    filled.large,
                    KIND,
                    limit=LIMIT,
                    before_id=expected[place - 1] if place else None,
                    actor_id=actor,
                    status=status,
                )
                assert page == expected[place : place + LIMIT]


def test_a_quota_is_counted_no_further_than_it_goes(filled: Filled) -> None:
    repository = SqlKeyRepository(filled.engine)
    for network in (filled.small, filled.large):
        key = make_key(network, KIND)
        cost = looked_at(
            filled.engine,
            lambda network=network, key=key: paging_count(filled.engine, network),  # type: ignore[misc]
        )
        assert cost <= 30
        assert repository.get(key.ref) is None


def paging_count(engine: Engine, network: str) -> None:
    with engine.connect() as connection:
        paging.count_live(connection, KIND, network, NOW_NS, 10)
