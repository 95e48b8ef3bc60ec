"""What the shared key cache promises to one process. What it promises to several is beside this."""

import pickle
import uuid
from collections.abc import Callable

import pytest

from talos import _core
from talos._core import KeyCache, SharedMemory
from tests.core.counts import cache_counts

NETWORK = "550e8400-e29b-41d4-a716-446655440001"
OTHER_NETWORK = "550e8400-e29b-41d4-a716-446655440002"
ISSUED, IMPORTED = 1, 2
KEY = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
HASH = "8b52f945087b56ec0a840c95c5e65ed48828f9f50d48b4f29a233ce856b9f43c"
NOW_NS = 1_750_000_000_000_000_000
S = 1_000_000_000
LATER_NS = NOW_NS + 300 * S
HOUR_NS = 3_600 * S
SMALL = 640 * 1024


@pytest.fixture
def cache() -> KeyCache:
    """A cache of about thirty sets."""
    memory = SharedMemory(SMALL)
    assert memory.attach()
    return KeyCache(memory)


def publish(
    cache: KeyCache,
    key_id: str = KEY,
    payload: bytes = b"yes",
    *,
    network: str | bytes = NETWORK,
    kind: int = ISSUED,
    lease: int | None = None,
    expires_at_ns: int = LATER_NS,
    now_ns: int = NOW_NS,
) -> int:
    if lease is None:
        lease = cache.lease(network, kind, key_id)
    return cache.publish(
        lease, network, kind, key_id, payload, expires_at_ns=expires_at_ns, now_ns=now_ns
    )


def get(cache: KeyCache, key_id: str = KEY, *, now_ns: int = NOW_NS) -> bytes | None:
    return cache.get(NETWORK, ISSUED, key_id, now_ns=now_ns)


def random_ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


# Values


def test_what_was_published_is_found(cache: KeyCache) -> None:
    assert get(cache) is None
    assert publish(cache) == _core.PUBLISH_DONE
    assert get(cache) == b"yes"


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 4095, 4096])
def test_payloads_of_every_length_come_back_whole(cache: KeyCache, length: int) -> None:
    payload = bytes(range(1, 256)) * 17
    assert publish(cache, payload=payload[:length]) == _core.PUBLISH_DONE
    assert get(cache) == payload[:length]


def test_a_payload_over_4_kib_is_refused(cache: KeyCache) -> None:
    assert publish(cache, payload=bytes(4097)) == _core.PUBLISH_LARGE
    assert get(cache) is None


def test_network_kind_and_id_all_tell_keys_apart(cache: KeyCache) -> None:
    names = [
        (network, kind, key_id)
        for network in (NETWORK, OTHER_NETWORK)
        for kind in (ISSUED, IMPORTED)
        for key_id in (KEY, HASH, KEY.replace("-", "") + "0" * 32)
    ]
    for number, (network, kind, key_id) in enumerate(names):
        assert not publish(cache, key_id, b"%d" % number, network=network, kind=kind)
    for number, (network, kind, key_id) in enumerate(names):
        assert cache.get(network, kind, key_id, now_ns=NOW_NS) == b"%d" % number


def test_a_network_may_be_given_as_its_bytes(cache: KeyCache) -> None:
    publish(cache)
    network = uuid.UUID(NETWORK).bytes
    assert cache.get(network, ISSUED, KEY, now_ns=NOW_NS) == b"yes"
    cache.evict(network, ISSUED, KEY)
    assert get(cache) is None


def test_the_later_of_two_publications_counts(cache: KeyCache) -> None:
    for payload in (b"first", b"second", b"third" * 100, b"4"):
        assert publish(cache, payload=payload) == _core.PUBLISH_DONE
        assert get(cache) == payload


def test_caches_over_one_memory_are_one_cache() -> None:
    memory = SharedMemory(SMALL)
    memory.attach()
    publish(KeyCache(memory))
    assert get(KeyCache(memory)) == b"yes"


