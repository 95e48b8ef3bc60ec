"""How much the shared key cache holds, and what it keeps when strangers come by."""

import hashlib
import uuid

import pytest

from talos import _core
from talos._core import KeyCache, SharedMemory

NETWORK = bytes(16)
NOW_NS = 1_750_000_000_000_000_000
LATER_NS = NOW_NS + 300 * 10**9
TYPICAL = bytes(400)
"""An answer of typical length, as the issue has it."""


SET_BYTES = 8192
KEY, PROOF = 1, _core.KIND_OF_TOKENS
TYPICAL_PROOF = bytes(750)
"""As of a token with a few claims: 13 chunks of 64 bytes, of which proofs have 59 in a set."""
PROOFS_OF_A_SET = 4


def publish(
    cache: KeyCache, key_id: str, kind: int = KEY, payload: bytes = TYPICAL, now_ns: int = NOW_NS
) -> int:
    lease = cache.lease(NETWORK, kind, key_id)
    ends_ns = now_ns + LATER_NS - NOW_NS
    return cache.publish(
        lease, NETWORK, kind, key_id, payload, expires_at_ns=ends_ns, now_ns=now_ns
    )


def is_there(cache: KeyCache, key_id: str, kind: int = KEY, now_ns: int = NOW_NS) -> bool:
    return cache.get(NETWORK, kind, key_id, now_ns=now_ns) is not None


def asks(cache: KeyCache, key_id: str, kind: int = KEY, now_ns: int = NOW_NS) -> bool:
    """Whether a request finds an answer; if not, it publishes one."""
    if is_there(cache, key_id, kind, now_ns):
        return True
    publish(cache, key_id, kind, TYPICAL_PROOF if kind == PROOF else TYPICAL, now_ns)
    return False


def names(first: int, count: int) -> list[str]:
    """Ids as proofs have them."""
    return [hashlib.sha256(b"%d" % number).hexdigest() for number in range(first, first + count)]


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
    memory = SharedMemory(896 * 1024)
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


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("of_the_room", [0.3, 0.8])
def test_keys_in_use_stay_while_one_macaroon_is_renamed(of_the_room: float, times: int) -> None:
    """Its holder makes new names for it offline, each as good as the last, and sends each often
    enough to be let in and to be in use."""
    memory = SharedMemory(2 * 1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    hot = keys(0, int(of_the_room * memory.size_bytes / 700))
    for key_id in hot * 4:
        asks(cache, key_id)
    renamed, hits = names(0, 100_000 // times), 0
    for number, name in enumerate(renamed):
        for _ in range(times):
            asks(cache, name, PROOF)
        hits += asks(cache, hot[number * 7_919 % len(hot)])
    assert hits >= 0.999 * len(renamed)
    assert sum(is_there(cache, key_id) for key_id in hot) >= 0.999 * len(hot)


def test_keys_that_end_come_back_while_one_macaroon_is_renamed() -> None:
    """No entry lasts: each key has to be let in again and again, among proofs in use."""
    memory = SharedMemory(2 * 1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    hot = keys(0, 1_000)
    now_ns, asked, hits = NOW_NS, 0, 0
    for number, name in enumerate(names(0, 40_000)):
        for _ in range(3):
            asks(cache, name, PROOF, now_ns)
        # Each key is asked for 10 times in the life of its entry.
        now_ns += (LATER_NS - NOW_NS) // 10 // len(hot)
        asked += number >= len(hot)
        hits += asks(cache, hot[number % len(hot)], now_ns=now_ns) and number >= len(hot)
    assert hits / asked >= 0.85


def test_proofs_fill_half_of_the_cache_and_no_more() -> None:
    """Where nothing else wants the room, too; and half of it is theirs."""
    memory = SharedMemory(4 * 1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    most = memory.size_bytes // SET_BYTES * PROOFS_OF_A_SET
    ids = names(0, 4 * most)
    for name in ids:
        for _ in range(3):
            asks(cache, name, PROOF)
    held = sum(is_there(cache, name, PROOF) for name in ids)
    assert 0.8 * most <= held <= most
    # What is left is at once there for keys, which push out no proof.
    new = keys(0, memory.size_bytes // 2 // 1_000)
    assert {publish(cache, key_id) for key_id in new} == {_core.PUBLISH_DONE}
    assert sum(is_there(cache, name, PROOF) for name in ids) >= 0.95 * held


def test_a_scan_of_tokens_that_come_once_leaves_those_in_use() -> None:
    memory = SharedMemory(4 * 1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    in_use = names(0, memory.size_bytes // SET_BYTES * PROOFS_OF_A_SET // 2)
    for name in in_use * 3:
        asks(cache, name, PROOF)
    for name in names(len(in_use), 20 * len(in_use)):
        asks(cache, name, PROOF)
    assert sum(is_there(cache, name, PROOF) for name in in_use) >= 0.99 * len(in_use)


def test_a_proof_longer_than_the_share_of_proofs_is_not_kept() -> None:
    memory = SharedMemory(1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    longest, longer = bytes(3_696), bytes(3_697)
    for name, payload in zip(names(0, 2), (longest, longer), strict=True):
        fits = len(payload) <= 3_696
        outcome = _core.PUBLISH_DONE if fits else _core.PUBLISH_LARGE
        assert publish(cache, name, PROOF, payload) == outcome
        assert is_there(cache, name, PROOF) is fits
        assert publish(cache, name, KEY, payload) == _core.PUBLISH_DONE


def test_proofs_that_are_turned_away_make_no_key_ask_a_third_time() -> None:
    """A key that was turned away is let in at its second asking, whatever proofs ask between."""
    memory = SharedMemory(1024 * 1024)
    memory.attach()
    cache = KeyCache(memory)
    for key_id in keys(0, 1_600) * 6:
        asks(cache, key_id)
    new = keys(2_000, 400)
    turned_away = [key_id for key_id in new if publish(cache, key_id) == _core.PUBLISH_COLD]
    assert turned_away
    for name in names(0, 5_000):
        publish(cache, name, PROOF, TYPICAL_PROOF)
    assert {publish(cache, key_id) for key_id in turned_away} == {_core.PUBLISH_DONE}
