"""Every interleaving of two fillers, a revoker, a reader, deaths and time, over one cached key.

A model: one step for each access of ``talos/native/key_cache.pxi`` and ``key_sets.pxi`` that
another process can come before, in the order in which they stand there and under sequential
consistency; docs/shared-memory.md names the pairs that make a real machine behave so. It leaves
out what the search through the real code has (``test_key_cache_interleaved.py``), such as where in
its set a value lies; in exchange nothing bounds how often one process interrupts another.

In every reachable state

- a reader that began after the commit of a revocation does not answer from the old row, whoever was
  killed in between; where the revoker was so slow that its hold lapsed, one that began after the
  revocation was acknowledged;
- no reader answers from a torn value, or from one that had expired when it began;
- when the dead are gone and their holds have lapsed, the slot takes a value again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import NamedTuple

FREE = 0
OLD, NEW = 1, 2


class Filler(NamedTuple):
    step: str = "lease"
    lease: int = 0
    row: int = 0


class Reader(NamedTuple):
    step: str = "look"
    bound: int = 0
    late: bool = False
    version: int = 0
    epoch: int = 0
    payload: tuple[int, int] = (0, 0)
    old: bool = False


class Value(NamedTuple):
    epoch: int = 0
    first_half: int = 0
    second_half: int = 0
    old: bool = False
    """Published before time went on: expired since."""


class World(NamedTuple):
    row: int = OLD
    """What the database says."""
    bound: int = OLD
    """The oldest row that a reader may answer from if it begins now."""
    late: bool = False
    """Whether the time of everything published before is over."""
    epoch: int = 1
    held: bool = False
    lock: int = FREE
    """Who has the set: FREE, or the number of a filler from 1."""
    version: int = 0
    value: Value = Value()
    fillers: tuple[Filler, Filler] = (Filler(), Filler())
    revoker: str = "hold"
    reader: Reader = Reader()
    kills: int = 2


Part = Callable[[World], Iterator[World]]


def filler(index: int, world: World) -> Iterator[World]:
    me = world.fillers[index]
    value = world.value

    def then(changed: Filler, **more: object) -> World:
        first, second = world.fillers
        both = (changed, second) if index == 0 else (first, changed)
        return world._replace(fillers=both, **more)  # type: ignore[arg-type]

    match me.step:
        case "lease":
            yield then(me._replace(step="holds", lease=world.epoch))
        case "holds":
            yield then(Filler("end") if world.held else me._replace(step="read"))
        case "read":
            yield then(me._replace(step="lock", row=world.row))
        case "lock":
            # Only the old row says yes; a revoked key is never published.
            if me.row == NEW or me.lease != world.epoch:
                yield then(Filler("end"))
            elif world.lock == FREE:
                yield then(me._replace(step="first half"), lock=index + 1)
            elif world.fillers[world.lock - 1].step == "dead":
                yield then(
                    me._replace(step="first half"),
                    lock=index + 1,
                    version=world.version + 1,
                    value=Value(),
                )
            else:
                yield then(Filler("end"))
        case "first half":
            yield then(me._replace(step="second half"), value=value._replace(first_half=me.row))
        case "second half":
            yield then(me._replace(step="head"), value=value._replace(second_half=me.row))
        case "head":
            yield then(
                me._replace(step="unlock"),
                value=value._replace(epoch=me.lease, old=not world.late),
            )
        case "unlock":
            yield then(Filler("end"), lock=FREE, version=world.version + 1)
    if me.step not in ("end", "dead") and world.kills:
        yield then(Filler("dead"), kills=world.kills - 1)


def revoker(world: World) -> Iterator[World]:
    """Its hold lasts for as long as it lives."""
    match world.revoker:
        case "hold":
            yield world._replace(held=True, revoker="evict")
        case "evict":
            yield world._replace(epoch=world.epoch + 1, revoker="commit")
        case "commit":
            yield world._replace(row=NEW, bound=NEW, revoker="evict again")
        case "evict again":
            yield world._replace(epoch=world.epoch + 1, revoker="lift")
        case "lift":
            yield world._replace(held=False, revoker="end")
        case "dead" if world.held:
            yield world._replace(held=False)
    if world.revoker not in ("end", "dead") and world.kills:
        yield world._replace(kills=world.kills - 1, revoker="dead")


def slow_revoker(world: World) -> Iterator[World]:
    """Its hold may lapse at any moment; what it promises, it promises when it is done."""
    for after in revoker(world):
        if after.revoker != "dead":
            yield after._replace(bound=NEW if after.revoker == "end" else OLD)
    if world.held:
        yield world._replace(held=False)


def reader(world: World) -> Iterator[World]:
    me = world.reader
    value = world.value
    match me.step:
        case "look" if world.lock == FREE:
            yield world._replace(
                reader=Reader("first half", world.bound, world.late, world.version)
            )
        case "first half":
            payload = (value.first_half, 0)
            yield world._replace(reader=me._replace(step="second half", payload=payload))
        case "second half":
            payload = (me.payload[0], value.second_half)
            yield world._replace(reader=me._replace(step="head", payload=payload))
        case "head":
            yield world._replace(
                reader=me._replace(step="look again", epoch=value.epoch, old=value.old)
            )
        case "look again":
            undisturbed = world.lock == FREE and world.version == me.version
            good = undisturbed and not (me.late and me.old)
            yield world._replace(reader=me._replace(step="epoch") if good else Reader())
        case "epoch":
            hit = me.epoch == world.epoch
            yield world._replace(reader=me._replace(step="hit") if hit else Reader())


def time(world: World) -> Iterator[World]:
    if not world.late:
        yield world._replace(late=True)


START = World()
EVERYBODY: tuple[Part, ...] = (partial(filler, 0), partial(filler, 1), revoker, reader, time)
NOBODY_HURRIES: tuple[Part, ...] = (partial(filler, 0), partial(filler, 1), slow_revoker, reader)


@cache
def reachable(start: World = START, parts: tuple[Part, ...] = EVERYBODY) -> frozenset[World]:
    seen = {start}
    front = [start]
    while front:
        world = front.pop()
        for part in parts:
            for after in part(world):
                if after not in seen:
                    seen.add(after)
                    front.append(after)
    return frozenset(seen)


def hits(worlds: Iterable[World]) -> list[World]:
    found = [world for world in worlds if world.reader.step == "hit"]
    assert found, "a model that cannot hit shows nothing"
    return found


def is_stale(world: World) -> bool:
    return world.reader.payload[0] < world.reader.bound


def test_no_reader_answers_what_the_database_has_taken_back() -> None:
    for world in hits(reachable()):
        assert not is_stale(world)


def test_no_reader_answers_what_an_acknowledged_revocation_has_taken_back() -> None:
    for world in hits(reachable(World(kills=0), NOBODY_HURRIES)):
        assert not is_stale(world)


def test_no_answer_is_torn_or_expired() -> None:
    for world in hits(reachable()):
        assert world.reader.payload in ((OLD, OLD), (NEW, NEW))
        assert not (world.reader.late and world.reader.old)


def test_no_death_keeps_the_slot_from_being_filled_again() -> None:
    left = [
        world._replace(
            row=OLD,
            bound=OLD,
            held=False,
            revoker="end",
            reader=Reader(),
            kills=0,
            fillers=(Filler("dead"), Filler()),
        )
        for world in reachable()
        if world.lock == 1 and world.fillers[0].step == "dead"
    ]
    assert left, "a model that cannot leave a lock behind shows nothing"
    parts = (partial(filler, 1), reader)
    before: dict[World, list[World]] = defaultdict(list)
    seen, front = set(left), list(set(left))
    while front:
        world = front.pop()
        for part in parts:
            for after in part(world):
                before[after].append(world)
                if after not in seen:
                    seen.add(after)
                    front.append(after)
    good = set(hits(seen))
    front = list(good)
    while front:
        for world in before[front.pop()]:
            if world not in good:
                good.add(world)
                front.append(world)
    assert good.issuperset(left)


# The mistakes that the parts of the design are there to prevent: the model must see them.


def without(skipped: str, instead: str) -> Part:
    """The revoker, one step left out."""

    def part(world: World) -> Iterator[World]:
        if world.revoker == skipped:
            yield world._replace(revoker=instead)
        else:
            yield from revoker(world)

    return part


def finds_a_stale_answer(start: World, *parts: Part) -> bool:
    return any(map(is_stale, hits(reachable(start, parts))))


def test_the_model_sees_what_happens_without_the_hold() -> None:
    assert finds_a_stale_answer(World(), partial(filler, 0), without("hold", "evict"), reader)


def test_the_model_sees_what_happens_without_the_first_eviction() -> None:
    """A hold does not reach the leases that were taken before it."""
    assert finds_a_stale_answer(World(), partial(filler, 0), without("evict", "commit"), reader)


def test_the_model_sees_what_happens_without_the_second_eviction() -> None:
    """It is there for the revoker whose hold lapses before it is done."""

    def hasty(world: World) -> Iterator[World]:
        if world.revoker == "evict again":
            yield world._replace(revoker="lift")
        else:
            yield from slow_revoker(world)

    assert finds_a_stale_answer(World(kills=0), partial(filler, 0), hasty, reader)


def test_the_model_sees_what_happens_when_the_row_is_read_before_the_lease() -> None:
    def hasty(world: World) -> Iterator[World]:
        me, other = world.fillers
        match me.step:
            case "lease":
                yield world._replace(fillers=(Filler("late lease", row=world.row), other))
            case "late lease":
                leased = me._replace(step="late holds", lease=world.epoch)
                yield world._replace(fillers=(leased, other))
            case "late holds":
                step = "end" if world.held else "lock"
                yield world._replace(fillers=(me._replace(step=step), other))
            case _:
                yield from filler(0, world)

    assert finds_a_stale_answer(World(), hasty, revoker, reader)


def test_the_model_sees_what_happens_when_a_reader_does_not_look_again() -> None:
    def hasty(world: World) -> Iterator[World]:
        me = world.reader
        if me.step == "look again":
            yield world._replace(reader=me._replace(step="epoch"))
        else:
            yield from reader(world)

    start = World(row=NEW, value=Value(1, OLD, OLD), revoker="end")

    def fill_with_the_new_row(world: World) -> Iterator[World]:
        me, other = world.fillers
        if me.step == "lock" and me.row == NEW:
            yield world._replace(lock=1, fillers=(me._replace(step="first half"), other))
        else:
            yield from filler(0, world)

    worlds = hits(reachable(start, (fill_with_the_new_row, hasty)))
    assert any(world.reader.payload[0] != world.reader.payload[1] for world in worlds)
    worlds = hits(reachable(start, (fill_with_the_new_row, reader)))
    assert not any(world.reader.payload[0] != world.reader.payload[1] for world in worlds)
