"""Whether the time of a comparison tells where the first difference lies.

    python bench/timing_compare.py [--measurements N]

For each function that must be constant-time, two classes of wrong input are timed in a random
order: the first differs from the right one in its first byte, the second in its last. Welch's
t-test then says whether the two samples can have the same mean, after the method of dudect
(Reparaz, Balasch and Verbauwhede, 2017): the samples are also cut at several percentiles, because
interrupts lie above them and a leak below, and the t of the largest magnitude counts. Beyond 4.5
there is a difference; what is below is no proof that there is none, only that this many
measurements do not show it.

Where an object lies in memory has an effect of its own, larger than what is looked for, and so has
every address that one class touches and the other does not. So there is one object, and both its
ends are rewritten in place before each measurement, by the same steps for either class: two bits of
content are all that differs. A difference is believed when it shows twice.

Two controls: last byte against last byte, where nothing may be found, and bytes equality, which
stops at the first difference and must be caught. A test that does not see a known leak says nothing
about the rest.

Exit status: 0 if all verdicts are as they should be, 1 if not.
"""

import argparse
import ctypes
import gc
import math
import os
import random
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from talos import _core

THRESHOLD = 4.5
PERCENTILES = (50, 75, 90, 95, 99, 100)
"""Of each pair of samples, the part that is kept."""

SECRET = b"test-secret-for-hmac-0123456789abcdef"
KEY_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


@dataclass(frozen=True)
class Case:
    """A function, and the bytes in memory that it compares with the right ones."""

    name: str
    calls: int
    """In one measurement: enough of them that the clock's own resolution does not matter."""
    owner: object
    """The object that holds the bytes, right ones to begin with."""
    content: bytes
    function: Callable[[], bool]
    """Whether the bytes are right."""
    same: bool = False
    """Whether the last byte is wrong in both classes, in different ways."""
    leaks: bool = False
    """Whether a difference is what should be found."""


def compare_digest(size: int, same: bool = False) -> Case:
    """The comparison itself."""
    right = os.urandom(size)
    given = bytes(bytearray(right))
    return Case(
        f"compare_digest, {size} bytes" + (", control" if same else ""),
        max(1, 256 * 32 // size),
        given,
        right,
        lambda: _core.compare_digest(right, given),
        same,
    )


def checksum_valid() -> Case:
    """An issued key holds the digest that its checksum claims."""
    credential = _core.mint_issued_key("ory_ak", 1_750_000_000, KEY_ID, SECRET)
    key = _core.parse_issued_key(credential)
    if key is None:
        raise RuntimeError("a minted key does not parse")
    digest = _core.base58_decode(credential.rpartition("_")[2])
    return Case("checksum_valid", 8, key, digest, lambda: _core.checksum_valid(key, (SECRET,)))


def macaroon_signature_valid() -> Case:
    """A macaroon refers to its signature."""
    root_keys = (_core.macaroon_root_key(SECRET),)
    macaroon = _core.macaroon_decode(
        _core.macaroon_encode(b"issuer", b"identifier", (b"{}",), root_keys[0])
    )
    return Case(
        "macaroon_signature_valid",
        4,
        macaroon.signature,
        bytes(bytearray(macaroon.signature)),
        lambda: _core.macaroon_signature_valid(macaroon, root_keys),
    )


def bytes_equality() -> Case:
    """What a leak looks like."""
    right = os.urandom(4096)
    given = bytes(bytearray(right))
    return Case(
        "bytes ==, 4096 bytes, control", 64, given, right, lambda: right == given, leaks=True
    )


def address_of(content: bytes, owner: object) -> int:
    """Where the bytes lie in the memory of the object that holds them."""
    memory = ctypes.string_at(id(owner), object.__sizeof__(owner))
    return id(owner) + memory.index(content)


def measure(case: Case, measurements: int) -> tuple[list[int], list[int]]:
    """Nanoseconds of each measurement, by class."""
    first = address_of(case.content, case.owner)
    last = first + len(case.content) - 1
    right = (case.content[0], case.content[-1])
    wrong = [(right[0] ^ 1, right[1]), (right[0], right[1] ^ 1)]
    if case.same:
        wrong[0] = (right[0], right[1] ^ 2)

    function, calls = case.function, range(case.calls)
    clock, copy = time.perf_counter_ns, ctypes.memmove
    for ends, answer in ((right, True), (wrong[0], False), (wrong[1], False)):
        copy(first, bytes(ends[:1]), 1)
        copy(last, bytes(ends[1:]), 1)
        if function() is not answer:
            raise RuntimeError(f"{case.name} does not look at the bytes that are rewritten")

    plan = [0, 1] * (measurements // 2)
    random.SystemRandom().shuffle(plan)
    # Both ends of every turn, one behind the other: which class a turn belongs to decides what is
    # copied, but neither where from nor where to. The cache sees no classes.
    planned = ctypes.create_string_buffer(bytes(end for number in plan for end in wrong[number]))
    source = ctypes.addressof(planned)
    times = array("q", bytes(8 * len(plan)))
    gc.disable()
    try:
        for turn in range(len(plan)):
            copy(first, source + 2 * turn, 1)
            copy(last, source + 2 * turn + 1, 1)
            function()  # Not timed: what has just been written is on its way to the cache.
            start = clock()
            for _ in calls:
                function()
            times[turn] = clock() - start
    finally:
        gc.enable()
        copy(first, bytes(right[:1]), 1)
        copy(last, bytes(right[1:]), 1)
    samples: tuple[list[int], list[int]] = ([], [])
    for number, duration in zip(plan, times, strict=True):
        samples[number].append(duration)
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
    """Prints what was measured, and whether there is a difference, twice in one direction."""
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
        compare_digest(32, same=True),
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
