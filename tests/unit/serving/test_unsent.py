"""What waits to be sent is bounded in sum."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from talos.serving.http.unsent import UnsentAnswers

LIMIT = 100


@dataclass(eq=False)
class Receiver:
    """A client that has ``unsent_bytes`` to take."""

    unsent_bytes: int
    closed: bool = field(default=False)

    def give_up(self) -> None:
        self.closed = True


def test_who_waits_longest_and_takes_nothing_is_closed() -> None:
    unsent = UnsentAnswers(LIMIT)
    taking, stalled, other = Receiver(40), Receiver(40), Receiver(40)
    unsent.hold(taking)
    unsent.hold(stalled)
    taking.unsent_bytes = 39
    unsent.hold(other)
    assert [one.closed for one in (taking, stalled, other)] == [False, True, False]
    assert unsent.held_bytes == 80


def test_where_all_take_something_the_first_is_closed() -> None:
    unsent = UnsentAnswers(LIMIT)
    first, second, third = Receiver(40), Receiver(40), Receiver(40)
    for one in (first, second):
        unsent.hold(one)
        one.unsent_bytes = 1
    unsent.hold(third)
    assert [one.closed for one in (first, second, third)] == [True, False, False]


def test_one_client_is_sent_whatever_it_asked_for() -> None:
    unsent = UnsentAnswers(LIMIT)
    alone = Receiver(LIMIT * 10)
    unsent.hold(alone)
    assert not alone.closed
    unsent.release(alone)
    assert unsent.held_bytes == 0


def test_who_is_sent_more_is_counted_once() -> None:
    unsent = UnsentAnswers(LIMIT)
    client = Receiver(60)
    unsent.hold(client)
    unsent.hold(client)
    assert unsent.held_bytes == 60


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2 * LIMIT), st.booleans())))
def test_the_sum_is_bounded_and_exact(steps: list[tuple[int, int, bool]]) -> None:
    unsent = UnsentAnswers(LIMIT)
    clients = [Receiver(0) for _ in range(10)]
    held: dict[int, int] = {}
    for number, size_bytes, goes in steps:
        clients[number].closed = False
        if goes:
            unsent.release(clients[number])
            held.pop(number, None)
        else:
            clients[number].unsent_bytes = size_bytes
            unsent.hold(clients[number])
            held.pop(number, None)
            held[number] = size_bytes
        assert not clients[number].closed
        held = {one: size for one, size in held.items() if not clients[one].closed}
        assert unsent.held_bytes == sum(held.values())
        assert unsent.held_bytes <= LIMIT or len(held) == 1
