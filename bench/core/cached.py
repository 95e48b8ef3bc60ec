"""A shared cache with typical keys in it."""

import random
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from talos import _core

NETWORK: Final = bytes(16)
KIND: Final = 0
"""Any number, the same for all."""
GENERATION: Final = 1
TYPICAL_ANSWER: Final = b'{"is_valid":true,"text":"%b"}' % (b"x" * 372)
"""A body of 400 bytes."""
PAYLOAD: Final = _core.pack_answer(
    TYPICAL_ANSWER, b"", generation=GENERATION, expires_at_ns=None, plain=True
)
DEFAULT_SIZE_BYTES: Final = 100 << 20

_HOUR_NS: Final = 3600 * 1_000_000_000


def key_ids(count: int) -> list[str]:
    """Return ids as good as random, the same in every run."""
    rng = random.Random(1)
    return [str(UUID(int=rng.getrandbits(128), version=4)) for _ in range(count)]


def shared_cache(ids: Sequence[str], size_bytes: int = DEFAULT_SIZE_BYTES) -> _core.KeyCache:
    """Return a cache to which each of ``ids`` was published."""
    memory = _core.SharedMemory(size_bytes)
    memory.attach()
    cache = _core.KeyCache(memory)
    now_ns = time.time_ns()
    for key_id in ids:
        lease = cache.lease(NETWORK, KIND, key_id)
        ends_ns = now_ns + _HOUR_NS
        cache.publish(lease, NETWORK, KIND, key_id, PAYLOAD, expires_at_ns=ends_ns, now_ns=now_ns)
    return cache


def bytes_a_key(size_bytes: int = DEFAULT_SIZE_BYTES) -> float:
    """Fill a cache until nothing more goes in; return what each key in it takes, all told."""
    ids = key_ids(size_bytes // 400)
    cache = shared_cache(ids, size_bytes)
    now_ns = time.time_ns()
    held = sum(cache.get(NETWORK, KIND, key_id, now_ns=now_ns) is not None for key_id in ids)
    return size_bytes / held
