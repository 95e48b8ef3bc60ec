"""What was opened is kept while it is used, and no longer."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.pool import IdleConnections

KEEP = 3
STEPS = 5


class Counted:
    """An engine, and how many connections were opened and closed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.opened = self.closed = 0
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "close", self._closed)

    @property
    def idle(self) -> int:
        return int(self.engine.pool.checkedin())  # type: ignore[attr-defined]

    def use(self, stack: ExitStack, count: int) -> list[Connection]:
        """Use so many connections at once."""
        return [stack.enter_context(self.engine.connect()) for _ in range(count)]

    def burst(self, count: int) -> None:
        with ExitStack() as stack:
            self.use(stack, count)

    def _opened(self, *_: object) -> None:
        self.opened += 1

    def _closed(self, *_: object) -> None:
        self.closed += 1


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    path = tmp_path / "talos.db"
    path.touch()
    engine = create_engine(parse_dsn(f"sqlite://{path}"))
    yield Counted(engine)
    engine.dispose()


def test_bursts_use_the_connections_of_the_first(counted: Counted) -> None:
    idle = IdleConnections(counted.engine, KEEP)
    for _ in range(STEPS - 1):
        counted.burst(10)
        assert counted.idle == 10
        idle.look()
    assert (counted.opened, counted.closed) == (10, 0)


def test_what_nobody_needs_is_closed_after_some_steps(counted: Counted) -> None:
    idle = IdleConnections(counted.engine, KEEP)
    counted.burst(10)
    for _ in range(STEPS - 1):
        idle.look()
    assert (counted.idle, counted.closed) == (10, 0)
    idle.look()
    assert (counted.idle, counted.closed) == (KEEP, 7)
    for _ in range(2 * STEPS):
        idle.look()
    assert (counted.idle, counted.closed) == (KEEP, 7)
    # What was closed may be opened again.
    counted.burst(12)
    assert (counted.idle, counted.opened) == (12, 19)


def test_what_is_needed_now_and_then_is_kept(counted: Counted) -> None:
    idle = IdleConnections(counted.engine, KEEP)
    counted.burst(10)
    for step in range(4 * STEPS):
        with ExitStack() as stack:
            # At every other step six are in use: four of ten never are.
            if step % 2:
                counted.use(stack, 6)
            idle.look()
    assert counted.closed == 1
    assert counted.opened == 10


def test_connections_in_use_are_never_closed(counted: Counted) -> None:
    idle = IdleConnections(counted.engine, 0)
    with ExitStack() as stack:
        used = counted.use(stack, 10)
        for _ in range(3 * STEPS):
            idle.look()
        assert counted.closed == 0
        assert [each.exec_driver_sql("SELECT 1").scalar() for each in used] == [1] * 10
    for _ in range(STEPS):
        idle.look()
    assert (counted.idle, counted.closed) == (0, 10)


def test_the_last_used_is_used_next(counted: Counted) -> None:
    counted.burst(5)
    seen = set()
    for _ in range(20):
        with counted.engine.connect() as connection:
            seen.add(id(connection.connection.dbapi_connection))
    assert len(seen) == 1


def test_it_works_by_itself_from_start_to_stop(counted: Counted) -> None:
    idle = IdleConnections(counted.engine, KEEP, step_s=0.001)
    counted.burst(10)
    idle.start()
    while counted.idle > KEEP:
        assert idle._thread.is_alive()
    idle.stop()
    idle._thread.join(timeout=30)
    assert not idle._thread.is_alive()