# Names that are never cached


@pytest.mark.parametrize(
    "key_id",
    [
        "",
        KEY.upper(),
        KEY.replace("-", ""),
        "{" + KEY + "}",
        KEY + "\n",
        KEY[:-1],
        KEY[:-1] + "é",
        KEY[:8] + "_" + KEY[9:],
        HASH.upper(),
        HASH[:-1],
        HASH[:-1] + "g",
        HASH + "00",
        "\ud800" * 36,
        "\0" * 64,
    ],
)
@pytest.mark.parametrize("kind", [ISSUED, IMPORTED])
def test_only_canonical_ids_are_cached(cache: KeyCache, key_id: str, kind: int) -> None:
    assert cache.lease(NETWORK, kind, key_id) == 0
    assert publish(cache, key_id, kind=kind, lease=1) == _core.PUBLISH_STALE
    assert cache.get(NETWORK, kind, key_id, now_ns=NOW_NS) is None
    token = cache.hold(NETWORK, kind, key_id, for_ns=S)
    assert not cache.lift(token, NETWORK, kind, key_id)
    cache.evict(NETWORK, kind, key_id)


@pytest.mark.parametrize("network", ["", NETWORK.upper(), "default", NETWORK + " ", "é" * 36])
def test_only_canonical_networks_are_cached(cache: KeyCache, network: str) -> None:
    assert publish(cache, network=network, lease=1) == _core.PUBLISH_STALE
    assert cache.get(network, ISSUED, KEY, now_ns=NOW_NS) is None


@pytest.mark.parametrize("kind", [-1, 256])
def test_a_kind_is_one_byte(cache: KeyCache, kind: int) -> None:
    with pytest.raises(ValueError):
        cache.get(NETWORK, kind, KEY, now_ns=NOW_NS)


@pytest.mark.parametrize("network", [b"", bytes(15), bytes(17)])
def test_the_bytes_of_a_network_are_sixteen(cache: KeyCache, network: bytes) -> None:
    with pytest.raises(ValueError):
        cache.lease(network, ISSUED, KEY)


