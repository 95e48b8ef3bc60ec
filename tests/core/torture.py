"""Kills processes that read, publish and revoke, while the survivors check every answer.

    python -m tests.core.torture [--seconds 60]

Four readers, two fillers and one revoker share a cache too small for its keys, of which every third
is a proof; a random one of them is killed every 50 ms and replaced. A "database" in a mapping of
its own holds one version for each key, written with a single store. What is looked for:

torn     a hit whose bytes were never published for that key;
stale    a hit on a version older than the one that the database showed before the read began;
wedged   in the end, a key that cannot be published and read although its holds have lapsed. A proof
         may rightly be turned away by keys in use, so it is tried after everything was evicted.

``tests.core.torture_limits`` does the same to rate limits.
"""

import argparse
import mmap
import os
import random
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from talos import _core
from talos._core import KeyCache, SharedMemory
from tests.core import torture_limits
from tests.core.counts import cache_counts

KEYS: Final = 300
MEMORY_BYTES: Final = 600_000
HOLD_NS: Final = 400_000_000
KILL_EVERY_S: Final = 0.05
_PUBLICATIONS: Final = 20
PATIENCE_S: Final = 60.0

_NETWORK: Final = bytes(16)
_KEY_KIND: Final = 1
_IDS: Final = [f"{number:08x}-0000-4000-8000-{number:012x}" for number in range(KEYS)]
_NAMES: Final = [
    (_NETWORK, _core.KIND_OF_TOKENS if number % 3 == 0 else _KEY_KIND, key_id)
    for number, key_id in enumerate(_IDS)
]
_NOW_NS: Final = 10**18
_LATER_NS: Final = 2 * 10**18
_STAMP: Final = struct.Struct("<QQ")


