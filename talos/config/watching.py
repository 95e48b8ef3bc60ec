"""Notices that a file may have changed, however it was changed.

A file is edited in place, replaced by a rename, or swapped by turning a symbolic link somewhere on
the way to it (Kubernetes does that). So the directories are watched in which any link of the way,
or the file itself, stands; and because notifications can fail (network file systems, exhausted
limits, a directory that was itself replaced), the file is looked at from time to time anyway.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from watchfiles import watch

_RECHECK_S: Final = 1.0
_STEP_S: Final = 0.05
_QUIET_S: Final = 0.1
# A file that is empty or gone is most likely about to be written.
_QUIET_EMPTY_S: Final = 1.0
_MOST_LINKS: Final = 40

_Signature: TypeAlias = tuple[int, ...] | None
_Signatures: TypeAlias = tuple[_Signature, ...]
_Directory: TypeAlias = tuple[str, _Signature]


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
        directories = _directories_of(paths)
        for _ in _wakeups(directories, stop):
            while not (stop.is_set() or quiet()):
                known = _settled(paths, stop)
                look(quiet)
            if stop.is_set() or _directories_of(paths) != directories:
                break


def _directories_of(paths: Sequence[Path]) -> tuple[_Directory, ...]:
    """Return the directories of all ``paths``, each once."""
    return tuple(dict.fromkeys(found for path in paths for found in directories_of(path)))


def directories_of(path: Path) -> tuple[_Directory, ...]:
    """Return the directories whose entries decide what the absolute ``path`` leads to.

    Each comes with its identity, so that a directory which takes another's place is told apart.
    Where something on the way is missing, the directory that should hold it is the last one.
    """
    found: dict[Path, None] = {}
    here, ahead = Path(path.anchor), list(path.parts[1:])
    links = 0
    while ahead and links < _MOST_LINKS:
        name = ahead.pop(0)
        if name == "..":
            here = here.parent
            continue
        entry = here / name
        if entry.is_symlink():
            links += 1
            found[here] = None
            target = entry.readlink()
            here = Path(target.anchor) if target.is_absolute() else here
            ahead = [part for part in target.parts if part != target.anchor] + ahead
        elif not ahead or not entry.is_dir():
            found[here] = None
            break
        else:
            here = entry
    return tuple((str(directory), _identity(directory)) for directory in found)


def _wakeups(directories: tuple[_Directory, ...], stop: threading.Event) -> Iterator[None]:
    """Yield now, after every event in the directories, and at least every ``_RECHECK_S``."""
    yield
    try:
        for _ in watch(
            *(name for name, _ in directories),
            watch_filter=None,
            recursive=False,
            stop_event=stop,
            step=round(_STEP_S * 1000),
            debounce=round(_QUIET_S * 1000),
            rust_timeout=round(_RECHECK_S * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            yield
    except (OSError, RuntimeError):
        # No notifications to be had here: the clock alone has to do.
        while not stop.wait(_RECHECK_S):
            yield


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


def _identity(directory: Path) -> _Signature:
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
