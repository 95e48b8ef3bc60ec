"""Databases that fail, and what is asked of them meanwhile."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy.engine import Engine

from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import NIL_NETWORK, KeyKind, KeyRef
from tests.integration.sample_keys import NOW_NS, make_key
from tests.support.servers import ServerProcess, Unavailable, mariadb, postgres
from tests.support.writes import change, delete, rotate


@dataclass
class Server:
    """A server of one's own that a test may harm, with a migrated database."""

    process: ServerProcess
    dsn: str

    def with_parameters(self, parameters: str) -> str:
        return f"{self.dsn}&{parameters}"


def started(kind: str) -> Server:
    product = {"postgres": postgres, "mysql": mariadb}[kind]
    prepare = {"postgres": postgres.postgres_process, "mysql": mariadb.mysql_process}[kind]
    try:
        process = prepare()
    except Unavailable as missing:
        if os.environ.get("TALOS_REQUIRE_SERVICES") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    process.start()
    service = (
        postgres.PostgresService(product.dsn_of(process))
        if kind == "postgres"
        else mariadb.MySqlService(product.dsn_of(process))
    )
    dsn = service.create_database()
    migrate.up(parse_dsn(dsn))
    with connected(dsn) as engine:
        SqlDatabase(engine).ensure_network(NIL_NETWORK)
    return Server(process, dsn)


@contextmanager
def connected(dsn: str) -> Iterator[Engine]:
    engine = create_engine(parse_dsn(dsn))
    try:
        yield engine
    finally:
        engine.dispose()


def operations(keys: SqlKeyRepository, engine: Engine) -> list[Callable[[], object]]:
    """Every way to the database."""
    key = make_key(NIL_NETWORK)
    kind = KeyKind.ISSUED
    return [
        lambda: keys.get(KeyRef(NIL_NETWORK, kind, key.key_id)),
        lambda: keys.get_many(NIL_NETWORK, kind, [key.key_id]),
        lambda: keys.insert(key, quota=0, now_ns=NOW_NS),
        lambda: keys.insert_batch([key], quota=1, now_ns=NOW_NS),
        lambda: change(keys, KeyRef(NIL_NETWORK, kind, key.key_id), lambda old: old),
        lambda: rotate(keys, NIL_NETWORK, key.key_id, lambda old: (old, old)),
        lambda: delete(keys, KeyRef(NIL_NETWORK, kind, key.key_id)),
        lambda: keys.mark_used(NIL_NETWORK, kind, {key.key_id: NOW_NS}),
        lambda: keys.list_page(
            NIL_NETWORK, kind, limit=1, before_id=None, actor_id=None, status=None, now_ns=NOW_NS
        ),
        SqlDatabase(engine).ping,
        lambda: SqlDatabase(engine).ensure_network("n"),
    ]
