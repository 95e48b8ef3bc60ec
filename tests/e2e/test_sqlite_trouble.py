"""A server on SQLite whose file is replaced, whose disk is full, whose folder is not its own."""

import os
import shlex
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.connections import Connections, verify
from tests.e2e.processes import PYTHON, eventually, try_get
from tests.support.servers.small_disk import SmallDisk, can_mount, on_small_disk
from tests.support.talos_server import ADMIN, Serve, Talos

CACHED: dict[str, Any] = {"cache": {"type": "memory", "enabled": True, "ttl": "48h"}}
NEW_KEY = {"name": "n", "actor_id": "a"}


def path_of(dsn: str) -> Path:
    return Path(dsn.removeprefix("sqlite://"))


def backup(path: Path, copy: Path) -> None:
    """What ``.backup`` of the sqlite3 shell does."""
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.close()


def restore(copy: Path, path: Path) -> None:
    """As docs/deployment.md says: the copy takes the place of the file and of its companions."""
    for companion in ("-wal", "-shm"):
        path.with_name(path.name + companion).unlink(missing_ok=True)
    shutil.copyfile(copy, path.with_name("restored.db"))
    path.with_name("restored.db").replace(path)
    path.chmod(0o600)


def create(talos: Talos) -> int:
    return talos.ask("POST", f"{ADMIN}/issuedApiKeys", NEW_KEY)[0]


def readiness(talos: Talos) -> set[int | None]:
    """What several probes are told, on both ports."""
    ports = (talos.server.port, talos.server.metrics_port)
    return {try_get(port, "/health/ready") for port in ports for _ in range(6) if port}


def stored(path: Path) -> int:
    connection = sqlite3.connect(path)
    count = connection.execute("SELECT COUNT(*) FROM issued_api_keys").fetchone()[0]
    connection.close()
    return int(count)


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_a_file_that_is_replaced_is_noticed_by_everybody(
    serve: Serve, sqlite_dsn: str, tmp_path: Path, change: str
) -> None:
    path = path_of(sqlite_dsn)
    talos = serve(over=CACHED)
    cached = talos.issue()["secret"]
    backup(path, tmp_path / "backup.db")
    forgotten = talos.issue()["secret"]
    with Connections(talos.server, workers=2, each=1) as connections:
        each = [connection for [connection] in connections.of_worker.values()]
        for connection in each:
            connection.ask(verify(cached))
            assert connection.ask(verify(cached)).headers["ory-talos-cache"] == "HIT"
        if change == "replaced":
            restore(tmp_path / "backup.db", path)
        else:
            path.rename(tmp_path / "elsewhere.db")
        assert readiness(talos) == {503}
        for _ in range(6):
            assert create(talos) == 503
        for connection in each:
            # Neither what memory holds, nor what either file does.
            for credential in (cached, forgotten):
                answer = connection.ask(verify(credential))
                assert answer.body["error_code"] == "VERIFICATION_ERROR_INTERNAL"
    said = eventually(
        lambda: [r for r in talos.server.records if "replaced or removed" in r["msg"]], "a word"
    )
    assert all(str(path) in r["msg"] and r["level"] == "ERROR" for r in said)
    if change == "replaced":
        assert stored(path) == 1
        assert talos.server.stop() == 0
        again = serve(over=CACHED)
        assert again.verify(cached)["is_valid"] is True
        assert again.verify(forgotten)["error_code"] == "VERIFICATION_ERROR_NOT_FOUND"
        assert create(again) == 201


def test_a_worker_that_comes_after_the_change_serves_no_other_file(
    serve: Serve, sqlite_dsn: str, tmp_path: Path
) -> None:
    path = path_of(sqlite_dsn)
    talos = serve()
    talos.issue()
    backup(path, tmp_path / "backup.db")
    restore(tmp_path / "backup.db", path)
    before = talos.server.workers
    for pid in before:
        os.kill(pid, 9)
    eventually(
        lambda: len(talos.server.workers) == 2 and not talos.server.workers & before, "new workers"
    )
    assert {create(talos) for _ in range(6)} == {503}
    assert readiness(talos) == {503}


def test_the_documented_restore_brings_the_backup_back(
    serve: Serve, sqlite_dsn: str, tmp_path: Path
) -> None:
    """Stop, replace, start; with what the write-ahead log holds, as after a crash."""
    path = path_of(sqlite_dsn)
    talos = serve()
    kept = talos.issue()["secret"]
    backup(path, tmp_path / "backup.db")
    forgotten = talos.issue()["secret"]
    talos.server.destroy()
    assert path.with_name(f"{path.name}-wal").exists()
    restore(tmp_path / "backup.db", path)
    again = serve()
    assert again.verify(kept)["is_valid"] is True
    assert again.verify(forgotten)["error_code"] == "VERIFICATION_ERROR_NOT_FOUND"


# A disk without room


