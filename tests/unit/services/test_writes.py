"""A write is held, stored with its events and told of afterwards, by one module."""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import talos.services
from talos.domain.drafts import KeyChange, RevokeDraft, SelfRevokeDraft
from talos.domain.events import AuditEvent, EventName, Requester, changed_members, event_id
from talos.domain.keys import Key, RevocationReason
from talos.errors import ServiceUnavailable
from tests.support.fakes.harness import DRAFT, ServiceHarness
from tests.support.fakes.tenants import TENANT

REQUESTER = Requester("request-1", "192.0.2.1", "", "curl/8")
RAW_KEY = "test-raw-key"


def update(harness: ServiceHarness, key: Key, secret: str) -> None:
    change = KeyChange(name="renamed", scopes=("read",))
    harness.services.update.update(TENANT, key.kind, key.key_id, change, None, REQUESTER)


def revoke(harness: ServiceHarness, key: Key, secret: str) -> None:
    draft = RevokeDraft(RevocationReason.KEY_COMPROMISE)
    harness.services.revoke.revoke(TENANT, key.kind, key.key_id, draft, REQUESTER)


def self_revoke(harness: ServiceHarness, key: Key, secret: str) -> None:
    harness.services.revoke.self_revoke(TENANT, SelfRevokeDraft(secret), REQUESTER)


def rotate(harness: ServiceHarness, key: Key, secret: str) -> None:
    change = KeyChange(name="successor")
    harness.services.rotate.rotate(TENANT, key.key_id, change, REQUESTER)


def delete(harness: ServiceHarness, key: Key, secret: str) -> None:
    harness.services.delete.delete(TENANT, key.key_id, REQUESTER)


def imported(harness: ServiceHarness) -> tuple[Key, str]:
    key = harness.services.imports.import_key(TENANT, replace(DRAFT, raw_key=RAW_KEY))
    harness.events.clear()
    return key, RAW_KEY


ISSUED = ServiceHarness.issue
WRITES = [
    pytest.param(ISSUED, update, EventName.ISSUED_UPDATED, ("name", "scopes"), id="update"),
    pytest.param(
        ISSUED,
        revoke,
        EventName.ISSUED_REVOKED,
        ("status", "expire_time", "revocation_reason"),
        id="revoke",
    ),
    pytest.param(
        ISSUED, self_revoke, EventName.ISSUED_REVOKED, ("status", "expire_time"), id="self-revoke"
    ),
    pytest.param(ISSUED, rotate, EventName.ISSUED_ROTATED, ("name",), id="rotate"),
    pytest.param(imported, update, EventName.IMPORTED_UPDATED, ("name", "scopes"), id="imported"),
    pytest.param(imported, delete, EventName.IMPORTED_DELETED, (), id="delete"),
]
Make = Callable[[ServiceHarness], tuple[Key, str]]
Write = Callable[[ServiceHarness, Key, str], None]


@pytest.mark.parametrize(("make", "write", "name", "changed"), WRITES)
def test_a_write_stores_what_it_tells(
    make: Make, write: Write, name: EventName, changed: tuple[str, ...]
) -> None:
    harness = ServiceHarness()
    key, secret = make(harness)
    harness.keys.events.clear()
    harness.clock.advance(s=5)
    write(harness, key, secret)
    [stored] = harness.keys.events
    assert harness.events.events == [stored]
    assert (stored.name, stored.changed, stored.requester) == (name, changed, REQUESTER)
    assert stored.time_ns == harness.clock.now_ns()
    assert stored.actor_id == key.actor_id
    assert stored.key is not None
    if name is EventName.ISSUED_ROTATED:
        assert harness.keys.rows[stored.key].name == "successor"
    else:
        assert stored.key == key.ref


@pytest.mark.parametrize(("make", "write", "name", "changed"), WRITES)
def test_the_key_is_held_until_its_events_are_stored_and_before_they_are_told(
    make: Make, write: Write, name: EventName, changed: tuple[str, ...]
) -> None:
    harness = ServiceHarness()
    key, secret = make(harness)
    harness.keys.events.clear()
    seen: list[tuple[str, int]] = []

    def note(step: str) -> None:
        seen.append((step, harness.cache.holds[key.ref]))

    harness.keys.before_commit = lambda: note("committing")
    harness.keys.after_commit = lambda: note("committed")
    emit = harness.events.emit

    def emit_and_note(event: AuditEvent) -> None:
        note("told")
        emit(event)

    harness.events.emit = emit_and_note  # type: ignore[method-assign]
    write(harness, key, secret)
    assert seen == [("committing", 1), ("committed", 1), ("told", 0)]


@pytest.mark.parametrize(("make", "write", "name", "changed"), WRITES)
def test_a_write_that_fails_tells_nothing(
    make: Make, write: Write, name: EventName, changed: tuple[str, ...]
) -> None:
    harness = ServiceHarness()
    key, secret = make(harness)
    harness.keys.events.clear()
    harness.keys.trouble = ServiceUnavailable()
    with pytest.raises(ServiceUnavailable):
        write(harness, key, secret)
    assert harness.events.events == harness.keys.events == []


def test_new_keys_are_told_of_once_and_replays_never() -> None:
    harness = ServiceHarness()
    draft = replace(DRAFT, request_id="r")
    for _ in range(2):
        harness.services.issue.issue(TENANT, draft, REQUESTER)
        harness.services.imports.import_key(TENANT, replace(draft, raw_key=RAW_KEY), REQUESTER)
    names = [EventName.ISSUED_CREATED, EventName.IMPORTED_CREATED]
    assert [event.name for event in harness.keys.events] == names
    assert harness.events.events == harness.keys.events
    assert {event.requester for event in harness.keys.events} == {REQUESTER}


def test_a_batch_stores_events_of_what_was_imported_alone() -> None:
    harness = ServiceHarness()
    drafts = [replace(DRAFT, raw_key=raw_key) for raw_key in ("one", "two", "one", "")]
    harness.services.imports.import_batch(TENANT, drafts, REQUESTER)
    stored = [event.name for event in harness.keys.events]
    assert stored == [EventName.IMPORTED_CREATED] * 2
    assert harness.events.names == [*stored, EventName.IMPORT_FAILED, EventName.IMPORT_FAILED]


def test_ids_of_events_sort_by_their_time() -> None:
    times_ns = [0, 1_000, 999_999, 1_000_000, 10**18, 10**18 + 500, 10**18 + 10**6, 2**62]
    ids = [event_id(time_ns) for time_ns in times_ns]
    assert sorted(ids) == ids
    assert len({event_id(5) for _ in range(1000)}) == 1000
    for text in ids:
        assert text[14] == "7"
        assert text[19] in "89ab"


def test_what_always_changes_is_no_changed_member() -> None:
    key, _ = ServiceHarness().issue()
    other = replace(key, updated_at_ns=1, last_used_at_ns=1, key_id="x", token_prefix="p")
    assert changed_members(key, other) == ()
    assert changed_members(key, replace(key, allowed_cidrs=("::/0",))) == ("ip_restriction",)


def test_nothing_but_the_writer_holds_or_writes_keys() -> None:
    """Who wrote past it could forget the hold, and a revoked key would verify."""
    folder = Path(talos.services.__path__[0])
    writing = {"hold", "insert", "insert_batch", "change"}
    found = {
        (path.name, node.func.attr)
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in writing
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr in {"_keys", "_cache"}
    }
    assert found == {("writes.py", name) for name in writing}
