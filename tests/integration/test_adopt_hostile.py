"""An old file that was made to do harm: reading it ends, in words, and executes nothing of it."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from talos.adapters.sql import old_file
from talos.adapters.sql.adopt import Adoption, adopt
from talos.adapters.sql.dsn import parse_dsn
from talos.errors import FailedPrecondition
from tests.integration.old_edition import NETWORK, TIME, OldEdition

FOR_EVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"


@pytest.fixture
def old(tmp_path: Path) -> OldEdition:
    return OldEdition(tmp_path / "old.db")


def adopted(old: OldEdition, target: str) -> Adoption:
    return adopt(parse_dsn(old.dsn), parse_dsn(target))


def columns_of(old: OldEdition, table: str) -> list[str]:
    with old.opened() as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


TABLES = ["schema_migrations", "networks", "issued_api_keys", "imported_api_keys"]


@pytest.mark.parametrize("table", TABLES)
def test_a_view_in_place_of_a_table_is_not_asked(
    old: OldEdition, sqlite_dsn: str, table: str
) -> None:
    columns = ", ".join(f"x AS {name}" for name in columns_of(old, table))
    with old.opened() as connection:
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"CREATE VIEW {table} AS {FOR_EVER} SELECT {columns} FROM n")
    with pytest.raises(FailedPrecondition, match="no plain table"):
        adopted(old, sqlite_dsn)


@pytest.mark.parametrize("named", ["issued_api_keys", "something_else"])
def test_a_view_that_calls_itself_a_table_is_not_asked(
    old: OldEdition, sqlite_dsn: str, named: str
) -> None:
    columns = ", ".join(f"x AS {name}" for name in columns_of(old, "issued_api_keys"))
    view = f"CREATE VIEW issued_api_keys AS {FOR_EVER} SELECT {columns} FROM n"
    with old.opened() as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE tbl_name = 'issued_api_keys'")
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('table', ?, 'issued_api_keys', 0, ?)", (named, view)
        )
    with pytest.raises(FailedPrecondition):
        adopted(old, sqlite_dsn)


def test_a_column_that_is_computed_is_not_read(old: OldEdition, sqlite_dsn: str) -> None:
    names = columns_of(old, "issued_api_keys")
    stored = ", ".join(name for name in names if name != "metadata")
    marks = ", ".join("1" for name in names if name != "metadata")
    with old.opened() as connection:
        connection.execute("DROP TABLE issued_api_keys")
        connection.execute(
            f"CREATE TABLE issued_api_keys ({stored}, "
            "metadata AS (hex(zeroblob(100000000))) VIRTUAL)"
        )
        connection.execute(f"INSERT INTO issued_api_keys ({stored}) VALUES ({marks})")
    with pytest.raises(FailedPrecondition, match="computes"):
        adopted(old, sqlite_dsn)


def test_a_virtual_table_is_not_read(old: OldEdition, sqlite_dsn: str) -> None:
    names = ", ".join(columns_of(old, "imported_api_keys"))
    with old.opened() as connection:
        connection.execute("DROP TABLE imported_api_keys")
        connection.execute(f"CREATE VIRTUAL TABLE imported_api_keys USING fts5({names})")
    with pytest.raises(FailedPrecondition, match="no plain table"):
        adopted(old, sqlite_dsn)


def test_a_column_named_rowid_does_not_begin_again_for_ever(
    old: OldEdition, sqlite_dsn: str
) -> None:
    old.add_issued("a")
    with old.opened() as connection:
        # Text is greater than any number: each portion would be the first.
        connection.execute("ALTER TABLE issued_api_keys ADD COLUMN rowid TEXT DEFAULT 'x'")
    with pytest.raises(FailedPrecondition, match="rowid"):
        adopted(old, sqlite_dsn)


def test_a_table_without_rowid_is_told_of(old: OldEdition, sqlite_dsn: str) -> None:
    with old.opened() as connection:
        connection.execute("DROP TABLE networks")
        connection.execute("CREATE TABLE networks (id PRIMARY KEY, created_at) WITHOUT ROWID")
    with pytest.raises(FailedPrecondition, match="cannot be read"):
        adopted(old, sqlite_dsn)


def test_triggers_and_expressions_of_the_schema_stay_unused(
    old: OldEdition, sqlite_dsn: str
) -> None:
    with old.opened() as connection:
        connection.execute(
            "CREATE TRIGGER t BEFORE INSERT ON issued_api_keys BEGIN SELECT RAISE(ABORT, 'x'); END"
        )
        connection.execute("CREATE INDEX e ON networks (length(hex(id)))")
        connection.execute(f"CREATE VIEW v AS {FOR_EVER} SELECT x FROM n")
    old.add_imported("b")
    assert adopted(old, sqlite_dsn).adopted == 1


@pytest.mark.parametrize("companion", ["-journal", "-wal", "-shm"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_beside_the_file_is_not_waited_for(
    old: OldEdition, sqlite_dsn: str, companion: str, make: Callable[[str], None]
) -> None:
    make(f"{old.path}{companion}")
    with pytest.raises(FailedPrecondition, match=f"{companion} is no file"):
        adopted(old, sqlite_dsn)


@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, sqlite_dsn: str, what: str) -> None:
    path = tmp_path / "old.db"
    {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda p: p.symlink_to("/dev/zero")}[what](
        path
    )
    with pytest.raises(FailedPrecondition, match="no file"):
        adopt(parse_dsn(f"sqlite://{path}"), parse_dsn(sqlite_dsn))


def test_a_huge_value_is_a_fault_of_its_row(old: OldEdition, sqlite_dsn: str) -> None:
    for number in range(4):
        old.add_issued(f"good-{number}")
    with old.opened() as connection:
        connection.execute(
            "UPDATE issued_api_keys SET metadata = zeroblob(300000000) WHERE key_id = 'good-1'"
        )
        connection.execute(
            "UPDATE issued_api_keys SET key_id = zeroblob(300000000) WHERE key_id = 'good-2'"
        )
    outcome = adopted(old, sqlite_dsn)
    assert outcome.adopted == 2
    assert [(fault.network_id, fault.key_id) for fault in outcome.faults] == [
        (NETWORK, "good-1"),
        (NETWORK, "None"),
    ]
    assert all("longer than 1048576 bytes" in fault.problem for fault in outcome.faults)


def test_many_large_rows_are_not_held_at_once(old: OldEdition, sqlite_dsn: str) -> None:
    """Each is below the bound of a value; together they are beyond that of a portion."""
    for number in range(40):
        old.add_issued(f"key-{number:02}", metadata=b'{"a":"' + b"x" * 900_000 + b'"}')
    with old.opened() as connection:
        total = connection.execute("SELECT COUNT(*) FROM issued_api_keys").fetchone()
    assert total == (40,)
    file = old_file.OldFile(old.path)
    portions = [
        len(portion)
        for portion in file.portions("issued_api_keys", ["metadata"], 500, lambda _: None)
    ]
    file.close()
    assert sum(portions) == 40
    assert max(portions) < 25
    assert adopted(old, sqlite_dsn).adopted == 40


def test_a_schema_without_end_is_told_of(old: OldEdition, sqlite_dsn: str) -> None:
    with old.opened() as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = sql || zeroblob(3000000) WHERE name = 'networks'"
        )
    with pytest.raises(FailedPrecondition, match="cannot be read"):
        adopted(old, sqlite_dsn)


def test_a_locked_file_is_not_waited_for_for_ever(
    old: OldEdition, sqlite_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_file, "BUSY_TIMEOUT_S", 0.1)
    with old.opened() as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FailedPrecondition, match="locked"):
            adopted(old, sqlite_dsn)


# Trees with loops


class Pages:
    """A file, page by page."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.data = bytearray(path.read_bytes())
        self.size = int.from_bytes(self.data[16:18], "big")

    def root(self, table: str) -> int:
        connection = sqlite3.connect(self._path)
        statement = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        [root] = connection.execute(statement, (table,)).fetchone()
        connection.close()
        return int(root)

    def page(self, number: int) -> bytearray:
        return self.data[(number - 1) * self.size : number * self.size]

    def put(self, number: int, page: bytes) -> None:
        self.data[(number - 1) * self.size : number * self.size] = page

    def append(self, page: bytes) -> int:
        self.data += page
        count = len(self.data) // self.size
        self.data[28:32] = count.to_bytes(4, "big")
        return count

    def write(self) -> None:
        self._path.write_bytes(self.data)


