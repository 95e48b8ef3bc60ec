"""A wall clock that a test can step, for the servers that it starts."""

import subprocess
import sysconfig
from pathlib import Path

from tests.e2e.shared_word import shared_word

_SOURCE = Path(__file__).with_name("shifted_clock.c")
HOUR_S = 3_600


class WallClock:
    """How far the wall clock of servers with this ``environment`` is off the system's."""

    def __init__(self, folder: Path) -> None:
        library, shift = folder / "shifted_clock.so", folder / "shift"
        compiler = sysconfig.get_config_var("CC").split()
        flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
        subprocess.run([*compiler, *flags, _SOURCE, "-o", library, "-ldl"], check=True)
        self._shift_ns = shared_word(shift, signed=True)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_SHIFT": str(shift)}

    def step_to(self, off_s: int) -> None:
        """Set the clock so many seconds ahead of the system's, or behind it."""
        self._shift_ns[0] = off_s * 1_000_000_000