def test_wrong_types_are_told(cache: KeyCache) -> None:
    calls: list[Callable[[], object]] = [
        lambda: cache.get(None, ISSUED, KEY, now_ns=0),  # type: ignore[arg-type]
        lambda: cache.get(1, ISSUED, KEY, now_ns=0),  # type: ignore[arg-type]
        lambda: cache.get(NETWORK, "1", KEY, now_ns=0),  # type: ignore[arg-type]
        lambda: cache.get(NETWORK, ISSUED, b"", now_ns=0),  # type: ignore[arg-type]
        lambda: cache.lease(NETWORK, ISSUED, None),  # type: ignore[arg-type]
        lambda: publish(cache, payload=bytearray(1)),  # type: ignore[arg-type]
        lambda: publish(cache, payload="yes"),  # type: ignore[arg-type]
        lambda: KeyCache(None),  # type: ignore[arg-type]
        lambda: SharedMemory("1000000"),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


# Time


def test_a_value_ends_at_its_expiry(cache: KeyCache) -> None:
    publish(cache, expires_at_ns=NOW_NS + 5)
    assert get(cache, now_ns=NOW_NS + 4) == b"yes"
    assert get(cache, now_ns=NOW_NS + 5) is None
    assert get(cache, now_ns=NOW_NS + HOUR_NS) is None


def test_a_clock_that_steps_back_serves_again_until_the_same_instant(cache: KeyCache) -> None:
    publish(cache, expires_at_ns=NOW_NS + 5)
    assert get(cache, now_ns=NOW_NS + HOUR_NS) is None
    assert get(cache, now_ns=NOW_NS - HOUR_NS) == b"yes"


@pytest.mark.parametrize("expires_at_ns", [NOW_NS, NOW_NS - 1, 0, -1, -(2**63)])
def test_what_has_expired_is_not_published(cache: KeyCache, expires_at_ns: int) -> None:
    assert publish(cache, expires_at_ns=expires_at_ns) == _core.PUBLISH_STALE
    assert get(cache, now_ns=-(2**63)) is None


def test_nothing_is_published_before_1970(cache: KeyCache) -> None:
    assert publish(cache, now_ns=-1) == _core.PUBLISH_STALE


@pytest.mark.parametrize("expires_at_ns", [2**32 * S - 1, 2**32 * S, 5 * 10**18, 2**63 - 1])
def test_far_expiries_do_not_disturb_the_set(cache: KeyCache, expires_at_ns: int) -> None:
    """An entry has 32 bits for the second, which end in 2106."""
    ids = random_ids(200)
    for key_id in ids:
        publish(cache, key_id, key_id.encode(), expires_at_ns=expires_at_ns)
    found = [get(cache, key_id) for key_id in ids]
    assert found == [key_id.encode() for key_id in ids]
    assert get(cache, ids[0], now_ns=expires_at_ns - 1) == ids[0].encode()


@pytest.mark.parametrize("moment_ns", [2**63, -(2**63) - 1])
def test_a_time_beyond_64_bits_is_an_error(cache: KeyCache, moment_ns: int) -> None:
    with pytest.raises(OverflowError):
        get(cache, now_ns=moment_ns)
    with pytest.raises(OverflowError):
        publish(cache, expires_at_ns=moment_ns)


# Leases and evictions


def test_an_eviction_forgets_the_key_and_kills_its_leases(cache: KeyCache) -> None:
    publish(cache)
    lease = cache.lease(NETWORK, ISSUED, KEY)
    cache.evict(NETWORK, ISSUED, KEY)
    assert get(cache) is None
    assert publish(cache, lease=lease) == _core.PUBLISH_STALE
    assert get(cache) is None
    assert publish(cache) == _core.PUBLISH_DONE


def test_a_lease_outlives_its_publication(cache: KeyCache) -> None:
    lease = cache.lease(NETWORK, ISSUED, KEY)
    assert publish(cache, lease=lease) == _core.PUBLISH_DONE
    assert publish(cache, payload=b"again", lease=lease) == _core.PUBLISH_DONE
    assert get(cache) == b"again"


@pytest.mark.parametrize("lease", [0, 2, 2**64 - 1])
def test_a_lease_that_was_never_given_publishes_nothing(cache: KeyCache, lease: int) -> None:
    assert publish(cache, lease=lease) == _core.PUBLISH_STALE


def test_a_flush_forgets_everything_and_kills_every_lease(cache: KeyCache) -> None:
    ids = random_ids(100)
    for key_id in ids:
        publish(cache, key_id)
    leases = [cache.lease(NETWORK, ISSUED, key_id) for key_id in ids]
    cache.flush()
    assert not any(get(cache, key_id) for key_id in ids)
    assert {
        publish(cache, key_id, lease=lease) for key_id, lease in zip(ids, leases, strict=True)
    } == {_core.PUBLISH_STALE}
    assert publish(cache) == _core.PUBLISH_DONE


# Holds


def test_a_hold_evicts_at_both_ends_and_refuses_leases_between(cache: KeyCache) -> None:
    publish(cache)
    before = cache.lease(NETWORK, ISSUED, KEY)
    token = cache.hold(NETWORK, ISSUED, KEY, for_ns=HOUR_NS)
    assert get(cache) is None
    assert cache.lease(NETWORK, ISSUED, KEY) == 0
    assert publish(cache, lease=before) == _core.PUBLISH_STALE
    assert cache.lift(token, NETWORK, ISSUED, KEY)
    assert publish(cache, lease=before) == _core.PUBLISH_STALE
    assert publish(cache) == _core.PUBLISH_DONE


def test_a_hold_lapses_by_itself(cache: KeyCache) -> None:
    token = cache.hold(NETWORK, ISSUED, KEY, for_ns=1)
    assert publish(cache) == _core.PUBLISH_DONE
    assert not cache.lift(token, NETWORK, ISSUED, KEY), "it had lapsed, and says so"
    assert get(cache) is None, "lifting evicts all the same"


def test_one_of_two_holds_is_not_the_other(cache: KeyCache) -> None:
    first = cache.hold(NETWORK, ISSUED, KEY, for_ns=HOUR_NS)
    second = cache.hold(NETWORK, ISSUED, KEY, for_ns=HOUR_NS)
    cache.lift(first, NETWORK, ISSUED, KEY)
    assert cache.lease(NETWORK, ISSUED, KEY) == 0
    cache.lift(first, NETWORK, ISSUED, KEY)
    assert cache.lease(NETWORK, ISSUED, KEY) == 0, "lifting twice lifts nobody else's"
    cache.lift(second, NETWORK, ISSUED, KEY)
    assert cache.lease(NETWORK, ISSUED, KEY)


def test_holds_beyond_the_room_of_a_line_stand_until_they_lapse(cache: KeyCache) -> None:
    tokens = [cache.hold(NETWORK, ISSUED, KEY, for_ns=HOUR_NS + i) for i in range(20)]
    for token in tokens:
        assert cache.lease(NETWORK, ISSUED, KEY) == 0
        cache.lift(token, NETWORK, ISSUED, KEY)
    assert cache.lease(NETWORK, ISSUED, KEY) == 0


def test_a_full_line_outlasts_each_of_its_holds(cache: KeyCache) -> None:
    """The short hold that makes room for a long one must not take it down."""
    short = [cache.hold(NETWORK, ISSUED, KEY, for_ns=HOUR_NS) for _ in range(8)]
    cache.hold(NETWORK, ISSUED, KEY, for_ns=2 * HOUR_NS)
    for token in short:
        cache.lift(token, NETWORK, ISSUED, KEY)
    assert cache.lease(NETWORK, ISSUED, KEY) == 0


@pytest.mark.parametrize("for_ns", [0, -1, 24 * HOUR_NS + 1])
def test_a_hold_has_an_end(cache: KeyCache, for_ns: int) -> None:
    with pytest.raises(ValueError):
        cache.hold(NETWORK, ISSUED, KEY, for_ns=for_ns)


# Being full


def test_a_full_cache_gives_up_values_and_never_mixes_them(cache: KeyCache) -> None:
    ids = random_ids(3000)
    for key_id in ids:
        publish(cache, key_id, key_id.encode() * (1 + int(key_id[0], 16)))
    found = {key_id: get(cache, key_id) for key_id in ids}
    wrong = [
        key_id
        for key_id, payload in found.items()
        if payload not in (None, key_id.encode() * (1 + int(key_id[0], 16)))
    ]
    assert not wrong
    assert 0 < sum(payload is not None for payload in found.values()) < len(ids)


def test_a_newcomer_among_keys_in_use_is_let_in_when_it_asks_again(cache: KeyCache) -> None:
    ids = random_ids(2000)
    for _ in range(3):
        for key_id in ids:
            publish(cache, key_id, bytes(400))
            get(cache, key_id)
    newcomers = random_ids(50)
    refused = [id_ for id_ in newcomers if publish(cache, id_, bytes(400)) == _core.PUBLISH_COLD]
    assert refused
    # It has two sets to choose from, and each of them wants to be asked.
    for key_id in refused[-3:]:
        assert any(publish(cache, key_id, bytes(400)) == _core.PUBLISH_DONE for _ in range(3))
        assert get(cache, key_id) == bytes(400)


def test_a_newcomer_that_is_turned_away_costs_nobody(cache: KeyCache) -> None:
    """A large value would need the room of several, not all of which may be given up."""
    ids = random_ids(3000)
    for key_id in ids:
        publish(cache, key_id, bytes(300))
    for key_id in ids[::2]:
        get(cache, key_id)
    for _ in range(200):
        before = [key_id for key_id in ids if get(cache, key_id) is not None]
        outcome = publish(cache, str(uuid.uuid4()), bytes(4096))
        if outcome == _core.PUBLISH_COLD:
            break
    else:
        pytest.fail("nobody was turned away")
    assert [key_id for key_id in ids if get(cache, key_id) is not None] == before


def test_expired_and_evicted_values_make_room_first() -> None:
    memory = SharedMemory(SMALL)
    memory.attach()
    cache = KeyCache(memory)
    kept, gone = random_ids(150), random_ids(3000)
    for key_id in kept:
        publish(cache, key_id, bytes(300))
    for number, key_id in enumerate(gone):
        publish(cache, key_id, bytes(300), expires_at_ns=NOW_NS + 2 * S)
        if number % 2:
            cache.evict(NETWORK, ISSUED, key_id)
    still = [key_id for key_id in kept if get(cache, key_id) is not None]
    for key_id in random_ids(100):
        publish(cache, key_id, bytes(300), now_ns=NOW_NS + 10 * S)
    assert all(get(cache, key_id, now_ns=NOW_NS + 10 * S) for key_id in still)


# The object


@pytest.mark.parametrize("size_bytes", [-1, 0, 4096, 260_000, 2**40 + 1, 2**70])
def test_a_size_must_make_sense(size_bytes: int) -> None:
    with pytest.raises(ValueError):
        SharedMemory(size_bytes)


def test_the_smallest_memory_works() -> None:
    sizes = iter(range(260_000, 350_000, 1024))
    for size_bytes in sizes:
        try:
            memory = SharedMemory(size_bytes)
        except ValueError:
            continue
        break
    assert memory.size_bytes == size_bytes
    memory.attach()
    cache = KeyCache(memory)
    for key_id in random_ids(300):
        publish(cache, key_id, key_id.encode())
        assert get(cache, key_id) in (None, key_id.encode())
    assert publish(cache) in (_core.PUBLISH_DONE, _core.PUBLISH_COLD)


def test_a_size_that_the_system_cannot_give_is_told(cache: KeyCache) -> None:
    try:
        SharedMemory(2**40)
    except OSError as error:
        assert error.errno


def test_shared_memory_is_not_copied(cache: KeyCache) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(cache)
    with pytest.raises(TypeError):
        pickle.dumps(SharedMemory(SMALL))


def test_without_a_slot_nothing_is_published_and_all_else_works() -> None:
    memory = SharedMemory(SMALL)
    cache = KeyCache(memory)
    assert not memory.attached
    assert publish(cache) == _core.PUBLISH_BUSY
    assert cache.lift(cache.hold(NETWORK, ISSUED, KEY, for_ns=HOUR_NS), NETWORK, ISSUED, KEY)
    cache.evict(NETWORK, ISSUED, KEY)
    assert set(cache_counts(cache).values()) == {0}
    assert memory.attach()
    assert memory.attach(), "attaching twice is attaching once"
    assert publish(cache) == _core.PUBLISH_DONE


def test_what_happens_is_counted(cache: KeyCache) -> None:
    get(cache)
    publish(cache)
    get(cache)
    get(cache)
    publish(cache, lease=0)
    publish(cache, payload=bytes(5000))
    cache.lift(cache.hold(NETWORK, ISSUED, KEY, for_ns=S), NETWORK, ISSUED, KEY)
    assert cache_counts(cache) == {
        "hits": 2,
        "misses": 1,
        "published": 1,
        "refused_stale": 1,
        "refused_busy": 0,
        "refused_cold": 0,
        "refused_large": 1,
        "evictions": 2,
        "holds": 1,
        "takeovers": 0,
    }
