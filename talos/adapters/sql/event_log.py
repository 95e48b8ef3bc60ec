"""The event log: a table to which every write appends what it did, in its own transaction."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import insert
from sqlalchemy.engine import Connection

from talos.adapters.sql.last_statements import Statement, write_last
from talos.adapters.sql.tables import EVENT_TEXT_LENGTH, events
from talos.domain.events import AuditEvent, event_id

_INSERT: Final = Statement(insert(events), [column.name for column in events.c])


def append(connection: Connection, happened: Sequence[AuditEvent]) -> None:
    """Append the events, as the last statement of a transaction.

    They are committed with what they tell of, or not at all.
    """
    write_last(connection, _INSERT, [_row(event) for event in happened])


def _row(event: AuditEvent) -> dict[str, Any]:
    key, requester = event.key, event.requester
    return {
        "nid": event.network_id,
        "event_id": event_id(event.time_ns),
        "time_ns": event.time_ns,
        "name": event.name.value,
        "key_kind": None if key is None else key.kind.value,
        "key_id": None if key is None else key.key_id,
        "actor_id": event.actor_id,
        "caller": requester.caller[:EVENT_TEXT_LENGTH],
        "address": requester.address[:EVENT_TEXT_LENGTH],
        "user_agent": requester.user_agent[:EVENT_TEXT_LENGTH],
        "request_id": requester.request_id[:EVENT_TEXT_LENGTH],
        "changed": _json(event.changed),
        "details": _json(event.attributes),
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