def pointing_at(interior: bytearray, child: int) -> bytes:
    """An inner page all of whose children are one and the same."""
    assert interior[0] == 5
    page = bytearray(interior)
    for number in range(int.from_bytes(page[3:5], "big")):
        cell = int.from_bytes(page[12 + 2 * number : 14 + 2 * number], "big")
        page[cell : cell + 4] = child.to_bytes(4, "big")
    page[8:12] = child.to_bytes(4, "big")
    return bytes(page)


def with_many_rows(old: OldEdition) -> Pages:
    names = columns_of(old, "issued_api_keys")
    with old.opened() as connection:
        for number in range(1000):
            values = dict.fromkeys(names, "x") | {
                "nid": NETWORK,
                "key_id": f"key-{number:05}",
                "metadata": "x" * 1000,
                "request_id": f"request-{number}",
                "created_at": TIME,
            }
            marks = ", ".join("?" * len(names))
            row = [values[name] for name in names]
            connection.execute(f"INSERT INTO issued_api_keys VALUES ({marks})", row)
    return Pages(old.path)


def test_rows_that_come_again_are_told_of(old: OldEdition, sqlite_dsn: str) -> None:
    pages = with_many_rows(old)
    root = pages.root("issued_api_keys")
    interior = pages.page(root)
    cell = int.from_bytes(interior[14:16], "big")
    pages.put(root, pointing_at(interior, int.from_bytes(interior[cell : cell + 4], "big")))
    pages.write()
    with pytest.raises(FailedPrecondition, match="out of order"):
        adopted(old, sqlite_dsn)


def test_a_tree_that_is_endless_to_walk_is_given_up(
    old: OldEdition, sqlite_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inner pages over inner pages, each with hundreds of times the same child."""
    monkeypatch.setattr(old_file, "STEP_TIMEOUT_S", 0.3)
    with_many_rows(old)
    with old.opened() as connection:
        # Without an index rows are counted in the tree of the table.
        connection.execute("CREATE TABLE plain AS SELECT * FROM issued_api_keys")
        connection.execute("DROP TABLE issued_api_keys")
        connection.execute("ALTER TABLE plain RENAME TO issued_api_keys")
    pages = Pages(old.path)
    root = pages.root("issued_api_keys")
    interior = pages.page(root)
    cell = int.from_bytes(interior[12:14], "big")
    child = int.from_bytes(interior[cell : cell + 4], "big")
    for _ in range(10):
        child = pages.append(pointing_at(interior, child))
    pages.put(root, pointing_at(interior, child))
    pages.write()
    with pytest.raises(FailedPrecondition, match="took longer"):
        adopted(old, sqlite_dsn)
