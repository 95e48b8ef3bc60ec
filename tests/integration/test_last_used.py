"""Notes of the last use (contract 12)."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest

from talos.adapters.sql.last_used import BatchedLastUsed
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import Key, KeyKind, KeyRef
from talos.errors import ServiceUnavailable
from tests.integration.repository_contract import add
from tests.integration.sample_keys import DAY_NS, NOW_NS, make_key
from tests.support.fakes.keys import InMemoryKeys

HOUR_NS = DAY_NS // 24
NEVER_NS = 10**9 * 86_400 * 365

Flush = tuple[str, KeyKind, dict[str, int]]


class RecordingKeys(InMemoryKeys):
    """Tells of every flush; each waits for ``open`` first."""

    def __init__(self) -> None:
        super().__init__()
        self.flushes: list[Flush] = []
        self.flushed = threading.Condition()
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.error: Exception | None = None

    def mark_used(self, network_id: str, kind: KeyKind, uses: Mapping[str, int]) -> None:
        self.entered.set()
        assert self.open.wait(20)
        with self.flushed:
            self.flushes.append((network_id, kind, dict(uses)))
            self.flushed.notify_all()
        if self.error is not None:
            raise self.error

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.flushed:
            assert self.flushed.wait_for(condition, 20)


@pytest.fixture
def keys() -> RecordingKeys:
    return RecordingKeys()


def started(
    keys: InMemoryKeys | SqlKeyRepository,
    *,
    queue_size: int = 1000,
    flush_size: int = 100,
    flush_interval_ns: int = NEVER_NS,
    num_workers: int = 1,
) -> BatchedLastUsed:
    return BatchedLastUsed(
        keys,
        queue_size=queue_size,
        flush_size=flush_size,
        flush_interval_ns=flush_interval_ns,
        num_workers=num_workers,
    )


@pytest.fixture
def marks(keys: RecordingKeys) -> Iterator[BatchedLastUsed]:
    marks = started(keys)
    yield marks
    keys.open.set()
    marks.close()


def ids(keys: RecordingKeys) -> list[str]:
    return sorted(key_id for _, _, uses in keys.flushes for key_id in uses)


def test_closing_writes_what_is_queued(keys: RecordingKeys, marks: BatchedLastUsed) -> None:
    marks.mark(make_key("n", key_id="a"), NOW_NS)
    marks.mark(make_key("n", key_id="a"), NOW_NS)
    marks.mark(make_key("n", KeyKind.IMPORTED, key_id="a"), NOW_NS)
    marks.mark(make_key("m", key_id="b"), NOW_NS)
    marks.close()
    assert sorted(keys.flushes, key=str) == sorted(
        [
            ("n", KeyKind.ISSUED, {"a": NOW_NS}),
            ("n", KeyKind.IMPORTED, {"a": NOW_NS}),
            ("m", KeyKind.ISSUED, {"b": NOW_NS}),
        ],
        key=str,
    )


def test_a_full_collection_is_written_at_once(keys: RecordingKeys) -> None:
    marks = started(keys, flush_size=3)
    for key_id in ("a", "a", "b", "b", "x", "c"):
        network = "other" if key_id == "x" else "n"
        marks.mark(make_key(network, key_id=key_id), NOW_NS)
    keys.wait_for(lambda: bool(keys.flushes))
    assert keys.flushes == [("n", KeyKind.ISSUED, dict.fromkeys("abc", NOW_NS))]
    marks.close()
    assert ids(keys) == ["a", "b", "c", "x"]


def test_time_alone_writes_too(keys: RecordingKeys) -> None:
    marks = started(keys, flush_interval_ns=1_000_000)
    marks.mark(make_key("n", key_id="a"), NOW_NS)
    keys.wait_for(lambda: ids(keys) == ["a"])
    marks.mark(make_key("n", key_id="b"), NOW_NS)
    keys.wait_for(lambda: ids(keys) == ["a", "b"])
    marks.close()


def test_a_queue_that_never_empties_does_not_hold_the_clock_up(
    keys: RecordingKeys,
) -> None:
    marks = started(keys, flush_interval_ns=1_000_000, flush_size=10_000)
    key = make_key("n", key_id="busy")
    while not keys.flushes:
        marks.mark(key, NOW_NS)
    marks.close()
    assert set(ids(keys)) == {"busy"}


@pytest.mark.parametrize(
    ("last_used_at_ns", "marked"),
    [
        (None, True),
        (NOW_NS, False),
        (NOW_NS - NOW_NS % DAY_NS, False),
        (NOW_NS - NOW_NS % DAY_NS - 1, True),
        (NOW_NS - NOW_NS % DAY_NS + DAY_NS - 1, False),
        (NOW_NS - NOW_NS % DAY_NS + DAY_NS, True),
        (0, True),
    ],
)
def test_once_a_calendar_day(
    keys: RecordingKeys, marks: BatchedLastUsed, last_used_at_ns: int | None, marked: bool
) -> None:
    marks.mark(make_key("n", key_id="a", last_used_at_ns=last_used_at_ns), NOW_NS)
    marks.close()
    assert ids(keys) == (["a"] if marked else [])


def test_the_time_is_that_of_the_latest_use(keys: RecordingKeys, marks: BatchedLastUsed) -> None:
    """However late it is written, and in whatever order threads come to tell."""
    for after_ns in (0, 2, 1):
        marks.mark(make_key("n", key_id="a"), NOW_NS + after_ns)
    marks.mark(make_key("n", key_id="b"), NOW_NS + HOUR_NS)
    marks.close()
    assert keys.flushes == [
        ("n", KeyKind.ISSUED, {"a": NOW_NS + 2, "b": NOW_NS + HOUR_NS}),
    ]


def test_a_full_queue_drops_and_never_waits(keys: RecordingKeys) -> None:
    keys.open.clear()
    marks = started(keys, queue_size=5, flush_size=1)
    marks.mark(make_key("n", key_id="first"), NOW_NS)
    assert keys.entered.wait(20)
    for number in range(100):
        marks.mark(make_key("n", key_id=f"{number}"), NOW_NS)
    keys.open.set()
    marks.close()
    assert sorted(ids(keys)) == ["0", "1", "2", "3", "4", "first"]


def test_a_busy_key_takes_one_place_of_the_queue(keys: RecordingKeys) -> None:
    keys.open.clear()
    marks = started(keys, queue_size=2, flush_size=2)
    for key_id in ("first", "second"):
        marks.mark(make_key("n", key_id=key_id), NOW_NS)
    assert keys.entered.wait(20)
    for key_id in ("busy",) * 100 + ("rare",):
        marks.mark(make_key("n", key_id=key_id), NOW_NS)
    keys.open.set()
    marks.close()
    assert ids(keys) == ["busy", "first", "rare", "second"]


@pytest.mark.parametrize("error", [ServiceUnavailable(), RuntimeError("a surprise")])
def test_a_failed_write_is_not_the_end(
    keys: RecordingKeys,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys.error = error
    marks = started(keys, flush_size=1)
    marks.mark(make_key("n", key_id="lost"), NOW_NS)
    keys.wait_for(lambda: ids(keys) == ["lost"])
    marks.mark(make_key("n", key_id="next"), NOW_NS)
    marks.close()
    assert ids(keys) == ["lost", "next"]
    assert "1 last_used times not written" in caplog.text


def test_many_threads_and_workers_lose_nothing(keys: RecordingKeys) -> None:
    marks = started(keys, queue_size=100_000, flush_size=7, num_workers=4)

    def use(of: str) -> None:
        for number in range(200):
            marks.mark(make_key("n", key_id=f"{of}{number}"), NOW_NS)

    threads = [threading.Thread(target=use, args=(of,)) for of in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    marks.close()
    assert ids(keys) == sorted(f"{of}{number}" for of in "abcd" for number in range(200))


def test_after_closing_nothing_is_noted(keys: RecordingKeys, marks: BatchedLastUsed) -> None:
    marks.mark(make_key("n", key_id="a"), NOW_NS)
    marks.close()
    marks.mark(make_key("n", key_id="b"), NOW_NS)
    marks.close()
    assert ids(keys) == ["a"]
    unused = started(keys)
    unused.close()
    unused.mark(make_key("n", key_id="c"), NOW_NS)
    unused.close()
    assert ids(keys) == ["a"]


@pytest.mark.parametrize("queue_size", [1, 100])
def test_closing_gives_a_silent_database_up_and_says_so(
    keys: RecordingKeys,
    caplog: pytest.LogCaptureFixture,
    queue_size: int,
) -> None:
    keys.open.clear()
    marks = started(keys, queue_size=queue_size, flush_size=1)
    marks.mark(make_key("n", key_id="first"), NOW_NS)
    assert keys.entered.wait(20)
    marks.mark(make_key("n", key_id="second"), NOW_NS)
    marks.close(timeout_s=0)
    assert caplog.messages == ["last_used times not written: the database takes too long"]
    keys.open.set()
    keys.wait_for(lambda: ids(keys) == ["first", "second"])
    marks.close()


def test_it_reaches_the_database(repository: SqlKeyRepository, network: str) -> None:
    stored = [make_key(network, kind) for kind in KeyKind for _ in range(3)]
    add(repository, *stored)
    marks = started(repository, num_workers=3)
    for key in stored[1:]:
        marks.mark(key, NOW_NS)
    marks.close()
    expected: list[Key | None] = [
        stored[0],
        *(replace(key, last_used_at_ns=NOW_NS) for key in stored[1:]),
    ]
    assert [repository.get(KeyRef(network, key.kind, key.key_id)) for key in stored] == expected
