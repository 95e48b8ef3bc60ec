"""Memory for large bodies is shared out by turns."""

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from talos.serving.http.body_memory import BodyMemoryBudget

LIMIT = 1_000_000
READ = 64 * 1024


@dataclass(eq=False)
class Body:
    """A client that sends a large body."""

    name: str = ""
    arrived_bytes: int = 0
    waits: bool = False
    closed: bool = field(default=False)

    def admitted(self) -> None:
        assert self.waits
        self.waits = False

    def give_up(self) -> None:
        self.closed = True


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(clock: Clock) -> BodyMemoryBudget:
    return BodyMemoryBudget(LIMIT, turn_s=1.0, clock=clock)


def send(room: BodyMemoryBudget, body: Body, size_bytes: int) -> Body:
    body.arrived_bytes += size_bytes
    body.waits = not room.may_go_on(body, body.arrived_bytes)
    return body


def test_slow_body_is_closed_while_another_waits(room: BodyMemoryBudget, clock: Clock) -> None:
    slow = send(room, Body(), LIMIT)
    clock.now_s = 1.0
    assert room.relieve() == 0
    waiting = send(room, Body(), READ)
    assert waiting.waits
    assert room.relieve() == 1
    assert slow.closed
    assert not waiting.waits
    assert room.held_bytes == READ


def test_nobody_gives_way_before_a_turn_has_passed(room: BodyMemoryBudget, clock: Clock) -> None:
    first = send(room, Body(), LIMIT)
    clock.now_s = 0.999
    waiting = send(room, Body(), READ)
    assert room.relieve() == 0
    assert waiting.waits
    assert not first.closed


def test_the_time_of_waiting_is_nobodys_turn(room: BodyMemoryBudget, clock: Clock) -> None:
    first, second = send(room, Body(), LIMIT // 2), send(room, Body(), LIMIT // 2 + 1)
    assert second.waits
    clock.now_s = 60.0
    room.leave(first)
    assert not second.waits
    third = send(room, Body(), LIMIT)
    assert third.waits
    assert room.relieve() == 0
    clock.now_s = 61.0
    assert room.relieve() == 1
    assert second.closed


def test_the_most_memory_for_longest_gives_way_first(room: BodyMemoryBudget, clock: Clock) -> None:
    small, large = send(room, Body(), 100_000), send(room, Body(), 850_000)
    clock.now_s = 2.0
    waiting = send(room, Body(), 60_000)
    assert waiting.waits
    assert room.relieve() == 1
    assert large.closed
    assert not small.closed


def test_sending_a_little_at_a_time_is_no_waiting(room: BodyMemoryBudget, clock: Clock) -> None:
    slow = [send(room, Body(), LIMIT // 3) for _ in range(3)]
    fast = send(room, Body(), READ)
    for _ in range(8):
        clock.now_s += 0.125
        for body in slow:
            if not body.waits:
                send(room, body, 1_000)
    for _ in slow:
        assert fast.waits
        assert room.relieve() == 1
        send(room, fast, LIMIT // 3)
    assert all(body.closed for body in slow)
    assert not fast.closed


def test_a_whole_body_does_not_give_way(room: BodyMemoryBudget, clock: Clock) -> None:
    whole = Body(arrived_bytes=LIMIT)
    room.charge_whole(whole, LIMIT)
    waiting = send(room, Body(), READ)
    clock.now_s = 60.0
    assert room.relieve() == 0
    assert waiting.waits
    room.leave(whole)
    assert not waiting.waits


class Crowd(RuleBasedStateMachine):
    """Bodies of any sizes and paces: what is held is bounded, and everybody comes to an end."""

    @initialize()
    def open(self) -> None:
        self.clock = Clock()
        self.room = BodyMemoryBudget(LIMIT, turn_s=1.0, clock=self.clock)
        self.bodies: list[Body] = []

    @rule()
    def come(self) -> None:
        self.bodies.append(send(self.room, Body(), READ))

    @precondition(lambda crowd: any(not body.waits for body in crowd.bodies))
    @rule(data=st.data(), size_bytes=st.integers(1, READ))
    def arrive(self, data: st.DataObject, size_bytes: int) -> None:
        body = data.draw(st.sampled_from([body for body in self.bodies if not body.waits]))
        send(self.room, body, size_bytes)

    @precondition(lambda crowd: crowd.bodies)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        body = data.draw(st.sampled_from(self.bodies))
        self.bodies.remove(body)
        self.room.leave(body)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.room.relieve()
        self.bodies = [body for body in self.bodies if not body.closed]

    @invariant()
    def the_sum_is_what_they_hold(self) -> None:
        held_bytes = sum(body.arrived_bytes for body in self.bodies)
        assert self.room.held_bytes == held_bytes
        assert self.room.waiting == sum(body.waits for body in self.bodies)

    @invariant()
    def it_goes_past_the_limit_by_one_body_and_two_reads_of_each(self) -> None:
        largest = max((body.arrived_bytes for body in self.bodies), default=0)
        assert self.room.held_bytes <= LIMIT + largest + 2 * READ * len(self.bodies)

    @invariant()
    def somebody_goes_on(self) -> None:
        assert not self.bodies or not all(body.waits for body in self.bodies)

    def teardown(self) -> None:
        """Whoever sends nothing any more makes room within a turn for those who wait."""
        if not getattr(self, "bodies", None):
            return
        for _ in range(len(self.bodies) + 1):
            self.wait(1.0)
        assert self.room.waiting == 0


TestCrowd = Crowd.TestCase
