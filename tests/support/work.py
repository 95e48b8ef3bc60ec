"""Whether the work for a text grows with its length, told apart from the load of the machine.

What is measured is the processor time of the calling thread, at its best of several runs, so that
waiting counts for nothing. Two lengths far apart are compared, and a square is told from a line by
a wide margin: eight times the text is eight times the work, or sixty-four times.
"""

import time
from collections.abc import Callable

SMALL = 1024
LARGE = 8 * SMALL
HARMLESS_S = 0.003
"""So little work at ``LARGE`` is no square of it, at a nanosecond and more for each step."""
WORST_RATIO = 24
_ATTEMPTS = 4
_RUNS = 3


def cost_s(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    start_s = time.thread_time()
    call()
    return time.thread_time() - start_s


def grows_faster(work: Callable[[int], Callable[[], object]]) -> bool:
    """Tell whether a call costs clearly more than eight times as much for eight times the size.

    ``work`` prepares a call for a size.
    """
    small, large = work(SMALL), work(LARGE)
    if cost_s(large) < HARMLESS_S:
        return False
    for _ in range(_ATTEMPTS):
        small_s = min(cost_s(small) for _ in range(_RUNS))
        large_s = min(cost_s(large) for _ in range(_RUNS))
        if large_s < HARMLESS_S or large_s < WORST_RATIO * small_s:
            return False
    return True
