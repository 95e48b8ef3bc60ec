"""A parsed database address."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from talos.adapters.sql.dsn.pool import PoolSettings


class Product(enum.Enum):
    """The kinds of database that Talos speaks to."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"
    COCKROACH = "cockroach"
    MYSQL = "mysql"
    """MySQL and MariaDB."""


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where a database is and how to speak to it.

    ``shown`` may be logged. ``connect_args`` go to the driver and may hold the password, so they
    are kept out of the ``repr``. ``session`` is applied to every new connection: run-time
    parameters on PostgreSQL, session variables on MySQL, pragmas on SQLite.
    """

    product: Product
    shown: str
    pool: PoolSettings
    connect_args: Mapping[str, Any] = field(default_factory=dict, repr=False)
    session: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    path: Path | None = None
    """The file of an SQLite database, else None."""
    warnings: tuple[str, ...] = ()
    """What the address asks for and does not get; whoever starts something tells the operator."""

    def for_worker(self, worker: int, workers: int) -> Self:
        """Return the address with this worker's share of the connections.

        Workers are numbered from 0. Connections to a file are not scarce, and not divided.
        """
        if self.product is Product.SQLITE:
            return self
        return replace(self, pool=self.pool.share(worker, workers))
