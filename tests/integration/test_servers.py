"""The throwaway servers themselves."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.missing_services import open_or_skip, report_missing
from tests.support.servers import ServerProcess, Unavailable, binaries, redis
from tests.support.servers.process import StartFailed

REPOSITORY_ROOT = Path(__file__).parents[2]

OWNER = """
    import sys
    from tests.support.servers.redis import redis_process
    server = redis_process()
    server.start()
    print(server.folder, server.port, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def server(redis_service: object) -> ServerProcess:
    """A Redis of one's own, not started; asking for the shared one skips where there is none."""
    return redis.redis_process()


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def gone(folder: Path) -> bool:
    """Wait for a folder to go; the suite's own time limit ends a wait for nothing."""
    pause = threading.Event()
    for _ in range(600):
        if not folder.exists():
            return True
        pause.wait(0.05)
    return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_server_ends_with_its_owner(redis_service: object, end: signal.Signals | None) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER)],
        cwd=REPOSITORY_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    folder, port = owner.stdout.readline().decode().split()
    assert Path(folder).is_dir()
    assert not refuses(int(port))
    if end is not None:
        owner.send_signal(end)
    owner.communicate()
    assert gone(Path(folder))
    assert refuses(int(port))


def test_a_server_runs_unprivileged_and_alone(server: ServerProcess) -> None:
    with server:
        server.start()
        status = Path(f"/proc/{server.pid}/status").read_text()
        uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
        assert uid != "0"
        assert server.folder.stat().st_mode & 0o077 == 0
        assert server.running
        server.kill()
        assert not server.running
        assert refuses(server.port)
        server.start()
        server.suspend()
        server.resume()
        server.stop()
        assert refuses(server.port)
        assert server.folder.is_dir()
    assert not server.folder.exists()


def test_a_suspended_server_can_be_closed(server: ServerProcess) -> None:
    server.start()
    server.suspend()
    server.close()
    assert refuses(server.port)
    assert not server.folder.exists()


def test_a_server_that_does_not_start_tells_its_log() -> None:
    def refuse(port: int) -> None:
        raise ConnectionRefusedError

    broken = ServerProcess(
        "broken",
        lambda folder, port: ["/bin/sh", "-c", "echo no such luck"],
        refuse,
    )
    with broken, pytest.raises(StartFailed, match="no such luck"):
        broken.start()
    other = ServerProcess("broken", lambda *_: [], refuse)
    with other, pytest.raises(StartFailed, match=r"exited with 3:\nno luck"):
        other.run(["/bin/sh", "-c", "echo no luck; exit 3"])


def unavailable() -> Any:
    raise Unavailable("Example", "TALOS_TEST_EXAMPLE", "example-server")


def test_missing_is_skipping_or_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALOS_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install -y example-server"):
        open_or_skip(unavailable)
    monkeypatch.setenv("TALOS_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install -y example-server"):
        open_or_skip(unavailable)


def test_the_summary_names_one_command() -> None:
    written: list[str] = []
    reports = [
        SimpleNamespace(longrepr=("file", 1, f"Skipped: {Unavailable(name, 'V', package)}"))
        for name, package in (("B", "b-server"), ("A", "a-server"), ("B", "b-server"))
    ]
    reports.append(SimpleNamespace(longrepr=("file", 1, "Skipped: for another reason")))
    reporter: Any = SimpleNamespace(
        stats={"skipped": reports},
        section=lambda text, **_: written.append(text),
        line=written.append,
    )
    report_missing(reporter)
    assert written == [
        "tests that did not run for want of a server",
        "1 tests: A is neither installed nor named in V",
        "2 tests: B is neither installed nor named in V",
        "To run them: apt-get install -y a-server b-server",
    ]


def test_programs_are_found_outside_of_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert binaries.find_program("no-such-program") is None
    for folder in binaries._SYSTEM_FOLDERS:
        for path in folder.glob("*"):
            if path.is_file() and os.access(path, os.X_OK):
                assert binaries.find_program(path.name) is not None
                return


def test_configured_servers_are_used_and_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.servers import open_mysql, open_postgres, open_redis

    monkeypatch.setenv("TALOS_TEST_POSTGRES", "postgres://u:p@host/db")
    monkeypatch.setenv("TALOS_TEST_MYSQL", "mysql://u:p@tcp(host:3306)/db")
    monkeypatch.setenv("TALOS_TEST_REDIS", "redis://host")
    assert (open_postgres().dsn, open_postgres().process) == ("postgres://u:p@host/db", None)
    assert (open_mysql().dsn, open_mysql().process) == ("mysql://u:p@tcp(host:3306)/db", None)
    assert (open_redis().url, open_redis().process) == ("redis://host", None)
    monkeypatch.setenv("TALOS_TEST_MYSQL", "mysql://host/db")
    with pytest.raises(ValueError, match="must look like"):
        open_mysql()
