"""Starting a server on loopback, and ending it with all that it started."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from bench.accounting import tree

_START_S: Final = 60.0
_END_S: Final = 15.0
_POLL_S: Final = 0.05
_LOG_TAIL: Final = 2000


class StartFailed(Exception):
    """A server ended or did not answer in time; the text holds the end of its log."""


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A running server. It is ended by its process id, and so is whatever it leaves behind."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``command`` in ``folder``, where its output becomes a file."""
        self._name = Path(command[0]).name
        self._log = folder / f"{self._name}-{free_port()}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_ending_with_us(), *map(str, command)],
                cwd=folder,
                env=_environment(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Out of reach of a Ctrl-C in the terminal: the harness ends it in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process that was started, the root of all others."""
        return self._process.pid

    def wait_until(self, answers: Callable[[], bool]) -> "Program":
        """Wait until ``answers``; raises ``StartFailed`` if the server ends or takes too long."""
        deadline = time.monotonic() + _START_S
        while not _quietly(answers):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StartFailed(f"{self._name} did not start:\n{self._log_tail()}")
            time.sleep(_POLL_S)
        return self

    def close(self) -> None:
        """End it; whatever of it is still there after a while is killed."""
        members = tree(self.pid)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                members = tree(self.pid)
                self._process.kill()
                self._process.wait()
        # Only those that still belong to the session that began with the server: a process id
        # may have been given to somebody else meanwhile.
        for pid in members:
            if pid != self.pid and _session(pid) == self.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> "Program":
        """Return the program."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.close()

    def _log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-_LOG_TAIL:]


def _ending_with_us() -> list[str]:
    """Let the kernel end the server if the harness is killed, where the system has the tool."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without what configures a server of ours."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("TALOS_", "DB_"))
    }
    return inherited | {"PYTHONUNBUFFERED": "1"} | dict(extra)


def _quietly(answers: Callable[[], bool]) -> bool:
    try:
        return answers()
    except OSError:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
