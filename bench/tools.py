"""The programs that the bench needs from the system, and the one command that brings them."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / "build" / "bench"
"""What is compiled or downloaded for the bench; never committed."""

PACKAGES: Final = {"wrk": "wrk", "nginx": "nginx", "redis-server": "redis-server", "cc": "gcc"}
_SYSTEM_FOLDERS: Final = "/usr/sbin:/usr/local/sbin"


class Missing(Exception):
    """Something is not there, so what needs it is left out. The text is for a person."""


def find(name: str) -> Path:
    """Return where a program is. Raises ``Missing``."""
    found = shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)
    if found is None:
        raise Missing(f"{name} is not installed: apt-get install -y {PACKAGES.get(name, name)}")
    return Path(found)


def install_command() -> str | None:
    """Return the one command that installs every program that is missing, if any is."""
    packages = []
    for name, package in PACKAGES.items():
        try:
            find(name)
        except Missing:
            packages.append(package)
    return f"apt-get install -y {' '.join(packages)}" if packages else None


def compiled(source: Path) -> Path:
    """Return the program of a C file, compiled once for each content. Raises ``Missing``."""
    compiler = find("cc")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    program = BUILD / f"{source.stem}-{digest}"
    if not program.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        draft = program.with_suffix(".new")
        done = subprocess.run(
            [compiler, "-O2", "-std=gnu11", "-o", draft, source, "-lm"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Missing(f"{source.name} cannot be compiled here:\n{done.stderr[-1000:]}")
        draft.rename(program)
    return program
