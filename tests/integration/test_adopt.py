"""Adoption of the free edition's database file (contract 8.6)."""

import threading
from pathlib import Path

import pytest

from talos.adapters.sql import migrate
from talos.adapters.sql.adopt import Adoption, adopt
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import (
    Key,
    KeyKind,
    KeyRef,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
    RevocationReason,
)
from talos.errors import ConfigurationError, FailedPrecondition, SchemaBehind
from tests.integration.old_edition import NETWORK, TIME_NS, OldEdition
from tests.support.writes import change

ISSUED_ID = "4f9c1a52-0000-4000-8000-00000000000a"
IMPORTED_ID = "8b52f945087b56ec0a840c95c5e65ed48828f9f50d48b4f29a233ce856b9f43c"


@pytest.fixture
def old(tmp_path: Path) -> OldEdition:
    folder = tmp_path / "old"
    folder.mkdir()
    return OldEdition(folder / "old.db")


def take_over(old: OldEdition, dsn: str, batch_rows: int = 500) -> Adoption:
    return adopt(parse_dsn(old.dsn), parse_dsn(dsn), batch_rows=batch_rows)


def stored(dsn: str, kind: KeyKind, key_id: str, network_id: str = NETWORK) -> Key | None:
    engine = create_engine(parse_dsn(dsn))
    try:
        return SqlKeyRepository(engine).get(KeyRef(network_id, kind, key_id))
    finally:
        engine.dispose()


def test_every_column_comes_over(old: OldEdition, database_dsn: str) -> None:
    old.add_issued(
        ISSUED_ID,
        name="Schlüssel \U0001f511",
        actor_id="user_1",
        scopes='["read","schreiben:ü","read"]'.encode(),
        status=2,
        metadata='{"b":1,"a":{"n":12345678901234567890}}',
        last_used_at="2026-11-21 20:24:31 +0000 UTC",
        expires_at="2026-12-31 23:59:59.000000001 +0000 UTC",
        updated_at="2026-11-22 00:00:00.5 +0000 UTC",
        rate_limit_quota=100,
        rate_limit_window=60,
        revocation_reason=4,
        revocation_reason_text="moved",
        allowed_cidrs=b'["10.0.0.0/8"]',
        request_id="req-1",
        visibility=2,
        token_prefix="pub",
    )
    old.add_imported(IMPORTED_ID, metadata=None, allowed_cidrs=None, expires_at=None)
    assert take_over(old, database_dsn) == Adoption(adopted=2, already_there=0, faults=())
    second_ns = 1_000_000_000
    day_s = TIME_NS // second_ns // 86_400 * 86_400
    assert stored(database_dsn, KeyKind.ISSUED, ISSUED_ID) == Key(
        kind=KeyKind.ISSUED,
        network_id=NETWORK,
        key_id=ISSUED_ID,
        name="Schlüssel \U0001f511",
        actor_id="user_1",
        scopes=("read", "schreiben:ü", "read"),
        metadata=Metadata('{"b":1,"a":{"n":12345678901234567890}}'),
        status=KeyStatus.REVOKED,
        visibility=KeyVisibility.PUBLIC,
        created_at_ns=TIME_NS,
        updated_at_ns=(day_s + 86_400) * second_ns + 500_000_000,
        expires_at_ns=(day_s + 41 * 86_400 - 1) * second_ns + 1,
        last_used_at_ns=TIME_NS // second_ns * second_ns,
        rate_limit=RateLimitPolicy(100, 60),
        allowed_cidrs=("10.0.0.0/8",),
        revocation_reason=RevocationReason.PRIVILEGE_WITHDRAWN,
        revocation_description="moved",
        request_id="req-1",
        token_prefix="pub",
    )
    imported = stored(database_dsn, KeyKind.IMPORTED, IMPORTED_ID)
    assert imported is not None
    assert imported.metadata == "{}"
    assert imported.allowed_cidrs == ()
    assert imported.expires_at_ns is None
    assert imported.token_prefix is None


def test_it_can_be_run_again(old: OldEdition, database_dsn: str) -> None:
    for number in range(7):
        old.add_issued(f"key-{number}")
    assert take_over(old, database_dsn, batch_rows=3).adopted == 7
    engine = create_engine(parse_dsn(database_dsn))
    changed = change(
        SqlKeyRepository(engine),
        KeyRef(NETWORK, KeyKind.ISSUED, "key-3"),
        lambda key: Key(**{**_fields(key), "name": "changed here"}),
    )
    engine.dispose()
    old.add_issued("key-7")
    again = take_over(old, database_dsn, batch_rows=3)
    assert (again.adopted, again.already_there, again.faults) == (1, 7, ())
    assert stored(database_dsn, KeyKind.ISSUED, "key-3") == changed