def keys_until_refused(talos: Talos) -> int:
    """Make keys until one is refused; return its status."""
    body = {**NEW_KEY, "metadata": {"filling": "x" * 30_000}}
    for _ in range(400):
        status, _ = talos.ask("POST", f"{ADMIN}/issuedApiKeys", body)
        if status != 201:
            return status
    raise AssertionError("there is more room than was said")


def test_a_database_without_room_is_unavailable_and_not_ready(
    serve: Serve, sqlite_dsn: str
) -> None:
    """SQLITE_FULL, by a bound of SQLite's own, which needs no privileges."""
    talos = serve(dsn=f"{sqlite_dsn}?_pragma=max_page_count(200)")
    key = talos.issue()
    assert keys_until_refused(talos) == 503
    eventually(lambda: "database or disk is full" in talos.server.log, "the cause")
    # In those workers too that have written nothing.
    assert readiness(talos) == {503}
    assert talos.verify(key["secret"])["is_valid"] is True
    connection = sqlite3.connect(path_of(sqlite_dsn))
    connection.execute("DELETE FROM issued_api_keys WHERE LENGTH(metadata) > 1000")
    connection.commit()
    connection.close()
    eventually(lambda: readiness(talos) == {200}, "a ready server")
    assert create(talos) == 201


def test_a_full_disk_is_unavailable_and_not_ready_until_there_is_room(
    serve: Serve, tmp_path: Path
) -> None:
    if not can_mount():
        pytest.skip("this account may not mount anything, even in a namespace of its own")
    folder = tmp_path / "disk"
    folder.mkdir()
    dsn = f"sqlite://{folder}/talos.db"

    def wrap(command: list[str]) -> list[str]:
        both = f"{PYTHON} -m talos migrate up --database {dsn} && exec {shlex.join(command)}"
        return on_small_disk(["sh", "-c", both], folder, "4m")

    talos = serve(dsn=dsn, over=CACHED, wrap=wrap)
    disk = SmallDisk(talos.server.pid, folder)
    key = talos.issue()
    cached = talos.issue()["secret"]
    assert talos.verify(cached)["is_valid"] is True
    disk.fill()
    assert keys_until_refused(talos) == 503
    # Which of the two it is depends on the file that has to grow.
    causes = ("database or disk is full", "disk I/O error")
    eventually(lambda: any(cause in talos.server.log for cause in causes), "the cause")
    assert readiness(talos) == {503}
    # What needs no room is served meanwhile.
    for credential in (cached, key["secret"]):
        assert talos.verify(credential)["is_valid"] is True
    disk.empty()
    eventually(lambda: readiness(talos) == {200}, "a ready server")
    assert create(talos) == 201
    assert talos.verify(key["secret"])["is_valid"] is True
    assert "Traceback" not in str(talos.ask("POST", f"{ADMIN}/issuedApiKeys", NEW_KEY))


# Whose files they are


def test_a_database_that_is_open_to_others_draws_warnings(serve: Serve, sqlite_dsn: str) -> None:
    path = path_of(sqlite_dsn)
    path.chmod(0o644)
    path.parent.chmod(0o777)
    # Whoever has the database open keeps its other files there.
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("SELECT COUNT(*) FROM networks")
    warnings = [r["msg"] for r in serve().server.records if r["level"] == "WARN"]
    for name in (f"file {path} ", f"file {path}-wal ", f"folder {path.parent} "):
        assert [w for w in warnings if name in w and "chmod o-rwx" in w], name
    path.parent.chmod(0o755)
    for companion in ("", "-wal", "-shm"):
        path.with_name(path.name + companion).chmod(0o600)
    warnings = [r["msg"] for r in serve().server.records if r["level"] == "WARN"]
    other.close()
    assert not [w for w in warnings if "chmod" in w]


@pytest.mark.parametrize("command", ["serve", "migrate up"])
def test_a_folder_that_cannot_be_written_is_named(
    serve: Serve, sqlite_dsn: str, tmp_path: Path, command: str
) -> None:
    """Root may write everywhere, unless the disk is read-only."""
    path = path_of(sqlite_dsn)
    if not can_mount():
        pytest.skip("this account may not mount anything, even in a namespace of its own")

    def wrap(serving: list[str]) -> list[str]:
        what = serving
        if command != "serve":
            what = [PYTHON, "-m", "talos", *command.split(), "--database", sqlite_dsn]
        read_only = f"mount --bind {path.parent} {path.parent} && "
        read_only += f"mount -o remount,ro,bind {path.parent} && exec {shlex.join(what)}"
        return ["unshare", "--map-root-user", "--mount", "sh", "-c", read_only]

    server = serve(ready=False, wrap=wrap).server
    assert server.wait() == 1
    assert f"{path.parent}" in server.last_line
    assert "cannot be written" in server.last_line
    assert "Traceback" not in server.log
