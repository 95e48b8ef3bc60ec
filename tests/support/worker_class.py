"""Servers started with a worker class."""

import socket
from pathlib import Path

from tests.e2e.processes import (
    PYTHON,
    Server,
)

AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[3])
os.execv(sys.executable, [sys.executable, "-m", "talos", *sys.argv[4:]])
"""


def start_with(
    listeners: list[socket.socket], configuration: Path, folder: Path, count: int = 2
) -> Server:
    """Start a server on listeners that stay open here, as a service manager does."""
    for listener in listeners:
        listener.set_inheritable(True)
    descriptors = [listener.fileno() for listener in listeners]
    return Server(
        [
            PYTHON,
            "-c",
            AS_SYSTEMD,
            *map(str, [*descriptors, count]),
            "serve",
            "--config",
            str(configuration),
        ],
        folder,
        port=listeners[0].getsockname()[1],
        metrics_port=listeners[1].getsockname()[1],
        inherited=descriptors,
    )
