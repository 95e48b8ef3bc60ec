"""How many processors this process may use, in a container too."""

import math
import os
from pathlib import Path
from typing import Final

_CPU_MAX: Final = Path("/sys/fs/cgroup/cpu.max")


def usable_processors(cpu_max: Path = _CPU_MAX) -> int:
    """Return the number of cores that this process may run on, at least 1.

    A control group may grant less time than the cores it can see: a container limited to two
    processors on a large host counts two. ``cpu_max`` is that group's limit (Linux, version 2).
    """
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(seen or 1, _granted(cpu_max)))


def _granted(cpu_max: Path) -> int:
    try:
        quota, period = cpu_max.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        # No such limit: the file is absent, or says "max".
        return 1 << 30
