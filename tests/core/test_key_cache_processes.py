"""The shared key cache between processes, some of which die."""

import os
import signal

import pytest

from talos import _core
from talos._core import KeyCache, SharedMemory
from tests.core import torture
from tests.core.counts import cache_counts
from tests.support.child_processes import child

NETWORK = bytes(16)
KEY = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
NOW_NS = 10**18
SIZE = 640 * 1024


def publish(cache: KeyCache, payload: bytes = b"yes") -> int:
    lease = cache.lease(NETWORK, 1, KEY)
    return cache.publish(lease, NETWORK, 1, KEY, payload, expires_at_ns=NOW_NS + 1, now_ns=NOW_NS)


def get(cache: KeyCache) -> bytes | None:
    return cache.get(NETWORK, 1, KEY, now_ns=NOW_NS)


@pytest.fixture
def memory() -> SharedMemory:
    memory = SharedMemory(SIZE)
    assert memory.attach()
    return memory


def test_all_processes_have_one_cache(memory: SharedMemory) -> None:
    cache = KeyCache(memory)
    publish(cache, b"parent's")

    def publish_and_evict() -> bytes:
        found = get(cache) or b"nothing"
        memory.attach()
        cache.evict(NETWORK, 1, KEY)
        publish(cache, b"child's")
        return found

    with child(publish_and_evict) as found:
        assert found == b"parent's"
        assert get(cache) == b"child's"
    assert get(cache) == b"child's", "what the dead have published stays"


def test_an_eviction_by_a_child_kills_the_leases_of_its_parent(memory: SharedMemory) -> None:
    cache = KeyCache(memory)
    lease = cache.lease(NETWORK, 1, KEY)

    def evict() -> bytes:
        cache.evict(NETWORK, 1, KEY)
        return b"done"

    with child(evict):
        assert (
            cache.publish(lease, NETWORK, 1, KEY, b"", expires_at_ns=1, now_ns=0)
            == _core.PUBLISH_STALE
        )


def test_the_hold_of_a_dead_process_stands_until_it_lapses(memory: SharedMemory) -> None:
    cache = KeyCache(memory)
    with child(lambda: b"%d" % cache.hold(NETWORK, 1, KEY, for_ns=3_600 * 10**9)):
        pass
    assert cache.lease(NETWORK, 1, KEY) == 0
    with child(lambda: b"%d" % cache.hold(NETWORK, 1, KEY, for_ns=1)):
        pass
    assert cache.lease(NETWORK, 1, KEY) == 0


def test_a_child_does_not_write_in_the_name_of_its_parent(memory: SharedMemory) -> None:
    cache = KeyCache(memory)

    def without_attaching() -> bytes:
        assert not memory.attached
        get(cache)
        return b"%d" % publish(cache)

    with child(without_attaching) as outcome:
        assert int(outcome) == _core.PUBLISH_BUSY
    assert cache_counts(cache)["misses"] == 0
    assert publish(cache) == _core.PUBLISH_DONE


def test_slots_go_from_the_dead_to_the_living(memory: SharedMemory) -> None:
    """256 may live at a time; who comes after them does all but publish."""
    cache = KeyCache(memory)
    own, owners = os.pipe()
    pids = []
    for _ in range(255):
        pid = os.fork()
        if pid == 0:
            os.write(owners, b"+" if memory.attach() else b"-")
            signal.pause()
            os._exit(1)
        pids.append(pid)

    def attach_late() -> bytes:
        return b"%d %d" % (memory.attach(), publish(cache))

    try:
        assert b"".join(os.read(own, 1) for _ in pids) == b"+" * 255
        with child(attach_late) as answer:
            assert answer == b"0 %d" % _core.PUBLISH_BUSY
        os.kill(pids[17], signal.SIGKILL)
        os.waitpid(pids.pop(17), 0)
        with child(attach_late) as answer:
            assert answer == b"1 %d" % _core.PUBLISH_DONE
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(own)
        os.close(owners)


def test_no_death_tears_or_wedges_anything() -> None:
    """The short form of ``make torture``."""
    report = torture.run(seconds=8, seed=4)
    assert report.clean, report
