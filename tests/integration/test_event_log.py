"""Every write appends what it did to the event log, in its own transaction, on every database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Row, event, func, select, text
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql.engine import writing
from talos.adapters.sql.event_log import append
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.tables import events
from talos.domain.events import AuditEvent, EventName, Requester
from talos.domain.keys import Key, KeyKind, KeyStatus
from talos.errors import ApiKeyExists, FailedPrecondition, InternalError, QuotaExceeded
from talos.services.ports import Change
from tests.integration.sample_keys import NOW_NS, make_key

REQUESTER = Requester("request-1", "192.0.2.1", "operator:ü", "curl/8 \U0001f511")


def told(key: Key, name: EventName = EventName.ISSUED_CREATED, **fields: Any) -> AuditEvent:
    about = AuditEvent(
        name,
        key.network_id,
        {"APIKeyID": key.key_id},
        REQUESTER,
        key=key.ref,
        actor_id=key.actor_id,
        time_ns=NOW_NS,
    )
    return replace(about, **fields)


def logged(engine: Engine, network: str) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        chosen = select(events).where(events.c.nid == network)
        return connection.execute(chosen.order_by(events.c.event_id)).all()


def test_an_event_is_stored_with_everything_known(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    key = make_key(network, actor_id="\U0001f511" * 255)
    happened = told(key, changed=("name", "scopes"))
    repository.insert(key, quota=0, now_ns=NOW_NS, event=happened)
    [row] = logged(engine, network)
    assert row._asdict() | {"event_id": ""} == {
        "nid": network,
        "event_id": "",
        "time_ns": NOW_NS,
        "name": "IssuedAPIKeyCreated",
        "key_kind": "issued",
        "key_id": key.key_id,
        "actor_id": key.actor_id,
        "caller": "operator:ü",
        "address": "192.0.2.1",
        "user_agent": "curl/8 \U0001f511",
        "request_id": "request-1",
        "changed": '["name","scopes"]',
        "details": f'{{"APIKeyID":"{key.key_id}"}}',
    }


def test_what_a_request_says_of_itself_is_cut(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    key, long = make_key(network), "\U0001f511" * 300
    event_ = told(key, requester=Requester(long, long, long, long))
    repository.insert(key, quota=0, now_ns=NOW_NS, event=event_)
    [row] = logged(engine, network)
    assert {row.request_id, row.address, row.caller, row.user_agent} == {"\U0001f511" * 256}


def test_what_was_not_inserted_is_not_told(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    key = make_key(network, request_id="r")
    repository.insert(key, quota=0, now_ns=NOW_NS, event=told(key))
    repeated = make_key(network, request_id="r")
    assert not repository.insert(repeated, quota=0, now_ns=NOW_NS, event=told(repeated)).created
    with pytest.raises(ApiKeyExists):
        again = replace(key, request_id=None)
        repository.insert(again, quota=0, now_ns=NOW_NS, event=told(again))
    with pytest.raises(QuotaExceeded):
        late = make_key(network)
        repository.insert(late, quota=1, now_ns=NOW_NS, event=told(late))
    assert len(logged(engine, network)) == 1


def test_a_batch_tells_of_what_it_inserted(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    keys = [make_key(network, KeyKind.IMPORTED) for _ in range(5)]
    repository.insert(keys[1], quota=0, now_ns=NOW_NS)
    happened = [told(key, EventName.IMPORTED_CREATED) for key in keys]
    outcome = repository.insert_batch(keys, quota=4, now_ns=NOW_NS, events=happened)
    assert (outcome.existing, outcome.over_quota) == ({1}, {3, 4})
    rows = logged(engine, network)
    assert {row.key_id for row in rows} == {keys[0].key_id, keys[2].key_id}
    assert {row.name for row in rows} == {"ImportedAPIKeyCreated"}


def test_changes_deletions_and_successions_are_told_of(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    key, successor = make_key(network), make_key(network)
    repository.insert(key, quota=0, now_ns=NOW_NS)
    written = (
        Change(replace(key, name="new"), (told(key, EventName.ISSUED_UPDATED, time_ns=1),)),
        Change(
            replace(key, status=KeyStatus.REVOKED),
            (
                told(successor, EventName.ISSUED_ROTATED, time_ns=2_000_000),
                told(key, EventName.ISSUED_REVOKED, time_ns=3_000_000),
            ),
            successor,
        ),
        Change(None, (told(key, EventName.IMPORTED_DELETED, time_ns=4_000_000),)),
    )
    for change in written:
        done = repository.change(key.ref, lambda _, change=change: change)  # type: ignore[misc]
        assert done.events == change.events
    # The log outlives the key, and its ids are in the order of the times.
    assert [(row.name, row.key_id) for row in logged(engine, network)] == [
        ("IssuedAPIKeyUpdated", key.key_id),
        ("IssuedAPIKeyRotated", successor.key_id),
        ("IssuedAPIKeyRevoked", key.key_id),
        ("ImportedAPIKeyDeleted", key.key_id),
    ]


def test_a_refused_change_tells_nothing(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    key = make_key(network)
    repository.insert(key, quota=0, now_ns=NOW_NS)

    def refuse(_: Key) -> Change:
        raise FailedPrecondition

    with pytest.raises(FailedPrecondition):
        repository.change(key.ref, refuse)
    assert logged(engine, network) == []


@contextmanager
def without_log(engine: Engine) -> Iterator[None]:
    """The table of events is gone for a while."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE events_away RENAME TO events"))


