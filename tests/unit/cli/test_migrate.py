"""``talos migrate`` on SQLite: what it says, and which database it takes."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.schema_version import latest_version
from talos.domain.keys import NIL_NETWORK, KeyKind
from tests.integration.old_edition import OldEdition
from tests.integration.repository_contract import add
from tests.integration.sample_keys import make_key
from tests.support.cli import Run

LATEST = latest_version()
VARIABLES = ("DB_DSN", "TALOS_DB_DSN", "DSN")


@pytest.fixture(autouse=True)
def no_database_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def dsn(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/talos.db"


@pytest.fixture
def migrate(talos: Run, dsn: str) -> Callable[..., str]:
    """Run a migrate command that must succeed; everything it says is on stderr."""

    def run(command: str, *args: str) -> str:
        result = talos("migrate", command, "--database", dsn, *args)
        assert (result.exit_code, result.stdout) == (0, ""), result.stderr
        return result.stderr

    return run


def test_up_down_and_status(migrate: Callable[..., str], dsn: str) -> None:
    status = f"Driver: sqlite\nCurrent version: {{}}\nLatest version: {LATEST} ({{}} pending)\n"
    fresh = "Status: not initialised\n" + status.format("none", LATEST)
    clean = "Status: clean\n" + status.format(LATEST, 0)
    plural = "" if LATEST == 1 else "s"
    assert migrate("status") == fresh
    assert migrate("up") == (
        f"Applied {LATEST} migration{plural}: the schema has version {LATEST}.\n"
    )
    assert migrate("status") == clean
    assert migrate("status", "--block") == clean
    assert migrate("up") == f"Nothing to apply: the schema has version {LATEST}.\n"
    assert migrate("down", "--yes", "--steps", str(LATEST + 3)) == (
        f"This rolls back migrations of {dsn}; no keys are lost.\n"
        f"Rolled back {LATEST} migration{plural}: the database is not initialised.\n"
        f"There were no more than {LATEST} of the {LATEST + 3} asked for.\n"
    )
    assert migrate("down") == "Nothing to roll back: the database is not initialised.\n"


def test_force(migrate: Callable[..., str]) -> None:
    migrate("up")
    assert migrate("force", "--", "-1") == "Set: the database is not initialised.\n"
    assert "Status: not initialised" in migrate("status")
    assert migrate("force", "7x") == "Set: the schema has version 7.\n"
    assert "Current version: 7\n" in migrate("status")
    assert "Status: clean" in migrate("status", "--block")


@pytest.mark.parametrize(
    "line",
    ["force x", "force ''", "force -- -2", "down --steps 0", "down --steps -1", "up --steps 1"],
)
def test_refused(talos: Run, dsn: str, line: str) -> None:
    command, *rest = line.replace("''", "").split(" ")
    result = talos("migrate", command, "--database", dsn, *rest)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr) > 10


def test_a_schema_of_the_future(talos: Run, migrate: Callable[..., str], dsn: str) -> None:
    migrate("force", str(LATEST + 1))
    for command in ("up", "down"):
        result = talos("migrate", command, "--database", dsn)
        assert result.exit_code == 1
        assert str(LATEST + 1) in result.stderr


def test_block_waits_for_another_to_migrate(
    migrate: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            migrate("up")

    monkeypatch.setattr(time, "sleep", sleep)
    assert "Status: clean" in migrate("status", "--block")
    assert waited == [1.0] * 3


def test_block_can_be_interrupted(talos: Run, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    assert talos("migrate", "status", "--block", "--database", dsn).exit_code == 1


def test_the_tables_of_another_system(talos: Run, tmp_path: Path, dsn: str) -> None:
    with sqlite3.connect(tmp_path / "talos.db") as connection:
        connection.execute("CREATE TABLE schema_migrations (version INTEGER, dirty BOOLEAN)")
        connection.execute("CREATE TABLE issued_api_keys (nid TEXT, key_id TEXT)")
    connection.close()
    result = talos("migrate", "status", "--database", dsn)
    assert result.exit_code == 0
    assert "talos migrate adopt" in result.stderr
    for args in (["status", "--block"], ["up"]):
        result = talos("migrate", *args, "--database", dsn)
        assert result.exit_code == 1
        assert "another system" in result.stderr


def test_the_database_is_the_first_that_is_named(
    talos: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "talos.yaml"
    file.write_text(f"db:\n  dsn: sqlite://{tmp_path}/config.db\n")

    def made() -> set[str]:
        assert talos("migrate", "up", "--config", str(file)).exit_code == 0
        found = {path.stem for path in tmp_path.glob("*.db")}
        for path in tmp_path.glob("*.db*"):
            path.unlink()
        return found

    assert made() == {"config"}
    for name in reversed(VARIABLES):
        monkeypatch.setenv(name, f"sqlite://{tmp_path}/{name}.db")
        assert made() == {name}
    monkeypatch.setenv("DB_DSN", "")
    assert made() == {"TALOS_DB_DSN"}
    result = talos("migrate", "up", "--database", str(tmp_path / "bare.db"))
    assert result.exit_code == 0
    assert (tmp_path / "bare.db").exists()


@pytest.mark.parametrize("name", ["DB_DSN_FILE", "TALOS_DB_DSN_FILE"])
def test_the_database_may_be_named_in_a_file(
    talos: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "dsn"))
    result = talos("migrate", "up")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{name}: no such file" in result.stderr
    assert str(tmp_path) not in result.stderr, "it may be the DSN itself"
    (tmp_path / "dsn").write_text(f"sqlite://{tmp_path}/named.db\n")
    assert talos("migrate", "up").exit_code == 0
    assert (tmp_path / "named.db").exists()
    monkeypatch.setenv(name.removesuffix("_FILE"), f"sqlite://{tmp_path}/other.db")
    result = talos("migrate", "up")
    assert (result.exit_code, "expected one of the two" in result.stderr) == (1, True)
    assert not (tmp_path / "other.db").exists()
    assert talos("migrate", "up", "--database", str(tmp_path / "bare.db")).exit_code == 0


def test_another_database_for_serve_is_told(
    talos: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (f"sqlite://{tmp_path}/{name}.db" for name in ("one", "other"))

    def warnings(*args: str) -> list[str]:
        result = talos("migrate", "status", *args)
        assert (result.exit_code, result.stdout) == (0, "")
        assert str(tmp_path) not in result.stderr
        return [line for line in result.stderr.splitlines() if line.startswith("warning: ")]

    monkeypatch.setenv("DB_DSN", one)
    assert warnings() == []
    monkeypatch.setenv("TALOS_DB_DSN", one)
    assert warnings() == []
    monkeypatch.setenv("TALOS_DB_DSN", other)
    assert warnings() == [
        "warning: DB_DSN and TALOS_DB_DSN name different databases: "
        "this command takes DB_DSN, talos serve takes TALOS_DB_DSN"
    ]
    # What the command line says was meant for this command.
    assert warnings("--database", one) == []


def test_no_database_is_named(talos: Run, tmp_path: Path) -> None:
    file = tmp_path / "talos.yaml"
    file.write_text("log:\n  level: debug\n")
    for args in ([], ["--config", str(file)]):
        result = talos("migrate", "up", *args)
        assert result.exit_code == 1
        assert result.stderr.startswith("no database is named: give --database, ")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgres://user:test-password@",
        "postgress://user:test-password@h/db",
        "user:test-password@h/db",
        "mysql://user:test-password@h/db",
        "mysql://user:test-password",
        "sqlite:///nowhere/at/all.db?password=test-password",
        "sqlite://:memory:",
    ],
)
def test_a_password_is_never_printed(talos: Run, dsn: str) -> None:
    result = talos("migrate", "status", "--database", dsn)
    if "nowhere" not in dsn:
        assert result.exit_code == 1
    assert "test-password" not in result.output


def test_a_faulty_file_of_settings(talos: Run, tmp_path: Path) -> None:
    file = tmp_path / "talos.yaml"
    file.write_text("secrets: {hmac: {current: test-secret-for-hmac-0123456789abcdef")
    result = talos("migrate", "up", "--config", str(file))
    assert result.exit_code == 1
    assert "test-secret" not in result.output
    result = talos("migrate", "up", "--config", str(tmp_path / "none.yaml"))
    assert result.exit_code == 1


def test_a_database_that_cannot_be_opened_is_explained(talos: Run, tmp_path: Path) -> None:
    result = talos("migrate", "up", "--database", f"sqlite://{tmp_path}/none/talos.db")
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr
    file = tmp_path / "text.db"
    file.write_text("this is no database " * 100)
    result = talos("migrate", "status", "--database", f"sqlite://{file}")
    assert result.exit_code == 1
    assert "file is not a database" in result.stderr


def test_adopt(talos: Run, migrate: Callable[..., str], tmp_path: Path, dsn: str) -> None:
    old = OldEdition(tmp_path / "old.db")
    old.add_issued("k1")
    old.add_imported("k2")
    migrate("up")
    assert migrate("adopt", "--from", old.dsn) == "Adopted 2 keys; 0 were there already.\n"
    assert migrate("adopt", "--from", old.dsn) == "Adopted 0 keys; 2 were there already.\n"
    old.add_issued("k3", scopes=b"[not json")
    old.add_issued("k4")
    result = talos("migrate", "adopt", "--from", old.dsn, "--database", dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    report = result.stderr.splitlines()
    assert report[0].startswith("issued_api_keys 00000000-0000-0000-0000-000000000000 k3: ")
    assert report[1:] == ["Adopted 1 key; 2 were there already.", "1 could not be taken over"]


def test_adopt_counts_one_as_one(migrate: Callable[..., str], tmp_path: Path) -> None:
    old = OldEdition(tmp_path / "old.db")
    old.add_issued("k1")
    migrate("up")
    assert migrate("adopt", "--from", old.dsn) == "Adopted 1 key; 0 were there already.\n"
    assert migrate("adopt", "--from", old.dsn) == "Adopted 0 keys; 1 was there already.\n"


@pytest.mark.parametrize("source", ["sqlite:///nowhere/old.db", "postgres://h/db", "old.txt"])
def test_adopt_from_what_is_no_such_file(
    talos: Run, migrate: Callable[..., str], dsn: str, source: str
) -> None:
    migrate("up")
    result = talos("migrate", "adopt", "--from", source, "--database", dsn)
    assert result.exit_code == 1
    assert len(result.stderr) > 10


def test_adopt_into_a_database_that_is_not_migrated(talos: Run, tmp_path: Path, dsn: str) -> None:
    old = OldEdition(tmp_path / "old.db")
    result = talos("migrate", "adopt", "--from", old.dsn, "--database", dsn)
    assert result.exit_code == 1
    assert "talos migrate up" in result.stderr


@pytest.fixture
def two_keys(migrate: Callable[..., str], tmp_path: Path, dsn: str) -> Callable[[], int]:
    """A database with an issued and an imported key; returns how many tables of keys there are."""
    migrate("up")
    engine = create_engine(parse_dsn(dsn))
    try:
        SqlDatabase(engine).ensure_network(NIL_NETWORK)
        for kind in KeyKind:
            add(SqlKeyRepository(engine), make_key(NIL_NETWORK, kind))
    finally:
        engine.dispose()

    def tables() -> int:
        with sqlite3.connect(tmp_path / "talos.db") as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            found = sum("key" in name for (name,) in names)
        connection.close()
        return found

    return tables


def test_down_without_a_terminal_wants_yes(
    talos: Run, dsn: str, two_keys: Callable[[], int]
) -> None:
    before = two_keys()
    down = ("migrate", "down", "--database", dsn, "--steps", str(LATEST))
    for stdin in ("", "yes\n"):
        result = talos(*down, stdin=stdin)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            f"This drops 1 issued key and 1 imported key of {dsn}, for good.\n"
            "nothing was changed: where no terminal can be asked, give --yes\n"
        )
        assert two_keys() == before > 0
    assert talos(*down, "--yes").exit_code == 0
    assert two_keys() == 0


@pytest.mark.parametrize(("answer", "goes"), [("yes\n", True), ("y\n", False), ("\n", False)])
def test_down_asks_on_a_terminal(
    talos: Run,
    dsn: str,
    two_keys: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    goes: bool,
) -> None:
    monkeypatch.setattr("talos.cli.migrate._on_terminal", lambda: True)
    result = talos("migrate", "down", "--database", dsn, "--steps", str(LATEST), stdin=answer)
    assert (result.exit_code, result.stdout) == (0 if goes else 1, "")
    assert 'Type "yes" to go on' in result.stderr
    assert (two_keys() == 0) == goes


def test_down_warns_of_a_server(talos: Run, dsn: str, two_keys: Callable[[], int]) -> None:
    """Another process holds a connection, as a server's workers do."""
    assert two_keys() > 0
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('SELECT count(*) FROM sqlite_master').fetchone()\n"
        "print('connected', flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = dsn.removeprefix("sqlite://")
    down = ("migrate", "down", "--database", dsn)
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"connected\n"
        assert "a server seems to run on it" in talos(*down).stderr
        other.communicate(b"")
    assert "a server seems to run" not in talos(*down).stderr


@pytest.mark.parametrize("line", ["down", "down --yes", "status", "status --block", "up"])
def test_a_folder_that_is_not_there(talos: Run, tmp_path: Path, line: str) -> None:
    result = talos("migrate", *line.split(), "--database", f"sqlite://{tmp_path}/no/talos.db")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{tmp_path}/no/talos.db" in result.stderr
    assert not (tmp_path / "no").exists()
