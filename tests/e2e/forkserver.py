"""Starts servers as ``talos serve`` does, without the start of an interpreter each time.

Most of what a start takes is imports. Here a process imports the program once and forks for every
server; all that the server itself does at a start (configuration, database, listeners, workers)
it does again. Run as a program of its own: ``python -m tests.e2e.forkserver``.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from tests.e2e.processes import PYTHON, clean_environment


class ForkServer:
    """The process that forks; servers outlive it."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [PYTHON, "-m", "tests.e2e.forkserver"],
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def start(self, arguments: Sequence[str], log: Path) -> int:
        """Run ``talos`` with ``arguments`` in a session of its own; return its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(arguments), str(log)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def main() -> None:
    """Fork a server for each line of standard input; each answers with its process id."""
    import talos.cli.serve  # noqa: F401  (what every server would import)

    # Nobody waits for the servers: the kernel reaps them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while line := sys.stdin.readline():
        arguments, log = json.loads(line)
        if os.fork() == 0:
            _serve(arguments, log)


def _serve(arguments: list[str], log: str) -> NoReturn:
    from talos.__main__ import main as talos

    code = 1
    try:
        os.setsid()
        print(os.getpid(), flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor, onto in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, onto)
        sys.argv = ["talos", *arguments]
        talos()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        # Never back into the loop of the parent.
        os._exit(code)


if __name__ == "__main__":
    main()
