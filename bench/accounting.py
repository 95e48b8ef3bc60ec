"""What a process and everything it started have used, from ``/proc``."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    ticks: int
    """Spent by itself, user and system."""
    ticks_of_children: int
    """Spent by children that it has waited for."""


def tree(root: int) -> list[int]:
    """Return ``root`` and all processes below it; empty once it is gone."""
    return [process.pid for process in _tree(root)]


def cpu_s(root: int) -> float:
    """Return the processor seconds spent so far by ``root`` and all below it.

    The kernel counts in ticks of ``1 / SC_CLK_TCK`` seconds, a hundredth as a rule. What an ended
    child spent counts once its parent has waited for it.
    """
    ticks = sum(process.ticks + process.ticks_of_children for process in _tree(root))
    return ticks / _TICKS_PER_S


def pss_bytes(root: int) -> int:
    """Return the memory of ``root`` and all below it.

    Proportional set size: a page that several processes share counts once altogether.
    """
    return sum(_pss_bytes(pid) for pid in tree(root))


def listening_process(port: int) -> int | None:
    """Return the process that listens on a TCP port of this machine.

    Of several, as with forked workers, the topmost. None where it belongs to somebody else.
    """
    sockets = _listening_sockets(port)
    holders = {entry: held for entry in _pids() if (held := _sockets_of(entry) & sockets)}
    processes = {process.pid: process for process in _all()}
    for pid in sorted(holders):
        if pid in processes and processes[pid].parent not in holders:
            return pid
    return None


def command_name(pid: int) -> str:
    """Return the name of a process's program, empty once it is gone."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def _tree(root: int) -> list[_Process]:
    children: dict[int, list[_Process]] = defaultdict(list)
    found: list[_Process] = []
    for process in _all():
        children[process.parent].append(process)
        if process.pid == root:
            found.append(process)
    # The list grows while it is walked.
    for process in found:
        found.extend(children[process.pid])
    return found


def _all() -> list[_Process]:
    return [process for pid in _pids() if (process := _read(pid)) is not None]


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _read(pid: int) -> _Process | None:
    try:
        # pid (name) state ppid ... utime stime cutime cstime; the name may hold blanks.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    user, system, children_user, children_system = map(int, fields[11:15])
    return _Process(pid, int(fields[1]), user + system, children_user + children_system)


def _pss_bytes(pid: int) -> int:
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _listening_sockets(port: int) -> set[str]:
    sockets = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            # 0A is LISTEN.
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    return sockets


def _sockets_of(pid: int) -> set[str]:
    held = set()
    try:
        for entry in (_PROC / str(pid) / "fd").iterdir():
            try:
                held.add(str(entry.readlink()))
            except OSError:
                continue
    except OSError:
        return set()
    return held
