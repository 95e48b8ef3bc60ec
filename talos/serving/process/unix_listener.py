"""A Unix socket as a listener: opened, replaced where its server is gone, removed at the end.

Who may connect is decided by the mode of the file, and by the folders above it.
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_NARROWEST: Final = 0o177
"""The umask under which nobody but the owner may connect."""


def open_unix(path: str, mode: int, backlog: int) -> socket.socket:
    """Listen at ``path``, whose file has ``mode`` before anybody can connect.

    A socket that nobody listens on any more is replaced. Raises ``OSError`` for one that is in use,
    and for a file that is no socket.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _locked(Path(path).parent):
            _remove_stale(path)
            # Of this process alone, which has not started what opens files beside it.
            before = os.umask(_NARROWEST)
            try:
                listener.bind(path)
            finally:
                os.umask(before)
            Path(path).chmod(mode)
            listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def remove_unix(path: str) -> None:
    """Remove the file of a socket that was closed, unless another server listens there by now."""
    with suppress(OSError), _locked(Path(path).parent):
        _remove_stale(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other servers from looking and binding in ``folder`` at the same time."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_stale(path: str) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError(errno.EEXIST, "the file is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A listener whose queue is full answers EAGAIN.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
