"""Files that hold private keys."""

import os
import stat
import tempfile
from pathlib import Path

from talos.cli.command import Failure


def write_private(path: str, text: str) -> None:
    """Write ``text`` to a file of mode 0600, whatever stood there and whatever its mode was.

    The old file stays whole until the new one is complete. A symbolic link is followed. Raises
    ``Failure``, also for a target that is no ordinary file (contract 13.3, 14.19).
    """
    try:
        target = Path(path).resolve()
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            raise Failure(f"cannot write {path}: not an ordinary file")
        _replace(target, text)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None


def _replace(target: Path, text: str) -> None:
    # mkstemp creates with mode 0600 and never opens what is already there.
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