def _fields(key: Key) -> dict[str, object]:
    return {name: getattr(key, name) for name in key.__slots__}


BAD_ROWS = {
    "scopes": b'["a"',
    "metadata": b"[]",
    "allowed_cidrs": b"[1]",
    "created_at": "yesterday",
    "expires_at": "2026-02-30 00:00:00 +0000 UTC",
    "name": "nul\0",
    "actor_id": b"\xff",
    "request_id": "x" * 37,
    "status": 7,
    "rate_limit_quota": "many",
    "token_prefix": "p" * 17,
}


@pytest.mark.parametrize("column", BAD_ROWS)
def test_a_bad_row_is_reported_and_the_rest_goes_on(
    old: OldEdition, sqlite_dsn: str, column: str
) -> None:
    old.add_issued("before")
    old.add_issued("bad", **{column: BAD_ROWS[column]})
    old.add_issued("after")
    outcome = take_over(old, sqlite_dsn)
    assert outcome.adopted == 2
    (fault,) = outcome.faults
    assert (fault.table, fault.network_id, fault.key_id) == ("issued_api_keys", NETWORK, "bad")
    assert column in fault.problem
    assert stored(sqlite_dsn, KeyKind.ISSUED, "bad") is None
    assert stored(sqlite_dsn, KeyKind.ISSUED, "after") is not None


def test_a_bad_id_is_named(old: OldEdition, sqlite_dsn: str) -> None:
    old.add_issued(b"\xffbad")  # type: ignore[arg-type]
    (fault,) = take_over(old, sqlite_dsn).faults
    assert fault.key_id == "\\xffbad"


def test_a_row_that_the_new_database_refuses_does_not_stop_its_batch(
    old: OldEdition, database_dsn: str
) -> None:
    """The new database has a key of its own with the same request id."""
    old.add_issued("key-1", request_id="r")
    take_over(old, database_dsn)
    with old.opened() as connection:
        connection.execute("DELETE FROM issued_api_keys")
    old.add_issued("key-2")
    old.add_issued("key-3", request_id="r")
    old.add_issued("key-4", nid="11111111-1111-1111-1111-111111111111")
    old.add_issued("key-5")
    outcome = take_over(old, database_dsn)
    assert outcome.adopted == 2
    assert {(fault.key_id, fault.problem) for fault in outcome.faults} == {
        ("key-3", "its request_id belongs to another key"),
        ("key-4", "the new database refuses it"),
    }
    assert stored(database_dsn, KeyKind.ISSUED, "key-5") is not None


def test_values_that_never_took_effect_take_none(old: OldEdition, sqlite_dsn: str) -> None:
    old.add_issued("quota-only", rate_limit_quota=5, visibility=9, revocation_reason=9)
    old.add_issued("zero-window", rate_limit_quota=5, rate_limit_window=0, request_id="")
    old.add_issued("long-text", revocation_reason_text="x" * 100_000, metadata=b"null")
    assert take_over(old, sqlite_dsn).faults == ()
    quota_only = stored(sqlite_dsn, KeyKind.ISSUED, "quota-only")
    zero_window = stored(sqlite_dsn, KeyKind.ISSUED, "zero-window")
    long_text = stored(sqlite_dsn, KeyKind.ISSUED, "long-text")
    assert quota_only is not None
    assert zero_window is not None
    assert long_text is not None
    assert quota_only.rate_limit is zero_window.rate_limit is None
    assert quota_only.visibility is KeyVisibility.SECRET
    assert quota_only.revocation_reason is RevocationReason.UNSPECIFIED
    assert zero_window.request_id is None
    assert long_text.revocation_description == "x" * 100_000
    assert long_text.metadata == "{}"


def test_several_networks_come_over(old: OldEdition, sqlite_dsn: str) -> None:
    other = "550e8400-e29b-41d4-a716-446655440001"
    with old.opened() as connection:
        connection.execute("INSERT INTO networks VALUES (?, 'never', NULL)", (other,))
    for number in range(6):
        old.add_imported(f"key-{number}", nid=(NETWORK, other)[number % 2])
    assert take_over(old, sqlite_dsn).adopted == 6
    assert stored(sqlite_dsn, KeyKind.IMPORTED, "key-1", other) is not None
    assert stored(sqlite_dsn, KeyKind.IMPORTED, "key-1") is None


