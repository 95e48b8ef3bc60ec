"""How much the shared key cache holds, and what it keeps when strangers come by."""

import uuid

from talos import _core
from talos._core import KeyCache, SharedMemory

NETWORK = bytes(16)
NOW_NS = 1_750_000_000_000_000_000
LATER_NS = NOW_NS + 300 * 10**9
TYPICAL = bytes(400)
"""An answer of typical length, as the issue has it."""


def publish(cache: KeyCache, key_id: str) -> int:
    lease = cache.lease(NETWORK, 1, key_id)
    return cache.publish(lease, NETWORK, 1, key_id, TYPICAL, expires_at_ns=LATER_NS, now_ns=NOW_NS)


def is_there(cache: KeyCache, key_id: str) -> bool:
    return cache.get(NETWORK, 1, key_id, now_ns=NOW_NS) is not None


def keys(first: int, count: int) -> list[str]:
    """Ids that are the same in every run; only the seed of the hash differs."""
    return [
        str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
        for number in range(first, first + count)
    ]


def test_the_default_size_holds_150_000_typical_keys() -> None:
    memory = SharedMemory(100 * 1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    # A few more than are asked for: where two keys' sets are full, one is lost to chance.
    ids = keys(0, 155_000)
    for key_id in ids:
        assert publish(cache, key_id) == _core.PUBLISH_DONE
    held = sum(is_there(cache, key_id) for key_id in ids)
    assert held >= 150_000
    assert memory.size_bytes / held <= 700


def test_a_scan_of_cold_keys_leaves_the_hot_ones() -> None:
    memory = SharedMemory(8 * 1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    # A third of what there is room for, and a scan of six times the room.
    hot, cold = keys(0, 4_000), keys(4_000, 80_000)
    for key_id in hot:
        publish(cache, key_id)
        assert is_there(cache, key_id)
    for key_id in cold:
        publish(cache, key_id)
    assert sum(is_there(cache, key_id) for key_id in hot) >= 0.99 * len(hot)


def test_what_was_in_use_yields_to_what_is() -> None:
    """Admission must not keep yesterday's keys for ever."""
    memory = SharedMemory(1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    yesterday, today = keys(0, 1_500), keys(1_500, 600)
    for key_id in yesterday * 2:
        if not is_there(cache, key_id):
            publish(cache, key_id)
    for _ in range(30):
        for key_id in today:
            if not is_there(cache, key_id):
                publish(cache, key_id)
    assert sum(is_there(cache, key_id) for key_id in today) >= 0.9 * len(today)
