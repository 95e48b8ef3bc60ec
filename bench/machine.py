"""What a figure has to be read beside: the machine, the versions, the commit."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from bench.tools import ROOT, Missing, find

_PACKAGES: Final = (
    "talos",
    "Cython",
    "falcon",
    "gunicorn",
    "uvloop",
    "msgspec",
    "SQLAlchemy",
    "uvicorn",
    "httptools",
    "fastapi",
    "redis",
    "hiredis",
    "Django",
    "djangorestframework",
    "djangorestframework-api-key",
    "cachebox",
    "pymacaroons",
    "PyJWT",
)
_PROGRAMS: Final = {
    "nginx": ("-v",),
    "wrk": ("-v",),
    "redis-server": ("--version",),
    "node": ("--version",),
    "cc": ("--version",),
}
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


def describe(cores: Sequence[int]) -> dict[str, Any]:
    """Return what the machine is, and how busy it was before the run."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "cores_used": list(cores),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return the versions of everything that takes part and is there."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for program, arguments in _PROGRAMS.items():
        said = _said([program, *arguments])
        number = _VERSION.search(said)
        if number is not None:
            found[program] = number.group()
    return found


def commit() -> tuple[str, bool]:
    """Return the commit of the working tree, and whether the tree differs from it."""
    head = _said(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]).strip()
    changes = _said(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
    return head or "unknown", bool(changes.strip())


def use_cores(wanted: Sequence[int]) -> list[int]:
    """Let this process, and so all that it starts, run on ``wanted`` cores only.

    Without any wanted, on the first two. Returns the cores. Raises ``ValueError`` for one that the
    process may not use.
    """
    allowed = sorted(os.sched_getaffinity(0))
    chosen = sorted(set(wanted)) or allowed[:2]
    if not set(chosen) <= set(allowed):
        raise ValueError(f"of the cores {chosen} only {allowed} may be used")
    os.sched_setaffinity(0, chosen)
    return chosen


def doubts(description: dict[str, Any]) -> list[str]:
    """Return what a reader of the figures should distrust about the machine."""
    found = []
    cores = len(description["cores_used"])
    if description["load_before"] > 0.5 * cores:
        found.append(
            f"the machine was busy before the run (load {description['load_before']} on {cores} "
            "cores): ratios are disturbed, and times are worth nothing"
        )
    if cores < 2:
        found.append("one core: the load generator and the server take turns")
    return found


def _said(command: Sequence[str]) -> str:
    """Return what a program prints, nothing if it is not there."""
    try:
        program = find(command[0])
    except Missing:
        return ""
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
