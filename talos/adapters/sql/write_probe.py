"""Asking a database whether it takes writes, without leaving anything behind."""

import os
import uuid
from typing import Final

from sqlalchemy import delete, insert, update
from sqlalchemy.engine import Connection

from talos.adapters.sql.rows import encode
from talos.adapters.sql.tables import KEY_TABLES, networks
from talos.domain.keys import (
    NIL_NETWORK,
    NO_METADATA,
    Key,
    KeyKind,
    KeyStatus,
    KeyVisibility,
)

_KIND: Final = KeyKind.ISSUED
_FILLING_BYTES: Final = 24_000


def ask_server(connection: Connection) -> None:
    """Change no row; a server that is read-only refuses all the same. One round trip.

    It asks a table that nobody locks for long: readiness shall not wait for who alters a table of
    keys.
    """
    columns = networks.c
    connection.execute(
        update(networks).where(columns.id == "").values(updated_at_ns=columns.updated_at_ns)
    )


def write_and_remove(connection: Connection) -> None:
    """Insert a long key and delete it again, which takes new room. To be called in a transaction,
    so that nobody ever sees the key.
    """
    # Random, since PostgreSQL would make a short text of a monotonous one.
    filling = os.urandom(_FILLING_BYTES).hex()
    key = Key(
        kind=_KIND,
        network_id=NIL_NETWORK,
        key_id=str(uuid.uuid4()),
        name="",
        actor_id="",
        scopes=(filling,),
        metadata=NO_METADATA,
        status=KeyStatus.REVOKED,
        visibility=KeyVisibility.SECRET,
        created_at_ns=0,
        updated_at_ns=0,
        expires_at_ns=0,
        token_prefix="",
    )
    columns = KEY_TABLES[_KIND].c
    connection.execute(insert(KEY_TABLES[_KIND]), encode(key))
    connection.execute(
        delete(KEY_TABLES[_KIND]).where(columns.nid == NIL_NETWORK, columns.key_id == key.key_id)
    )
