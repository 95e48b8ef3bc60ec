"""Whether the time of a comparison tells where the first difference lies.

    python bench/timing_compare.py [--measurements N]

For each function that must be constant-time, two classes of wrong input are timed in a random
order: the first differs from the right one in its first byte, the second in its last. Welch's
t-test then says whether the two samples can have the same mean, after the method of dudect
(Reparaz, Balasch and Verbauwhede, 2017): the samples are also cut at several percentiles, because
interrupts lie above them and a leak below, and the t of the largest magnitude counts. Beyond 4.5
there is a difference; what is below is no proof that there is none, only that this many
measurements do not show it.

Where an object lies in memory has an effect of its own, larger than what is looked for. So each
class is a pool of equal objects, made in a random order, and one piece of code times them all.

A difference is believed when it shows twice, each time with new objects.

Two controls: last byte against last byte, where nothing may be found, and bytes equality, which
stops at the first difference and must be caught. A test that does not see a known leak says nothing
about the rest.

Exit status: 0 if all verdicts are as they should be, 1 if not.
"""

import argparse
import gc
import math
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from talos import _core

THRESHOLD = 4.5
PERCENTILES = (50, 75, 90, 95, 99, 100)
"""Of each pair of samples, the part that is kept."""

POOL = 256
"""Objects of each class."""

SECRET = b"test-secret-for-hmac-0123456789abcdef"
KEY_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


@dataclass(frozen=True)
class Case:
    """One function, and how to make an input that is wrong in one byte only."""

    name: str
    calls: int
    """In one measurement: enough of them that the clock's own resolution does not matter."""
    wrong_at: Callable[[int], Any]
    function: Callable[[Any], bool]
    places: tuple[int, int] = (0, -1)
    """Where the inputs of the two classes are wrong."""
    leaks: bool = False
    """Whether a difference is what should be found."""


def changed(data: bytes, place: int) -> bytes:
    """The data with one bit of the byte at ``place`` turned over."""
    copy = bytearray(data)
    copy[place] ^= 1
    return bytes(copy)


def compare_digest(size: int, places: tuple[int, int] = (0, -1)) -> Case:
    """The comparison itself."""
    right = os.urandom(size)
    return Case(
        f"compare_digest, {size} bytes" + (", control" if places == (-1, -1) else ""),
        max(1, 256 * 32 // size),
        lambda place: changed(right, place),
        lambda wrong: _core.compare_digest(right, wrong),
        places,
    )


def checksum_valid() -> Case:
    """Wrong checksums, whose digests differ from the right one in one byte."""
    key = _core.mint_issued_key("ory_ak", 1_750_000_000, KEY_ID, SECRET)
    signed, _, checksum = key.rpartition("_")
    digest = _core.base58_decode(checksum)
    return Case(
        "checksum_valid",
        8,
        lambda place: _core.parse_issued_key(
            f"{signed}_{_core.base58_encode(changed(digest, place))}"
        ),
        lambda wrong: _core.checksum_valid(wrong, (SECRET,)),
    )


def macaroon_signature_valid() -> Case:
    """Wrong signatures of one macaroon."""
    root_keys = (_core.macaroon_root_key(SECRET),)
    token = _core.macaroon_encode(b"issuer", b"identifier", (b"{}",), root_keys[0])
    return Case(
        "macaroon_signature_valid",
        4,
        lambda place: _core.macaroon_decode(token[:-32] + changed(token[-32:], place)),
        lambda wrong: _core.macaroon_signature_valid(wrong, root_keys),
    )


def bytes_equality() -> Case:
    """What a leak looks like."""
    right = os.urandom(4096)
    return Case(
        "bytes ==, 4096 bytes, control",
        64,
        lambda place: changed(right, place),
        lambda wrong: right == wrong,
        leaks=True,
    )


def measure(case: Case, measurements: int) -> tuple[list[int], list[int]]:
    """Nanoseconds of each measurement, by class."""
    order = random.SystemRandom()
    pools: tuple[list[Any], list[Any]] = ([], [])
    for number in order.sample([0, 1] * POOL, 2 * POOL):
        pools[number].append(case.wrong_at(case.places[number]))
    if any(map(case.function, pools[0] + pools[1])):
        raise RuntimeError(f"{case.name} accepts a wrong input")

    plan = [0, 1] * (measurements // 2)
    order.shuffle(plan)
    samples: tuple[list[int], list[int]] = ([], [])
    function, calls, clock = case.function, range(case.calls), time.perf_counter_ns
    gc.disable()
    try:
        for turn, number in enumerate(plan):
            wrong = pools[number][turn % POOL]
            start = clock()
            for _ in calls:
                function(wrong)
            samples[number].append(clock() - start)
    finally:
        gc.enable()
    return samples


def welch(a: Sequence[int], b: Sequence[int]) -> float:
    """Welch's t of two samples; 0 where they are too small or do not vary."""
    if min(len(a), len(b)) < 2:
        return 0.0
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    variance_a = sum((value - mean_a) ** 2 for value in a) / (len(a) - 1)
    variance_b = sum((value - mean_b) ** 2 for value in b) / (len(b) - 1)
    spread = math.sqrt(variance_a / len(a) + variance_b / len(b))
    return (mean_a - mean_b) / spread if spread else 0.0


def largest_t(first: Sequence[int], last: Sequence[int]) -> float:
    """The t of the largest magnitude over the percentiles. Each cut is at one time for both."""
    both = sorted([*first, *last])
    results = []
    for percentile in PERCENTILES:
        limit = both[min(len(both) - 1, len(both) * percentile // 100)]
        results.append(
            welch(
                [value for value in first if value <= limit],
                [value for value in last if value <= limit],
            )
        )
    return max(results, key=abs)


def examine(case: Case, measurements: int) -> bool:
    """Prints what was measured, and whether there is a difference.

    One that is found must be found again, in the same direction, with other objects: what their
    places in memory do to a class does not repeat, a leak does.
    """
    directions = []
    for _ in range(2):
        first, last = measure(case, measurements)
        t = largest_t(first, last)
        found = abs(t) > THRESHOLD
        medians = [sorted(sample)[len(sample) // 2] / case.calls for sample in (first, last)]
        print(
            f"  {case.name:32} {medians[0]:9.1f} ns {medians[1]:9.1f} ns   t = {t:9.2f}   "
            f"{'difference' if found else 'no difference'}",
            flush=True,
        )
        if not found:
            return False
        directions.append(t > 0)
    return directions[0] == directions[1]


def main(arguments: Sequence[str]) -> int:
    """Prints a table and a verdict."""
    parser = argparse.ArgumentParser(description="Timing test of the constant-time comparisons")
    parser.add_argument("--measurements", type=int, default=200_000, help="of each function")
    measurements = parser.parse_args(arguments).measurements

    cases = (
        compare_digest(32),
        compare_digest(1024),
        checksum_valid(),
        macaroon_signature_valid(),
        compare_digest(32, places=(-1, -1)),
        bytes_equality(),
    )
    print(f"first byte against last byte, {measurements} measurements each, threshold {THRESHOLD}")
    sound = True
    for case in cases:
        found = examine(case, measurements)
        sound &= found is case.leaks
        if found is not case.leaks:
            print("    not as it should be")
    print("verdict:", "as it should be" if sound else "NOT as it should be")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