def test_what_cannot_be_told_is_not_done(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    key, new = make_key(network), make_key(network)
    batch = [make_key(network, KeyKind.IMPORTED) for _ in range(2)]
    repository.insert(key, quota=0, now_ns=NOW_NS)
    with without_log(engine):
        with pytest.raises(InternalError):
            repository.insert(new, quota=0, now_ns=NOW_NS, event=told(new))
        with pytest.raises(InternalError):
            happened = [told(one) for one in batch]
            repository.insert_batch(batch, quota=0, now_ns=NOW_NS, events=happened)
        for wanted in (None, replace(key, status=KeyStatus.REVOKED)):
            with pytest.raises(InternalError):
                repository.change(
                    key.ref,
                    lambda _, wanted=wanted: Change(wanted, (told(key),)),  # type: ignore[misc]
                )
    assert repository.get(key.ref) == key
    assert repository.get(new.ref) is None
    assert all(repository.get(one.ref) is None for one in batch)
    assert logged(engine, network) == []


def test_the_event_is_the_last_statement_before_the_commit(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    key = make_key(network)
    repository.insert(key, quota=0, now_ns=NOW_NS)
    statements: list[str] = []

    def note(
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: object,
        context: object,
        executemany: bool,
    ) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", lambda _: statements.append("COMMIT"))
    try:
        repository.change(key.ref, lambda old: Change(old, (told(old),)))
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert statements[-1] == "COMMIT"
    if engine.dialect.name == "postgresql":
        # What was read, and then nothing: the rest is sent with the commit.
        assert statements[-2].startswith("SELECT ")
    else:
        assert statements[-2].startswith("INSERT INTO events")
    assert len(logged(engine, network)) == 1


def test_events_of_one_instant_are_all_kept(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    keys = [make_key(network, KeyKind.IMPORTED) for _ in range(1000)]
    repository.insert_batch(keys, quota=0, now_ns=NOW_NS, events=[told(key) for key in keys])
    with engine.connect() as connection:
        counted = select(func.count()).select_from(events).where(events.c.nid == network)
        assert connection.execute(counted).scalar_one() == 1000


def test_what_an_undone_transaction_left_is_not_sent_by_the_next_one(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    key, other = make_key(network), make_key(network)
    with pytest.raises(FailedPrecondition), writing(engine).begin() as connection:
        append(connection, [told(key)])
        raise FailedPrecondition
    with writing(engine).begin() as connection:
        append(connection, [told(other)])
    assert [row.key_id for row in logged(engine, network)] == [other.key_id]


def test_a_conflict_is_no_warning(
    repository: SqlKeyRepository, network: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver logs an error that it meets twice."""
    key = make_key(network)
    repository.insert(key, quota=0, now_ns=NOW_NS, event=told(key))
    with pytest.raises(ApiKeyExists):
        repository.insert(key, quota=0, now_ns=NOW_NS, event=told(key))
    assert repository.get(key.ref) == key
    assert not caplog.records
