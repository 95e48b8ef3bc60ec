"""Notices that a file has changed, however it was changed.

A file is edited in place, replaced by a rename, or swapped by turning a symbolic link somewhere on
the way to it (Kubernetes does that). What ``stat`` says of the path tells all of these, on network
file systems too, and nothing else: notifications of the system would come for every write to a
directory, which may hold the database.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

_POLL_S: Final = 0.2
_STEP_S: Final = 0.05
_QUIET_S: Final = 0.1
# A file that is empty or gone is most likely about to be written.
_QUIET_EMPTY_S: Final = 1.0

_Signature: TypeAlias = tuple[int, ...] | None
_Signatures: TypeAlias = tuple[_Signature, ...]


def follow(
    paths: Sequence[Path], stop: threading.Event, look: Callable[[Callable[[], bool]], None]
) -> None:
    """Call ``look`` now and whenever a file has changed and all are quiet again, until ``stop``.

    ``look`` is also called for changes that leave the contents as they were. It is given a function
    that tells whether the files are quiet still; once that says False, ``look`` is called again
    later. It must not raise.
    """
    known: _Signatures | None = None

    def quiet() -> bool:
        return known is not None and _signatures(paths) == known

    while not stop.is_set():
        if quiet():
            stop.wait(_POLL_S)
        else:
            known = _settled(paths, stop)
            look(quiet)


def _settled(paths: Sequence[Path], stop: threading.Event) -> _Signatures:
    """Wait until nobody is writing any more; return what the files look like then."""
    latest = _signatures(paths)
    quiet_since_s = time.monotonic()
    while not stop.wait(_STEP_S):
        now_s = time.monotonic()
        signatures = _signatures(paths)
        if signatures != latest:
            latest, quiet_since_s = signatures, now_s
        empty = any(signature is None or signature[2] == 0 for signature in latest)
        if now_s - quiet_since_s >= (_QUIET_EMPTY_S if empty else _QUIET_S):
            break
    return latest


def _signatures(paths: Sequence[Path]) -> _Signatures:
    return tuple(_signature(path) for path in paths)


def _signature(path: Path) -> _Signature:
    """Return what differs when the file was written or replaced; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
