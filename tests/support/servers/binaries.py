"""Where servers are found on a machine."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

_SYSTEM_FOLDERS = (Path("/usr/sbin"), Path("/usr/local/sbin"), Path("/usr/local/bin"))
_POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)


INSTALL = ": apt-get install -y "


class Unavailable(Exception):
    """A server is neither configured nor installed. The text ends with the command to run."""

    def __init__(self, product: str, variable: str, package: str) -> None:
        super().__init__(
            f"{product} is neither installed nor named in {variable}{INSTALL}{package}"
        )


def find_program(name: str) -> Path | None:
    """Return an executable from PATH or from the folders that PATH often lacks."""
    found = shutil.which(name)
    if found is not None:
        return Path(found)
    return _first_executable(folder / name for folder in _SYSTEM_FOLDERS)


def find_postgres() -> Path | None:
    """Return the folder of the newest PostgreSQL installation that can make and run a server."""
    folders = [path for pattern in _POSTGRES_FOLDERS for path in Path("/").glob(pattern[1:])]
    folders.sort(key=_version_in, reverse=True)
    initdb = _first_executable(folder / "initdb" for folder in folders) or find_program("initdb")
    if initdb is None or not os.access(initdb.parent / "postgres", os.X_OK):
        return None
    return initdb.parent


def _version_in(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(path)))


def _first_executable(candidates: Iterable[Path]) -> Path | None:
    return next((path for path in candidates if os.access(path, os.X_OK)), None)