@dataclass(frozen=True)
class Report:
    """What was seen in one run."""

    kills: int
    hits: int
    proof_hits: int
    torn: int
    stale: int
    wedged: int
    statistics: dict[str, int]

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong, and the run was worth something."""
        seen = self.kills and self.hits and self.proof_hits and self.statistics["published"]
        return bool(seen) and not (self.torn or self.stale or self.wedged)


def answer(number: int, version: int) -> bytes:
    """The one right payload of a key at a version: long or short, the stamp in every 16 bytes."""
    # The longest that a proof may be is shorter than that of a key.
    longest = 200 if number % 3 == 0 else 250
    repeats = 2 + (version * 37 + number * 11) % (longest if number % 7 == 0 else 40)
    return _STAMP.pack(number, version) * repeats


class Arena:
    """What the processes share beside the cache. Every word has one writer at a time."""

    def __init__(self) -> None:
        self._mapping = mmap.mmap(-1, 8 * (4 * KEYS + 64))
        words = memoryview(self._mapping).cast("Q")
        self.versions = words[:KEYS]
        """The database."""
        self.torn = words[KEYS : 2 * KEYS]
        self.stale = words[2 * KEYS : 3 * KEYS]
        """Counted by key."""
        self.committing = words[3 * KEYS : 3 * KEYS + 2]
        """The key (from 1) that the revoker is about to commit, and the end of its hold."""
        self.hits = words[3 * KEYS + 2 : 4 * KEYS + 2]
        """Counted by key, but for what readers count at once."""
        self.late: set[int] = set()
        """Keys that were committed after their hold had lapsed: a process that is not given the
        processor for that long breaks the promise by itself, and proves nothing about the cache."""


def read(cache: KeyCache, arena: Arena, chance: random.Random) -> None:
    """Read for ever, and compare every hit with what the database said before."""
    while True:
        number = chance.randrange(KEYS)
        committed = arena.versions[number]
        found = cache.get(*_NAMES[number], now_ns=_NOW_NS)
        if found is None:
            continue
        arena.hits[number] += 1
        version = _STAMP.unpack_from(found)[1] if len(found) >= _STAMP.size else 0
        if found != answer(number, version):
            arena.torn[number] += 1
        elif version < committed:
            arena.stale[number] += 1


def fill(cache: KeyCache, arena: Arena, chance: random.Random) -> None:
    """Publish for ever, as a verification that missed does: lease, read, sometimes dawdle."""
    while True:
        number = chance.randrange(KEYS)
        lease = cache.lease(*_NAMES[number])
        payload = answer(number, arena.versions[number])
        if chance.random() < 0.02:
            time.sleep(chance.random() * 0.002)
        # Over and over, so that death often finds it in the middle of a publication.
        for _ in range(_PUBLICATIONS):
            _publish(cache, number, lease, payload)


def revoke(cache: KeyCache, arena: Arena, chance: random.Random) -> None:
    """Change keys for ever, each change under a hold."""
    while True:
        number = chance.randrange(KEYS)
        name = _NAMES[number]
        arena.committing[1] = time.monotonic_ns() + HOLD_NS
        token = cache.hold(*name, for_ns=HOLD_NS)
        arena.committing[0] = number + 1
        arena.versions[number] += 1
        if time.monotonic_ns() > arena.committing[1]:
            # Said before anybody could be told that the commit was done.
            os._exit(0)
        arena.committing[0] = 0
        cache.lift(token, *name)
        time.sleep(chance.random() * 0.0005)


def run(seconds: float, seed: int) -> Report:
    """Kill and replace for that long, then see whether every key can be cached again."""
    memory = SharedMemory(MEMORY_BYTES)
    cache = KeyCache(memory)
    arena = Arena()
    chance = random.Random(seed)
    cast: list[_Role] = [read, read, read, read, fill, fill, revoke]
    roles = {_start(role, memory, cache, arena, chance.random()): role for role in cast}
    kills = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(KILL_EVERY_S)
        victim = chance.choice(list(roles))
        role = roles.pop(victim)
        _end(victim)
        if role is revoke:
            _note_late_commit(arena)
        kills += 1
        roles[_start(role, memory, cache, arena, chance.random())] = role
    for pid in roles:
        _end(pid)
    _note_late_commit(arena)
    hits = cache_counts(cache)["hits"]
    memory.attach()
    wedged = sum(not _can_be_cached(cache, number) for number in range(KEYS))
    return Report(
        kills=kills,
        hits=hits,
        proof_hits=sum(arena.hits[::3]),
        torn=sum(arena.torn),
        stale=sum(count for number, count in enumerate(arena.stale) if number not in arena.late),
        wedged=wedged,
        statistics=cache_counts(cache),
    )


_Role = Callable[[KeyCache, Arena, random.Random], None]


def _start(role: _Role, memory: SharedMemory, cache: KeyCache, arena: Arena, seed: float) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            assert memory.attach()
            role(cache, arena, random.Random(seed))
        finally:
            os._exit(1)
    return pid


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _note_late_commit(arena: Arena) -> None:
    """The revoker is dead: did it die between a late commit and its own look at the clock?"""
    number, until_ns = arena.committing
    if number and time.monotonic_ns() > until_ns:
        arena.late.add(number - 1)
    arena.committing[0] = 0


def _publish(cache: KeyCache, number: int, lease: int, payload: bytes) -> int:
    return cache.publish(
        lease,
        *_NAMES[number],
        payload,
        expires_at_ns=_LATER_NS,
        now_ns=_NOW_NS,
    )


def _can_be_cached(cache: KeyCache, number: int) -> bool:
    """Wait out the holds of the dead; then a few attempts must do, as for any newcomer."""
    name = _NAMES[number]
    if name[1] == _core.KIND_OF_TOKENS:
        cache.flush()
    deadline = time.monotonic() + PATIENCE_S
    while not cache.lease(*name):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    for _ in range(4):
        if _publish(cache, number, cache.lease(*name), b"again") == _core.PUBLISH_DONE:
            return cache.get(*name, now_ns=_NOW_NS) == b"again"
    return False


def main() -> int:
    """Run from the command line; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    arguments = parser.parse_args()
    report = run(arguments.seconds, arguments.seed)
    limits = torture_limits.run(arguments.seconds, arguments.seed)
    print(f"seed {arguments.seed}\n{report}\n{limits}")
    return 0 if report.clean and limits.clean else 1


if __name__ == "__main__":
    sys.exit(main())
