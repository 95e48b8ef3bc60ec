"""One server process in a folder of its own."""

import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from tests.support.servers.small_disk import on_small_disk

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_KEEPER = Path(__file__).with_name("keeper.py")
_UNPRIVILEGED_ACCOUNT = "nobody"


class StartFailed(Exception):
    """The server ended or did not answer; the text holds the end of its log."""


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_uid() -> int | None:
    """Return the account that servers run under: an unprivileged one for root, else our own."""
    return pwd.getpwnam(_UNPRIVILEGED_ACCOUNT).pw_uid if os.geteuid() == 0 else None


class ServerProcess:
    """A server that can be stopped, killed, suspended and started again on the same data.

    ``command`` is called with the folder and the port. ``answers`` raises ``OSError`` for as long
    as the server is not ready. With ``small_disk``, a size such as ``40m``, the folder ``small``
    within the server's has no more room than that.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[Path, int], Sequence[str]],
        answers: Callable[[int], None],
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        small_disk: str | None = None,
    ) -> None:
        self._name = name
        self._command = command
        self._small_disk = small_disk
        self._answers = answers
        self._stop_signal = stop_signal
        self._uid = server_uid()
        self._keeper: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"talos-{name}-"))
        if self._uid is not None:
            os.chown(self.folder, self._uid, self._uid)
        if small_disk is not None:
            self.small.mkdir()

    @property
    def small(self) -> Path:
        """The folder of the small disk, whose content only the server sees."""
        return self.folder / "small"

    def run(self, arguments: Sequence[str]) -> None:
        """Run a preparing program (such as initdb) to its end, as the server's account."""
        done = subprocess.run(
            arguments,
            cwd=self.folder,
            capture_output=True,
            user=self._uid,
            group=self._uid,
            extra_groups=None if self._uid is None else [],
            check=False,
        )
        if done.returncode != 0:
            text = (done.stdout + done.stderr).decode(errors="replace")[-4000:]
            raise StartFailed(f"{arguments[0]} exited with {done.returncode}:\n{text}")

    def start(self) -> None:
        """Start the server and return when it answers."""
        keeper = subprocess.Popen(
            [
                sys.executable,
                str(_KEEPER),
                str(self.folder),
                str(-1 if self._uid is None else self._uid),
                self._stop_signal.name,
                *self._whole_command(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Out of reach of a Ctrl-C in the terminal: the owner decides.
            start_new_session=True,
        )
        assert keeper.stdout is not None
        self._keeper = keeper
        said = keeper.stdout.readline()
        if not said:
            raise StartFailed(f"{self._name} cannot be run as the account {self._uid}")
        self.pid = int(said)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self._answers(self.port)
                return
            except OSError as error:
                if not self.running or time.monotonic() > deadline:
                    raise StartFailed(f"{self._name} did not start:\n{self._log_tail()}") from error
                time.sleep(0.05)

    def _whole_command(self) -> Sequence[str]:
        command = self._command(self.folder, self.port)
        if self._small_disk is None:
            return command
        account = os.geteuid() if self._uid is None else self._uid
        return on_small_disk(command, self.small, self._small_disk, account=account)

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        if self._keeper is None:
            return False
        ended, _, _ = select.select([self._keeper.stdout], [], [], 0)
        return not ended

    def stop(self) -> None:
        """Stop the server in an orderly way and keep its data for another ``start``."""
        self._release(keep_folder=True)

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL) and keep its data for another ``start``."""
        os.kill(self.pid, signal.SIGKILL)
        self._release(keep_folder=True)

    def suspend(self) -> None:
        """Freeze the server process: it holds its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop the server if it runs, and remove its data."""
        self._release(keep_folder=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _release(self, *, keep_folder: bool) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        keeper.communicate(b"k" if keep_folder else b"", timeout=_STOP_TIMEOUT_S)

    def _log_tail(self) -> str:
        try:
            return (self.folder / "server.log").read_text(errors="replace")[-4000:]
        except FileNotFoundError:
            return "(no log)"
