"""The cache of a host: what it gives back, for how long, and how it fails (contract 6.8)."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from talos import _core
from talos.adapters.cache.shared import HOLD_NS, KIND_NUMBERS, BodyFormat, SharedKeyCache
from talos.adapters.sql import bulkheads, engine, transactions
from talos.adapters.sql.dsn import mysql, postgres
from talos.domain.keys import (
    NIL_NETWORK,
    KeyKind,
    KeyRef,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
)
from talos.domain.verification import Verification
from talos.errors import ApiKeyNotFound, GatewayTimeout, InternalError, ServiceUnavailable
from talos.http import cached_body
from talos.services.ports import CachedVerification, Lease
from tests.support.fakes.clock import FrozenClock

S = 1_000_000_000
GENERATION = 7
KEY_ID = "0b1f9a56-6f0a-4f0e-9a3f-5a2d2a9c1d11"
IMPORTED_ID = "ab" * 32
TOLD = Verification(
    error=None,
    key_id=KEY_ID,
    actor_id="user_1",
    issuer="https://api.example.com",
    scopes=("read", "write"),
    expires_at_ns=1_800_000_000 * S + 1,
    metadata=Metadata('{"tier":"gold"}'),
    visibility=KeyVisibility.SECRET,
    status=KeyStatus.ACTIVE,
)
ANSWER = CachedVerification(TOLD)
NAMES = [
    KeyRef(NIL_NETWORK, KeyKind.ISSUED, KEY_ID),
    KeyRef(NIL_NETWORK, KeyKind.IMPORTED, IMPORTED_ID),
]
BODIES = BodyFormat(cached_body.render, cached_body.read)


class Host:
    """A cache on a clock that stands still."""

    def __init__(self, bodies: BodyFormat = BODIES) -> None:
        self.clock = FrozenClock()
        self.memory = _core.SharedMemory(2 << 20)
        assert self.memory.attach()
        self.cache = SharedKeyCache(self.memory, bodies, self.clock)

    def publish(
        self,
        answer: CachedVerification = ANSWER,
        name: KeyRef = NAMES[0],
        *,
        generation: int = GENERATION,
        life_ns: int = 300 * S,
    ) -> None:
        lease = self.cache.lease(name)
        self.publish_under(lease, answer, generation=generation, life_ns=life_ns)

    def publish_under(
        self,
        lease: Lease,
        answer: CachedVerification = ANSWER,
        *,
        generation: int = GENERATION,
        life_ns: int = S,
    ) -> None:
        now_ns = self.clock.now_ns()
        lease.publish(
            answer,
            generation=generation,
            published_at_ns=now_ns,
            expires_at_ns=now_ns + life_ns,
        )

    def get(
        self,
        name: KeyRef = NAMES[0],
        *,
        generation: int = GENERATION,
        max_age_ns: int = 3_600 * S,
    ) -> CachedVerification | None:
        return self.cache.get(name, generation=generation, max_age_ns=max_age_ns)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        CachedVerification(TOLD, ("10.0.0.0/8", "2001:db8::/32")),
        CachedVerification(replace(TOLD, rate_limit=RateLimitPolicy(5, 60))),
        CachedVerification(replace(TOLD, expires_at_ns=None, metadata=None, scopes=())),
        CachedVerification(replace(TOLD, expires_at_ns=250_000_000_000 * S)),
    ],
)
def test_what_is_published_is_given_back(
    host: Host, name: KeyRef, answer: CachedVerification
) -> None:
    assert host.get(name) is None
    host.publish(answer, name)
    assert host.get(name) == answer


def test_kinds_do_not_meet(host: Host) -> None:
    for number, kind in enumerate(KeyKind):
        host.publish(
            CachedVerification(replace(TOLD, actor_id=str(number))), (NIL_NETWORK, kind, KEY_ID)
        )
    for number, kind in enumerate(KeyKind):
        found = host.get((NIL_NETWORK, kind, KEY_ID))
        assert found is not None
        assert found.verification.actor_id == str(number)
    assert set(KIND_NUMBERS) == set(KeyKind)
    assert len(set(KIND_NUMBERS.values())) == len(KeyKind)


def test_an_answer_of_other_settings_is_none_and_is_replaced(host: Host) -> None:
    host.publish()
    assert host.get(generation=8) is None
    renamed = CachedVerification(replace(TOLD, issuer="https://other.example.com"))
    host.publish(renamed, generation=8)
    assert host.get(generation=8) == renamed
    assert host.get() is None


def test_an_entry_ends(host: Host) -> None:
    host.publish(life_ns=10)
    host.clock.advance(ns=9)
    assert host.get() == ANSWER
    host.clock.advance(ns=1)
    assert host.get() is None


@pytest.mark.parametrize("published_under_ns", [1, 10, 60 * S])
@pytest.mark.parametrize("max_age_ns", [-1, 0, 1, 10, 11, 60 * S])
def test_an_answer_is_given_for_as_long_as_is_asked_now(
    host: Host, published_under_ns: int, max_age_ns: int
) -> None:
    """Longer than it was published for it is not there (contract 16 (42))."""
    host.publish(life_ns=published_under_ns)
    for age_ns in (0, 1, 9, 10, 60 * S - 1):
        host.clock.advance(ns=age_ns)
        given = host.get(max_age_ns=max_age_ns) is not None
        assert given is (age_ns < min(published_under_ns, max_age_ns))
        host.clock.advance(ns=-age_ns)


@pytest.mark.parametrize("name", NAMES)
def test_eviction_forgets_and_refuses_earlier_leases(host: Host, name: KeyRef) -> None:
    host.publish(name=name)
    lease = host.cache.lease(name)
    host.cache.evict(name)
    assert host.get(name) is None
    host.publish_under(lease)
    assert host.get(name) is None
    host.publish(name=name)
    assert host.get(name) == ANSWER


def test_flushing_forgets_every_key(host: Host) -> None:
    for name in NAMES:
        host.publish(name=name)
    host.cache.flush()
    assert [host.get(name) for name in NAMES] == [None, None]


@pytest.mark.parametrize("name", NAMES)
def test_a_hold_evicts_on_both_sides_and_lets_nothing_in_between(host: Host, name: KeyRef) -> None:
    host.publish(name=name)
    early = host.cache.lease(name)
    with host.cache.hold(name):
        assert host.get(name) is None
        host.publish_under(early)
        host.publish(name=name)
        late = host.cache.lease(name)
        assert host.get(name) is None
    host.publish_under(late)
    assert host.get(name) is None
    host.publish(name=name)
    assert host.get(name) == ANSWER


@pytest.mark.parametrize(
    ("error", "stands"),
    [
        (ApiKeyNotFound(), False),
        (ServiceUnavailable(), True),
        (GatewayTimeout(), True),
        (InternalError("x"), True),
        (RuntimeError(), True),
        (SystemExit(), True),
    ],
)
def test_a_hold_stays_where_the_commit_may_be_on_its_way(
    host: Host, error: BaseException, stands: bool
) -> None:
    with pytest.raises(type(error)), host.cache.hold(NAMES[0]):
        raise error
    host.publish()
    assert (host.get() is None) is stands


def test_a_hold_outlasts_every_time_out_of_a_writer() -> None:
    """The longest that a write may take, every attempt of it being cut off at the last moment."""
    # BEGIN, the locking read, two statements that write (a rotation), COMMIT or ROLLBACK.
    statements = 5
    statement_s = max(
        engine.ANSWER_TIMEOUT_S,
        engine.STATEMENT_TIMEOUT_MS / 1_000,
        engine.SQLITE_BUSY_TIMEOUT_S,
        postgres.TCP_USER_TIMEOUT_MS / 1_000,
        mysql.ANSWER_TIMEOUT_S,
    )
    connecting_s = engine.POOL_TIMEOUT_S + max(postgres.CONNECT_TIMEOUT_S, mysql.CONNECT_TIMEOUT_S)
    pauses_s = sum(
        (transactions.LONGEST_FIRST_PAUSE_US << attempt) / 1_000_000
        for attempt in range(1, transactions.ATTEMPTS)
    )
    attempts_s = transactions.ATTEMPTS * (connecting_s + statements * statement_s) + pauses_s
    assert (bulkheads.LONGEST_WAIT_S + attempts_s) * S < HOLD_NS


def test_a_typical_answer_takes_at_most_700_bytes() -> None:
    """A body of 400 bytes, all overheads of the memory included, with room for 10,000 at least."""
    memory = _core.SharedMemory(7_000_000)
    assert memory.attach()
    clock = FrozenClock()
    cache = SharedKeyCache(memory, BODIES, clock)
    body = len(cached_body.render(TOLD))
    padding = Metadata('{"tier":"gold%s"}' % ("a" * (400 - body)))
    typical = CachedVerification(replace(TOLD, metadata=padding))
    assert len(cached_body.render(typical.verification)) == 400
    names = [
        (
            NIL_NETWORK,
            KeyKind.ISSUED,
            str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)),
        )
        for number in range(1, 10_501)
    ]
    now_ns = clock.now_ns()
    for name in names:
        cache.lease(name).publish(
            typical,
            generation=GENERATION,
            published_at_ns=now_ns,
            expires_at_ns=now_ns + 300 * S,
        )
    held = sum(
        cache.get(name, generation=GENERATION, max_age_ns=300 * S) is not None for name in names
    )
    assert held >= 10_000


def test_an_answer_over_4_kib_is_not_kept(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    large = replace(TOLD, metadata=Metadata('{"text":"%s"}' % ("a" * 4_096)))
    host.publish(CachedVerification(large))
    assert host.get() is None
    assert caplog.records == []


@pytest.mark.parametrize("step_s", [-3_600, 3_600])
def test_a_step_of_the_clock_brings_nothing_evicted_back(host: Host, step_s: int) -> None:
    early = host.cache.lease(NAMES[0])
    host.publish()
    with host.cache.hold(NAMES[0]):
        host.clock.advance(s=step_s)
        assert host.get() is None
    host.publish_under(early, life_ns=300 * S)
    for _ in range(2):
        assert host.get() is None
        host.clock.advance(s=-step_s)
    assert host.get() is None


def test_an_entry_may_outlive_a_step_back_but_no_key_its_end(host: Host) -> None:
    """By the wall clock, which is what expiry is told by, an entry never lives too long."""
    host.publish(life_ns=300 * S)
    host.clock.advance(s=-3_600)
    assert host.get() == ANSWER
    host.clock.advance(s=3_900)
    assert host.get() is None
    host.clock.advance(s=-1)
    assert host.get() == ANSWER


# Faults


def fail(*_: object) -> bytes:
    raise RuntimeError("of some kind")


def test_a_body_that_cannot_be_rendered_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    host = Host(replace(BODIES, render=fail))
    for _ in range(3):
        host.publish()
    assert host.get() is None
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_an_entry_that_cannot_be_read_is_a_miss(caplog: pytest.LogCaptureFixture) -> None:
    host = Host(replace(BODIES, read=fail))
    host.publish()
    assert [host.get() for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    assert caplog.records[0].__dict__["fields"] == {"error": "RuntimeError"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"x" * 100,
        _core.pack_answer(b"{}", b"", generation=GENERATION, expires_at_ns=None, plain=True),
        _core.pack_answer(
            b"{}", b"\x93\x07\x00\x90", generation=GENERATION, expires_at_ns=None, plain=True
        ),
    ],
)
def test_a_strange_entry_is_a_miss(host: Host, payload: bytes) -> None:
    core, now_ns = _core.KeyCache(host.memory), host.clock.now_ns()
    name = (NIL_NETWORK, KIND_NUMBERS[KeyKind.ISSUED], KEY_ID)
    published = core.publish(
        core.lease(*name), *name, payload, expires_at_ns=now_ns + S, now_ns=now_ns
    )
    assert published == _core.PUBLISH_DONE
    assert host.get() is None
    host.publish()
    assert host.get() == ANSWER


def test_a_clock_beyond_all_bounds_is_a_miss(host: Host) -> None:
    host.publish()
    host.clock.advance(ns=2**70)
    host.publish()
    assert host.get() is None


def test_a_process_without_a_place_to_write_reads_and_evicts(host: Host) -> None:
    """Leases of a process that did not attach come to nothing; the rest works."""
    memory = _core.SharedMemory(2 << 20)
    cache = SharedKeyCache(memory, BODIES, host.clock)
    host.publish_under(cache.lease(NAMES[0]))
    assert cache.get(NAMES[0], generation=GENERATION, max_age_ns=S) is None
    with cache.hold(NAMES[0]):
        cache.evict(NAMES[0])


WRITES: list[Callable[[SharedKeyCache, KeyRef], None]] = [
    lambda cache, name: cache.evict(name),
    lambda cache, name: cache.hold(name).__enter__(),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("key_id", ["", "not an id", KEY_ID.upper(), "\0", "\udc80", "é" * 64])
def test_ids_of_another_spelling_are_never_kept(
    host: Host, key_id: str, write: Callable[[SharedKeyCache, KeyRef], None]
) -> None:
    name = KeyRef(NIL_NETWORK, KeyKind.ISSUED, key_id)
    host.publish(name=name)
    write(host.cache, name)
    assert host.get(name) is None
