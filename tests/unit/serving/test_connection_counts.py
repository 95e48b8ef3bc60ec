"""Workers know who has fewest clients, and leave the next one to that worker, for a moment."""

import os
from collections.abc import Iterator

import pytest

from talos.serving.connection_counts import ConnectionCounts
from tests.unit.serving.harness import ServerHarness

GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"


def test_a_worker_knows_whether_another_has_fewer_clients() -> None:
    counts = ConnectionCounts()
    first = counts.free_slot()
    counts.assigned(1, first)
    second = counts.free_slot()
    assert first is not None
    assert second is not None
    first.tell(3)
    # Nobody knows of the second one yet.
    assert not first.others_are_freer()
    second.tell(2)
    assert first.others_are_freer()
    assert not second.others_are_freer()
    second.tell(3)
    assert not first.others_are_freer()


@pytest.mark.parametrize(("other", "most"), [(0, 0), (7, 7), (8, 9), (16, 18), (800, 900)])
def test_a_worker_may_have_an_eighth_more_than_another(other: int, most: int) -> None:
    counts = ConnectionCounts()
    first = counts.free_slot()
    counts.assigned(1, first)
    second = counts.free_slot()
    assert first is not None
    assert second is not None
    second.tell(other)
    first.tell(most)
    assert not first.others_are_freer()
    first.tell(most + 1)
    assert first.others_are_freer()


def test_what_a_worker_writes_down_is_seen_by_other_processes() -> None:
    counts = ConnectionCounts()
    own, other = counts.free_slot(), None
    counts.assigned(1, own)
    other = counts.free_slot()
    assert own is not None
    assert other is not None
    own.tell(1)
    pid = os.fork()
    if pid == 0:
        other.tell(0)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert own.others_are_freer()


def test_the_slot_of_a_worker_that_ended_or_drains_counts_no_more() -> None:
    counts = ConnectionCounts()
    seats = []
    for pid in (1, 2, 3):
        slot = counts.free_slot()
        assert slot is not None
        counts.assigned(pid, slot)
        seats.append(slot)
    first, second, third = seats
    for slot, clients in zip(seats, (2, 1, 1), strict=True):
        slot.tell(clients)
    second.leave()
    assert first.others_are_freer()
    counts.clear({1: "a worker", 2: "another"})
    assert not first.others_are_freer()
    again = counts.free_slot()
    assert again is not None
    assert again.index == third.index


def test_worker_slots_are_bounded() -> None:
    counts = ConnectionCounts()
    for pid in range(512):
        counts.assigned(pid, counts.free_slot())
    assert counts.free_slot() is None
    counts.assigned(512, None)
    counts.clear({})
    assert counts.free_slot() is not None


@pytest.fixture
def harness() -> Iterator[ServerHarness]:
    counts = ConnectionCounts()
    own = counts.free_slot()
    counts.assigned(1, own)
    other = counts.free_slot()
    assert other is not None
    other.tell(0)
    harness = ServerHarness(100, slot=own)
    yield harness
    harness.end()


def test_a_client_that_no_freer_worker_takes_is_taken_all_the_same(harness: ServerHarness) -> None:
    for _ in range(10):
        client = harness.connect(GET % b"x")
        assert harness.answer(client).startswith(b"HTTP/1.1 200")
    assert len(harness.server.clients) == 10


def test_drain_accepts_a_client_left_to_a_freer_worker(harness: ServerHarness) -> None:
    first = harness.connect(GET % b"x")
    assert harness.answer(first).startswith(b"HTTP/1.1 200")
    harness.listener_state.yielding = True
    harness.server.update_accepting(harness.listener_state)
    second = harness.connect(GET % b"x")
    harness.turn()
    assert len(harness.server.clients) == 1
    assert harness.drain(60)
    assert harness.answer(second).startswith(b"HTTP/1.1 200")
