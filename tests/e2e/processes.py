"""Server processes as a person starts them, and what a test may want to know about one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""How long a test waits for what must happen. Nothing is asserted about how long it took."""
REPOSITORY = Path(__file__).parents[2]
PYTHON = sys.executable


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nothing listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def eventually(attempt: Callable[[], T | None], what: str) -> T:
    """Call ``attempt`` until it returns something true."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        result = attempt()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment without what configures a server, plus ``variables``."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("TALOS_", "DB_"))
    }
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return inherited | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": path} | variables


class Server:
    """A process tree that serves ``port`` and answers probes on ``metrics_port``."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        port: int,
        metrics_port: int | None,
        environment: Mapping[str, str] | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        self.port = port
        self.metrics_port = metrics_port
        self._log = folder / f"stderr-{port}.log"
        with self._log.open("wb") as log:
            # A session of its own, so that a test can find and end whatever is left of it.
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environment or clean_environment()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                pass_fds=inherited,
            )

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.destroy()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything on standard error so far."""
        return self._log.read_text()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The log as JSON; every line has to be a record."""
        return [json.loads(line) for line in self.log.splitlines()]

    @property
    def workers(self) -> set[int]:
        """The processes that the master has forked and not yet reaped."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def wait_ready(self) -> "Server":
        """Wait until probes are answered with 200, or until the process is gone."""

        def ready() -> bool:
            assert self._process.poll() is None, self.log
            port = self.metrics_port or self.port
            return try_get(port, "/health/ready") == 200

        eventually(ready, "a ready server")
        return self

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        return self._process.wait(PATIENCE_S)

    def stdout(self) -> str:
        """Everything on standard output, once the process has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.read().decode()

    def stdout_lines(self) -> "list[str]":
        """The next lines of standard output, up to an empty read or a line of ``Ctrl-C``."""
        assert self._process.stdout is not None
        lines: list[str] = []
        while line := self._process.stdout.readline().decode():
            lines.append(line)
            if "Ctrl-C" in line:
                break
        return lines

    @property
    def last_line(self) -> str:
        """The last line on standard error."""
        return self.log.splitlines()[-1]

    def stop(self) -> int:
        """End it as a person would; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def destroy(self) -> None:
        """Kill what is left of the session."""
        for pid in session(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def session(leader: int) -> list[int]:
    """The processes of the session that ``leader`` began."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # pid (name) state ppid pgrp session ...
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                members.append(int(entry.name))
    return members


def try_get(port: int, path: str) -> int | None:
    """The status of a GET, None when nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
        return response.status
    except OSError:
        return None
    finally:
        connection.close()


def say(port: int, data: bytes) -> bytes:
    """Send ``data`` on a connection of its own and return everything until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(data)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    received = bytearray()
    while piece := connection.recv(65536):
        received += piece
    return bytes(received)