def test_progress_reaches_the_total(old: OldEdition, sqlite_dsn: str) -> None:
    for number in range(5):
        old.add_issued(f"issued-{number}")
        old.add_imported(f"imported-{number}")
    seen: list[tuple[int, int]] = []
    adopt(
        parse_dsn(old.dsn),
        parse_dsn(sqlite_dsn),
        progress=lambda done, total: seen.append((done, total)),
        batch_rows=2,
    )
    assert seen == [(2, 10), (4, 10), (5, 10), (7, 10), (9, 10), (10, 10)]


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_the_old_file_and_its_folder_stay_as_they_were(
    old: OldEdition, sqlite_dsn: str, journal_mode: str
) -> None:
    old.add_issued("key")
    with old.opened() as connection:
        connection.execute(f"PRAGMA journal_mode = {journal_mode}")
    before = snapshot(old.path)
    assert take_over(old, sqlite_dsn).adopted == 1
    assert snapshot(old.path) == before


def snapshot(path: Path) -> tuple[object, ...]:
    """What must not change about a file and its folder."""
    return path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_the_old_server_may_go_on_writing(
    old: OldEdition, sqlite_dsn: str, journal_mode: str
) -> None:
    """Between two batches the old server can take its lock at once, as it never waits for it."""
    for number in range(20):
        old.add_issued(f"key-{number:02}")
    with old.opened() as writer:
        writer.execute(f"PRAGMA journal_mode = {journal_mode}")
        writer.execute("PRAGMA busy_timeout = 0")
        written: list[int] = []

        def write(done: int, _: int) -> None:
            writer.execute("UPDATE issued_api_keys SET name = 'x'")
            writer.commit()
            written.append(done)

        outcome = adopt(parse_dsn(old.dsn), parse_dsn(sqlite_dsn), progress=write, batch_rows=5)
    assert outcome.adopted == 20
    assert written == [5, 10, 15, 20]


def test_two_adoptions_at_once_bring_every_key_once(old: OldEdition, database_dsn: str) -> None:
    for number in range(40):
        old.add_issued(f"key-{number:02}")
    outcomes: list[Adoption] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(take_over(old, database_dsn, 7)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome.adopted for outcome in outcomes) == 40
    assert all(outcome.faults == () for outcome in outcomes)


def test_other_files_are_refused(
    old: OldEdition, sqlite_dsn: str, tmp_path: Path, postgres_dsn: str
) -> None:
    target = parse_dsn(sqlite_dsn)
    with pytest.raises(FailedPrecondition, match="no file"):
        adopt(parse_dsn(f"sqlite://{tmp_path}/nowhere.db"), target)
    with pytest.raises(FailedPrecondition, match="no database of the system"):
        adopt(target, target)
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database" * 100)
    with pytest.raises(FailedPrecondition, match="cannot be read"):
        adopt(parse_dsn(f"sqlite://{garbage}"), target)
    with pytest.raises(ConfigurationError, match="SQLite"):
        adopt(parse_dsn(postgres_dsn), target)
    with old.opened() as connection:
        connection.execute("UPDATE schema_migrations SET version = 2")
    with pytest.raises(FailedPrecondition, match="version 2"):
        adopt(parse_dsn(old.dsn), target)


def test_the_target_must_be_migrated(old: OldEdition, tmp_path: Path) -> None:
    target = parse_dsn(f"sqlite://{tmp_path}/new.db")
    with pytest.raises(SchemaBehind, match="talos migrate up"):
        adopt(parse_dsn(old.dsn), target)
    assert not (tmp_path / "new.db").exists()


def test_the_old_file_is_no_target(old: OldEdition) -> None:
    before = snapshot(old.path)
    url = parse_dsn(old.dsn)
    with pytest.raises(FailedPrecondition, match="another system"):
        migrate.up(url)
    with pytest.raises(FailedPrecondition, match="another system"):
        migrate.down(url)
    with pytest.raises(SchemaBehind, match="another system"):
        adopt(url, url)
    assert migrate.status(url).foreign
    assert snapshot(old.path) == before
