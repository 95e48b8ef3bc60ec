"""How many wait for a database at once, and what becomes of the others (contract 16, 19)."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from threading import Event

import pytest

from talos.adapters.sql.bulkheads import Bulkhead, Bulkheads
from talos.errors import ApiKeyNotFound, GatewayTimeout, ServiceUnavailable, TalosError

LONG_S = 60.0


class Clock:
    """A monotonic clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class BulkheadHarness:
    """Bulkhead with two places and a patience of 5 s."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bulkhead = Bulkhead(2, patience_s=5, now_s=self.clock)
        self._inside: list[AbstractContextManager[None]] = []

    def enter(self) -> None:
        self.bulkhead.__enter__()
        self._inside.append(self.bulkhead)

    def leave(self, error: TalosError | None = None) -> None:
        self._inside.pop().__exit__(type(error), error, None)

    def turned_away(self) -> bool:
        """Whether one more is, without waiting."""
        with ThreadPoolExecutor(1) as one, pytest.raises(ServiceUnavailable):
            one.submit(self.enter).result(timeout=LONG_S)
        return True


def test_who_finds_every_place_taken_gets_the_next_that_is_free() -> None:
    harness = BulkheadHarness()
    harness.enter()
    harness.enter()
    harness.clock.now_s += 4.9
    with ThreadPoolExecutor(1) as one:
        waiting = one.submit(harness.enter)
        harness.leave()
        waiting.result(timeout=LONG_S)


def test_where_nobody_gets_on_the_next_is_turned_away_at_once() -> None:
    harness = BulkheadHarness()
    harness.enter()
    harness.enter()
    harness.clock.now_s += 5
    assert harness.turned_away()
    harness.leave()
    harness.enter()


@pytest.mark.parametrize("error", [GatewayTimeout(), ServiceUnavailable()])
def test_a_failure_of_the_database_is_no_getting_on(error: TalosError) -> None:
    harness = BulkheadHarness()
    harness.enter()
    harness.enter()
    harness.clock.now_s += 5
    harness.leave(error)
    # A place is free: whoever takes it finds out whether the database answers again.
    harness.enter()
    assert harness.turned_away()


@pytest.mark.parametrize("error", [None, ApiKeyNotFound()])
def test_an_answer_of_any_kind_is(error: TalosError | None) -> None:
    harness = BulkheadHarness()
    harness.enter()
    harness.enter()
    harness.clock.now_s += 60
    harness.leave(error)
    harness.enter()
    with ThreadPoolExecutor(1) as one:
        waiting = one.submit(harness.enter)
        harness.leave()
        waiting.result(timeout=LONG_S)


def test_when_nobody_asks_any_more_what_was_is_forgotten() -> None:
    harness = BulkheadHarness()
    harness.enter()
    harness.enter()
    harness.clock.now_s += 60
    harness.leave(GatewayTimeout())
    harness.leave(GatewayTimeout())
    harness.clock.now_s += 3_600
    harness.enter()
    harness.enter()
    with ThreadPoolExecutor(1) as one:
        waiting = one.submit(harness.enter)
        harness.leave()
        waiting.result(timeout=LONG_S)


def test_a_wait_ends_even_if_others_get_on() -> None:
    bulkhead = Bulkhead(1, longest_wait_s=0.01)
    with bulkhead, ThreadPoolExecutor(1) as one, pytest.raises(GatewayTimeout):
        one.submit(bulkhead.__enter__).result(timeout=LONG_S)


def test_a_single_place_that_fails_is_left_by_nobody_who_got_on() -> None:
    bulkhead = Bulkhead(1, patience_s=5, now_s=(clock := Clock()))
    with suppress(GatewayTimeout), bulkhead:
        clock.now_s += 60
        raise GatewayTimeout
    with bulkhead, ThreadPoolExecutor(1) as one, pytest.raises(ServiceUnavailable):
        one.submit(bulkhead.__enter__).result(timeout=LONG_S)


def test_all_who_wait_are_turned_away_when_patience_ends() -> None:
    bulkhead = Bulkhead(1, patience_s=0.05)
    silent = Event()

    def ask() -> bool:
        with suppress(ServiceUnavailable), bulkhead:
            silent.wait(LONG_S)
            return True
        return False

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask) for _ in range(8)]
        # All but one end while the database is still silent.
        while sum(one.done() for one in asked) < 7:
            assert not silent.is_set()
        silent.set()
    assert sorted(one.result() for one in asked) == [False] * 7 + [True]


@pytest.mark.parametrize("threads", [4, 5, 8, 16, 100])
def test_a_thread_stays_free_whatever_is_asked(threads: int) -> None:
    bulkheads = Bulkheads.of(threads)
    assert bulkheads.reading.places + bulkheads.writing.places + bulkheads.probing.places < threads


def test_each_kind_of_question_can_be_asked_with_a_single_thread() -> None:
    bulkheads = Bulkheads.of(1)
    for bulkhead in (bulkheads.reading, bulkheads.writing, bulkheads.probing):
        with bulkhead:
            pass
