"""What a failed transaction worked on is free at once, without the garbage collector."""

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import insert, text
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql.tables import networks
from talos.adapters.sql.transactions import Transactions
from talos.errors import InternalError


class Body:
    """Stands for the body of a request."""


@pytest.fixture
def transactions(engine: Engine) -> Iterator[Transactions]:
    transactions = Transactions(engine)
    gc.collect()
    gc.disable()
    yield transactions
    gc.enable()


def broken_constraint(connection: Connection, network: str) -> None:
    connection.execute(insert(networks).values(id=network, created_at_ns=1, updated_at_ns=1))


def nonsense(connection: Connection, _network: str) -> None:
    connection.execute(text("SELEC 1"))


def failing(
    fails: Callable[[Connection, str], None], network: str
) -> tuple[Callable[[Connection], None], "weakref.ref[Body]"]:
    """Return work that refers to a body and fails, and a look at whether that is still there."""
    body = Body()

    def work(connection: Connection) -> None:
        assert isinstance(body, Body)
        fails(connection, network)

    return work, weakref.ref(body)


def test_after_a_conflict(transactions: Transactions, network: str) -> None:
    work, body = failing(broken_constraint, network)
    transactions.write("add network", work, on_conflict=lambda: None)
    del work
    assert body() is None


@pytest.mark.parametrize("fails", [broken_constraint, nonsense])
@pytest.mark.parametrize("run", [Transactions.read, Transactions.write])
def test_after_a_failure(
    transactions: Transactions,
    network: str,
    run: Callable[..., None],
    fails: Callable[[Connection, str], None],
) -> None:
    work, body = failing(fails, network)
    with pytest.raises(InternalError):
        run(transactions, "add network", work)
    del work
    assert body() is None
