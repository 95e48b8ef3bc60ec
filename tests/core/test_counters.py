"""Counters of all processes: nothing that was counted is lost or counted twice."""

import os
import pickle
import signal
from collections.abc import Callable
from multiprocessing import get_context

import pytest

from talos import _core
from tests.support.child_processes import child

SIZE = 64
COUNTER = _core.FIRST_FREE_COUNTER


@pytest.fixture
def counters() -> _core.Counters:
    return _core.Counters(SIZE)


def test_without_a_slot_nothing_is_counted(counters: _core.Counters) -> None:
    counters.add(COUNTER)
    assert not counters.attached
    assert counters.read(COUNTER) == 0
    assert counters.attach()
    assert counters.attach(), "attaching twice is attaching once"
    counters.add(COUNTER)
    assert counters.read(COUNTER) == 1


def test_each_has_a_place_of_its_own(counters: _core.Counters) -> None:
    counters.attach()
    assert counters.size == SIZE
    for counter in range(SIZE):
        counters.add(counter, counter)
    assert [counters.read(counter) for counter in range(SIZE)] == list(range(SIZE))
    for counter in (-1, SIZE):
        with pytest.raises(IndexError):
            counters.add(counter)
        with pytest.raises(IndexError):
            counters.read(counter)


@pytest.mark.parametrize("size", [-1, 0, COUNTER - 1, 4097])
def test_there_are_neither_too_few_nor_too_many(size: int) -> None:
    with pytest.raises(ValueError, match="counters"):
        _core.Counters(size)


def test_a_child_counts_in_no_slot_but_its_own(counters: _core.Counters) -> None:
    counters.attach()
    counters.add(COUNTER)

    def count() -> bytes:
        counters.add(COUNTER)
        inherited = counters.attached
        counters.attach()
        counters.add(COUNTER)
        return b"%d" % inherited

    with child(count) as inherited:
        assert inherited == b"0"
        counters.add(COUNTER)
        assert counters.read(COUNTER) == 3


def test_counts_stay_when_processes_are_killed_and_replaced(counters: _core.Counters) -> None:
    def count() -> bytes:
        counters.attach()
        counters.add(COUNTER, 100)
        return b"counted"

    # One after the other they have the same slot; the third comes while the second lives.
    with child(count):
        pass
    with child(count), child(count):
        assert counters.read(COUNTER) == 300
    assert counters.read(COUNTER) == 300
    with child(count):
        assert counters.read(COUNTER) == 400


def test_no_sum_goes_back_while_processes_are_killed_and_replaced(
    counters: _core.Counters,
) -> None:
    """Each counts up until it is killed, and says how far it had come before it went on."""
    context = get_context("fork")
    told = [context.RawValue("Q") for _ in range(30)]

    def count(generation: int) -> None:
        counters.attach()
        while True:
            counters.add(COUNTER)
            told[generation].value += 1

    seen, alive = 0, [_forked(count, number) for number in range(3)]
    for generation in range(3, len(told)):
        while not told[generation - 1].value:
            now = counters.read(COUNTER)
            assert now >= seen
            seen = now
        os.kill(alive[0], signal.SIGKILL)
        os.waitpid(alive.pop(0), 0)
        now = counters.read(COUNTER)
        assert now >= seen
        seen = now
        alive.append(_forked(count, generation))
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    # One of each may have been counted and not told.
    total = sum(number.value for number in told)
    assert total <= counters.read(COUNTER) <= total + len(told)


def _forked(act: Callable[[int], None], argument: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            act(argument)
        finally:
            os._exit(1)
    return pid


def test_slots_go_from_the_dead_to_the_living(counters: _core.Counters) -> None:
    """256 may count at a time, and who comes after them counts nothing and changes nothing."""
    turn, own = os.pipe()
    alive = []
    for _ in range(256):
        pid = os.fork()
        if pid == 0:
            counters.attach()
            counters.add(COUNTER)
            os.write(own, b".")
            signal.pause()
            os._exit(1)
        alive.append(pid)
        os.read(turn, 1)
    assert not counters.attach()
    counters.add(COUNTER)
    assert counters.read(COUNTER) == 256
    gone = alive.pop()
    os.kill(gone, signal.SIGKILL)
    os.waitpid(gone, 0)
    assert counters.attach()
    counters.add(COUNTER)
    assert counters.read(COUNTER) == 257
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os.close(turn)
    os.close(own)


def test_they_are_inherited_and_never_pickled(counters: _core.Counters) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(counters)
