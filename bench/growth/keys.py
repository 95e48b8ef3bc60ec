"""Many keys at once, put into a database past the repository, which would check each."""

import random
import time
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from sqlalchemy import insert

from bench.servers.talos import HMAC_SECRET
from talos import _core
from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine, writing
from talos.adapters.sql.rows import encode
from talos.adapters.sql.tables import KEY_TABLES
from talos.domain.keys import NIL_NETWORK, Key, KeyKind, KeyStatus, KeyVisibility, Metadata

_CHUNK: Final = 10_000
_NS_PER_S: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _NS_PER_S
_PREFIX: Final = "ory_ak"


def fill(dsn: str, count: int, seed: int = 1) -> list[str]:
    """Migrate an empty database, store ``count`` typical keys in it, and return their secrets."""
    url = parse_dsn(dsn)
    migrate.up(url)
    engine = create_engine(url)
    try:
        SqlDatabase(engine).ensure_network(NIL_NETWORK)
        statement = insert(KEY_TABLES[KeyKind.ISSUED])
        now_ns = time.time_ns()
        template = encode(_typical(now_ns))
        secrets: list[str] = []
        for ids in _chunks(count, seed):
            rows = [{**template, "key_id": key_id} for key_id in ids]
            with writing(engine).begin() as connection:
                connection.execute(statement, rows)
            secrets += [
                _core.mint_issued_key(_PREFIX, now_ns // _NS_PER_S, key_id, HMAC_SECRET.encode())
                for key_id in ids
            ]
        return secrets
    finally:
        engine.dispose()


def _chunks(count: int, seed: int) -> Iterator[list[str]]:
    rng = random.Random(seed)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        yield [str(UUID(int=rng.getrandbits(128), version=4)) for _ in range(size)]


def _typical(now_ns: int) -> Key:
    return Key(
        kind=KeyKind.ISSUED,
        network_id=NIL_NETWORK,
        key_id="",
        name="bench",
        actor_id="service:billing",
        scopes=("invoices:read", "invoices:write"),
        metadata=Metadata('{"team":"platform","plan":"pro"}'),
        status=KeyStatus.ACTIVE,
        visibility=KeyVisibility.SECRET,
        created_at_ns=now_ns,
        updated_at_ns=now_ns,
        expires_at_ns=now_ns + _DAY_NS,
        # Used today already, so that no first use of the day is written while it is measured.
        last_used_at_ns=now_ns,
        token_prefix=_PREFIX,
    )
