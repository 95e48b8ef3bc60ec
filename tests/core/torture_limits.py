"""Kills processes that count calls of keys whose rate limit's window grows meanwhile.

``python -m tests.core.torture`` runs it after its own. Four callers share a few keys at one
instant; a random one is killed again and again and replaced, and each time the window grows by a
thousandth. What is looked for:

forgotten    a call that passed, and that the limit no longer knows of in the end;
invented     more used than passed and died, by more than a window that grows may make of it: a
             caller that still counts under the window of before keeps the time until recovery,
             which is a larger share of that one;
wedged       a key that has not its whole quota when it has recovered.
"""

import os
import random
import signal
import time
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from talos._core import RateLimits

CALLERS: Final = 4
KEYS: Final = 5
QUOTA: Final = 200_000_000
"""More than pass in a minute, and a divisor of every window in nanoseconds: nothing is rounded."""
FIRST_WINDOW_S: Final = 1_000
LAST_WINDOW_S: Final = 1_200
KILL_EVERY_S: Final = 0.02

_NETWORK: Final = "00000000-0000-0000-0000-000000000000"
_START_NS: Final = 10**15
_NS_PER_S: Final = 10**9


@dataclass(frozen=True)
class LimitsReport:
    """What was seen in one run."""

    kills: int
    passed: int
    window_s: int
    forgotten: int
    invented: int
    wedged: int

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong, and the run was worth something."""
        seen = self.kills and self.passed and self.window_s > FIRST_WINDOW_S
        return bool(seen) and not (self.forgotten or self.invented or self.wedged)


def run(seconds: float, seed: int) -> LimitsReport:
    """Kill, replace and make the window grow for that long, then compare what is left."""
    chance = random.Random(seed)
    words = memoryview(mmap(-1, 8 * (2 + CALLERS * KEYS))).cast("B").cast("Q")
    clock, window, passed = words[:1], words[1:2], words[2:]
    clock[0], window[0] = _START_NS, FIRST_WINDOW_S
    limits = RateLimits(1 << 16, clock=clock)
    callers = [_start(limits, window, passed, place) for place in range(CALLERS)]
    kills = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(KILL_EVERY_S)
        place = chance.randrange(CALLERS)
        _end(callers[place])
        kills += 1
        window[0] = min(window[0] + 1, LAST_WINDOW_S)
        callers[place] = _start(limits, window, passed, place)
    for pid in callers:
        _end(pid)
    told = [sum(passed[key::KEYS]) for key in range(KEYS)]
    used = [QUOTA - 1 - _remaining(limits, key, window[0]) for key in range(KEYS)]
    growth = (window[0] / FIRST_WINDOW_S) ** CALLERS
    clock[0] += window[0] * _NS_PER_S
    return LimitsReport(
        kills=kills,
        passed=sum(told),
        window_s=window[0],
        forgotten=sum(max(t - u, 0) for t, u in zip(told, used, strict=True)),
        # Each who was killed may have counted one call that it could tell nobody of.
        invented=sum(u > (t + kills + CALLERS) * growth for t, u in zip(told, used, strict=True)),
        wedged=sum(_remaining(limits, key, window[0]) != QUOTA - 1 for key in range(KEYS)),
    )


def _start(limits: RateLimits, window: memoryview, passed: memoryview, place: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            number = place
            while True:
                number = (number + 1) % KEYS
                answer = limits.admit(_NETWORK, str(number), QUOTA, window[0])
                if answer is not None and answer[0]:
                    passed[place * KEYS + number] += 1
        finally:
            os._exit(1)
    return pid


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _remaining(limits: RateLimits, key: int, window_s: int) -> int:
    """How many calls are left after one more; -1 where that one did not pass."""
    answer = limits.admit(_NETWORK, str(key), QUOTA, window_s)
    return answer[1] if answer is not None and answer[0] else -1
