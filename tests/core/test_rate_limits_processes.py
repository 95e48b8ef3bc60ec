"""Rate limits of many processes: exactly what is permitted, whoever asks and whoever dies."""

import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from mmap import mmap
from multiprocessing import get_context
from threading import Thread
from typing import Final

from talos._core import RateLimits
from tests.core import torture_limits
from tests.reference.gcra import NS_PER_S, Gcra
from tests.reference.permitted import Call, assert_permitted

NETWORK: Final = "00000000-0000-0000-0000-000000000000"
PROCESSES: Final = 8
THREADS: Final = 8
WORKERS: Final = PROCESSES * THREADS
SMALLEST: Final = 2432
PLACES: Final = 16
START_NS: Final = 1_000 * NS_PER_S

_FORK: Final = get_context("fork")


def shared_words(count: int) -> memoryview:
    """Unsigned 64-bit words that forked processes share; each is written by one of them."""
    return memoryview(mmap(-1, 8 * count)).cast("B").cast("Q")


def fork(work: Callable[[], None]) -> int:
    """Fork a process that calls ``work`` and ends; return its id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@contextmanager
def processes(work: Callable[[int], None], count: int = PROCESSES) -> Iterator[None]:
    """Fork processes that call ``work`` with their numbers. All must end well, after the block."""
    pids = [fork(partial(work, number)) for number in range(count)]
    try:
        yield
        while pids:
            assert os.waitpid(pids.pop(), 0)[1] == 0
    finally:
        for pid in pids:
            kill(pid)


def in_threads(work: Callable[[int], None]) -> Callable[[int], None]:
    """Have every process call ``work`` from ``THREADS`` threads, each with a number of its own."""

    def run(process: int) -> None:
        threads = [
            Thread(target=work, args=(process * THREADS + number,)) for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def test_exactly_what_is_permitted_passes_in_every_window() -> None:
    """64 workers ask for one key until all are refused, at one time after the other."""
    board = shared_words(4)
    board[0] = START_NS
    limits = RateLimits(1 << 16, clock=board[:1])
    passed = shared_words(WORKERS)
    rounds = 60
    barrier = _FORK.Barrier(WORKERS + 1)

    def work(worker: int) -> None:
        for _ in range(rounds):
            barrier.wait()
            quota, window_s = board[1], board[2]
            count = 0
            while (answer := limits.admit(NETWORK, "k", quota, window_s)) is not None and answer[0]:
                count += 1
            passed[worker] = count
            barrier.wait()

    oracle = Gcra()
    chance = random.Random(4)
    with processes(in_threads(work)):
        for number in range(rounds):
            # Mostly one policy, over parts of windows and whole ones; now and then another.
            quota, window_s = (640, 10) if number % 6 else (chance.randint(1, 2_000), 7)
            board[0] += chance.choice([0, 1, NS_PER_S // 3, NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S])
            board[1], board[2] = quota, window_s
            expected = 0
            while oracle.admit("k", quota, window_s, board[0])[0]:
                expected += 1
            barrier.wait()
            barrier.wait()
            assert sum(passed) == expected
    assert limits.unenforced == 0


def test_processes_that_claim_the_last_places_agree() -> None:
    """At one time and with more keys than places: a key is counted at every call, or at none."""
    clock = shared_words(1)
    clock[0] = START_NS
    limits = RateLimits(SMALLEST, clock=clock)
    keys, quota, calls, rounds = 40, 25, 400, 25
    outcomes = {kind: shared_words(PROCESSES * keys) for kind in ("passed", "refused", "uncounted")}
    barrier = _FORK.Barrier(PROCESSES + 1)

    def work(process: int) -> None:
        chance = random.Random(process)
        for _ in range(rounds):
            barrier.wait()
            for _ in range(calls):
                key = chance.randrange(keys)
                answer = limits.admit(NETWORK, str(key), quota, 1)
                kind = "uncounted" if answer is None else "passed" if answer[0] else "refused"
                outcomes[kind][process * keys + key] += 1
            barrier.wait()

    total = 0
    with processes(work):
        for _ in range(rounds):
            for words in outcomes.values():
                words[:] = memoryview(bytes(8 * len(words))).cast("Q")
            clock[0] += NS_PER_S
            barrier.wait()
            barrier.wait()
            passed, refused, uncounted = (
                [sum(words[key::keys]) for key in range(keys)] for words in outcomes.values()
            )
            counted = [key for key in range(keys) if passed[key]]
            assert len(counted) == PLACES
            for key in range(keys):
                asked = passed[key] + refused[key] + uncounted[key]
                assert passed[key] == (min(asked, quota) if key in counted else 0)
                assert uncounted[key] == (0 if key in counted else asked)
            total += sum(uncounted)
    assert limits.unenforced == total


def test_killed_processes_cost_a_call_at_most_and_block_nobody() -> None:
    """They are killed wherever they are, while others go on; each may take one call with it."""
    clock = shared_words(1)
    limits = RateLimits(SMALLEST, clock=clock)
    keys, quota, window_s = 5, 1_000_000, 1
    living, slots, rounds = 4, 20, 8
    chance = random.Random(9)

    def ask_for_good(generation: int, slot: int, passed: memoryview) -> None:
        chance = random.Random(generation * slots + slot)
        while True:
            key = chance.randrange(keys)
            answer = limits.admit(NETWORK, f"{generation} {key}", quota, window_s)
            if answer is not None and answer[0]:
                passed[slot * keys + key] += 1

    for generation in range(rounds):
        clock[0] = START_NS + generation * 10 * NS_PER_S
        passed = shared_words(slots * keys)
        pids = [fork(partial(ask_for_good, generation, slot, passed)) for slot in range(living)]
        try:
            for slot in range(living, slots):
                goal = sum(passed) + chance.randrange(1_000)
                while sum(passed) < goal:
                    os.sched_yield()
                kill(pids.pop(0))
                pids.append(fork(partial(ask_for_good, generation, slot, passed)))
        finally:
            for pid in pids:
                kill(pid)
        for key in range(keys):
            told = sum(passed[key::keys])
            answer = limits.admit(NETWORK, f"{generation} {key}", quota, window_s)
            assert answer is not None
            used = quota - answer[1] - 1
            assert told <= used <= told + slots
    # No place was lost with those who died.
    clock[0] += 10 * NS_PER_S
    answers = [limits.admit(NETWORK, f"after {number}", 1, 1) for number in range(PLACES + 1)]
    assert [answer is not None for answer in answers] == [True] * PLACES + [False]


def test_no_death_forgets_a_call_while_the_window_grows() -> None:
    """The short form of the second half of ``make torture``."""
    report = torture_limits.run(seconds=3, seed=4)
    assert report.clean, report


def test_exactly_what_is_permitted_passes_in_real_time() -> None:
    """64 workers against the system's clock, over three windows."""
    limits = RateLimits(1 << 16)
    quota, window_s, windows = 40, 1, 3
    interval_ns = window_s * NS_PER_S // quota
    read, write = _FORK.Pipe(duplex=False)
    sending = _FORK.Lock()
    barrier = _FORK.Barrier(WORKERS)

    def work(_: int) -> None:
        calls = []
        barrier.wait()
        end_ns = time.monotonic_ns() + windows * window_s * NS_PER_S
        refusals = 0
        while (before_ns := time.monotonic_ns()) < end_ns:
            answer = limits.admit(NETWORK, "k", quota, window_s)
            after_ns = time.monotonic_ns()
            assert answer is not None
            refusals += not answer[0]
            if answer[0] or refusals % 500 == 1:
                afresh = answer[0] and answer[2] == interval_ns
                calls.append(Call(before_ns, after_ns, answer[0], afresh))
        with sending:
            write.send(calls)

    with processes(in_threads(work)):
        calls = [call for _ in range(WORKERS) for call in read.recv()]
    assert_permitted(calls, quota, interval_ns)
