"""Runs the threads: ``run.py cache`` must end with 0, and ``run.py race`` be reported."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from threads import KEY_CACHE_COUNTERS, KeyCache, SharedMemory, Threads

ROUNDS = 100_000


def main(what: str) -> None:
    memory = SharedMemory(480_000)
    assert memory.attach()
    cache = KeyCache(memory)
    threads = Threads(cache)
    if what == "race":
        work = [threads.race, threads.race]
    else:
        work = [*[threads.read] * 4, *[threads.fill] * 2, threads.revoke]
    # One that had ended before the next began would race with nobody.
    start = Barrier(len(work))

    def begin(part: Callable[[int, int], int], seed: int) -> int:
        start.wait()
        return part(ROUNDS, seed)

    with ThreadPoolExecutor(len(work)) as pool:
        running = [pool.submit(begin, part, seed + 1) for seed, part in enumerate(work)]
        done = [future.result() for future in running]
    if what != "race":
        counters = memory.counters
        counted = {name: counters.read(place) for place, name in enumerate(KEY_CACHE_COUNTERS)}
        print(f"{sum(done[:4])} hits of {4 * ROUNDS} reads, none wrong; {counted}")


main(sys.argv[1])
