"""Every interleaving of a few callers of the rate limits in a small world.

The model has one step for each load, compare-and-swap and reading of the clock in
``talos/native/rate_limits.h``, in the order in which they stand there. A process that is killed is
one that makes no further step, so every prefix of every interleaving is a world with dead callers
in it. Beside the table runs the ideal: a TAT for each key that is never forgotten.

An entry in lower case was made under a window of half the length: whoever finds it stretches what
is left of it first, and writes that down although the call may be refused.

What must hold at every step:

- a call that is let through moves the ideal TAT exactly as the algorithm says, at a time that is
  not before that of the call before it: what passes is a run of the algorithm;
- a call that is refused would have been refused by the ideal at the moment it read the clock;
- a call goes uncounted only if, at that moment, no place of its key had recovered;
- no key has two entries.

That the model can see faults is shown by faults: each shortcut that the proof in the header rules
out breaks one of these in one of these worlds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import pytest

K, L, STRANGER = KEYS = "KLx"
FREE = ""
START = 10
ENDPOINTS = ("admitted", "refused", "uncounted")

Entry: TypeAlias = tuple[str, int]
"""Name and TAT."""
Buckets: TypeAlias = tuple[tuple[Entry, ...], ...]
Place: TypeAlias = tuple[int, int]
"""Bucket and index."""

STRETCH: Final = 2
NOWHERE: Final = (-1, -1)
NOTHING: Final = (FREE, -1)


class Broken(AssertionError):
    pass


@dataclass(frozen=True, order=True)
class Caller:
    """A process, from the beginning of one call to its end, and what it remembers."""

    name: str
    step: str = "find"
    side: int = 0
    index: int = 0
    found: Place = NOWHERE
    claims: bool = False
    seen: Entry = NOTHING
    least: Place = NOWHERE
    least_seen: Entry = NOTHING
    now: int = 0

    @property
    def place(self) -> Place:
        return sides(self.name)[self.side], self.index


@dataclass(frozen=True)
class World:
    buckets: Buckets
    callers: tuple[Caller, ...]
    clock: int = START
    ideal: tuple[int, int] = (0, 0)
    """The TAT of K and of L."""
    last: tuple[int, int] = (0, 0)
    """The times of the last call of K and of L that was let through."""

    def entry(self, place: Place) -> Entry:
        return self.buckets[place[0]][place[1]]

    def is_last_of_bucket(self, place: Place) -> bool:
        return place[1] + 1 == len(self.buckets[place[0]])


@dataclass(frozen=True)
class Policy:
    interval: int
    quota: int
    ticks: int
    """How far the clock may get."""

    @property
    def burst(self) -> int:
        return self.interval * self.quota


def stretched(tat: int, now: int) -> int:
    """The TAT under the longer window, as of now."""
    return now + STRETCH * max(tat - now, 0)


def sides(name: str) -> tuple[int, int]:
    """Which bucket a key looks into first and second."""
    return (1, 0) if name == L else (0, 1)


@dataclass
class Model:
    policy: Policy
    fault: str = ""

    @property
    def forgets_to_write(self) -> bool:
        return self.fault == "stretch and refuse without a word"

    def begin(self, name: str) -> Caller:
        return Caller(name, "early clock" if self.fault == "clock before entry" else "find")

    def after(self, me: Caller, world: World) -> Caller:
        """What becomes of a caller by its next step, where that changes nothing for others."""
        match me.step:
            case "early clock":
                return replace(me, step="find", now=world.clock)
            case "find":
                return self.find(me, world)
            case "first word" | "choose: first word":
                return replace(
                    me,
                    step=me.step.replace("first", "second"),
                    seen=self.first_word(world.entry(me.place), me),
                )
            case "second word":
                me = replace(me, seen=self.second_word(world.entry(me.place), me))
                return replace(me, step="clock")
            case "choose: second word":
                me = replace(me, seen=self.second_word(world.entry(me.place), me))
                return self.choose(me, world)
            case "clock":
                return self.decide(me, world)
        raise AssertionError(me.step)

    def first_word(self, entry: Entry, me: Caller) -> Entry:
        return (entry[0], -1) if self.fault == "name before TAT" else (FREE, entry[1])

    def second_word(self, entry: Entry, me: Caller) -> Entry:
        if self.fault == "name before TAT":
            return me.seen[0], entry[1]
        return entry[0], me.seen[1]

    def find(self, me: Caller, world: World) -> Caller:
        name, _ = world.entry(me.place)
        if name.upper() == me.name:
            return replace(me, step="first word", found=me.place)
        if name != FREE and not world.is_last_of_bucket(me.place):
            return replace(me, index=me.index + 1)
        if me.side == 0:
            return replace(me, side=1, index=0)
        return replace(me, step="choose: first word", side=0, index=0)

    def choose(self, me: Caller, world: World) -> Caller:
        name, tat = me.seen
        if name.upper() == me.name:
            return replace(me, step="clock", found=me.place)
        if me.least == NOWHERE:
            better = True
        elif self.fault == "first that has recovered":
            better = tat <= world.clock < me.least_seen[1]
        else:
            order = (me.least_seen[1], me.least[1], sides(me.name).index(me.least[0]))
            better = (tat, me.index, me.side) < order
        if better:
            me = replace(me, least=me.place, least_seen=me.seen)
        if name != FREE and not world.is_last_of_bucket(me.place):
            return replace(me, step="choose: first word", index=me.index + 1, seen=NOTHING)
        if me.side == 0:
            return replace(me, step="choose: first word", side=1, index=0, seen=NOTHING)
        return replace(me, step="clock", found=me.least, seen=me.least_seen, claims=True)

    def decide(self, me: Caller, world: World) -> Caller:
        now = me.now if self.fault == "clock before entry" else world.clock
        name, tat = me.seen
        spent = max(tat - now, 0)
        if name.upper() != me.name and not me.claims:
            return self.begin(me.name)
        if name.upper() != me.name and spent:
            if any(tat <= world.clock for entries in world.buckets for _, tat in entries):
                raise Broken("a call goes uncounted although there is a place")
            return Caller(me.name, "uncounted")
        if name == me.name.lower() and spent:
            spent *= STRETCH
            if spent > self.policy.burst - self.policy.interval:
                return Caller(me.name, "stretch", found=me.found, seen=me.seen, now=now)
        if spent > self.policy.burst - self.policy.interval:
            ideal = world.ideal[KEYS.index(me.name)]
            if ideal - world.clock <= self.policy.burst - self.policy.interval:
                raise Broken("a call is refused that the algorithm lets through")
            return Caller(me.name, "refused")
        return Caller(me.name, "swap", found=me.found, seen=me.seen, now=now)

    def swap(self, me: Caller, world: World) -> tuple[Caller, World]:
        """The one step that changes the table."""
        name, tat = world.entry(me.found)
        if (name, tat) != me.seen:
            return self.begin(me.name), world
        key = KEYS.index(me.name)
        if me.now < world.last[key]:
            raise Broken("time runs backwards for a key")
        ideal = world.ideal[key]
        if name == me.name.lower():
            tat, ideal = stretched(tat, me.now), stretched(ideal, me.now)
        if me.step == "stretch":
            if ideal - me.now <= self.policy.burst - self.policy.interval:
                raise Broken("a call is refused that the algorithm lets through")
            entry = (name, world.entry(me.found)[1]) if self.forgets_to_write else (me.name, tat)
            return Caller(me.name, "refused"), replace(
                world,
                buckets=put(world.buckets, me.found, entry),
                ideal=put(world.ideal, (key,), ideal),
            )
        tat = max(tat, me.now) + self.policy.interval
        if self.fault == "claim before count" and name != me.name:
            tat = me.seen[1]
        ideal = max(ideal, me.now) + self.policy.interval
        if ideal - me.now > self.policy.burst:
            raise Broken("a call is let through that the algorithm refuses")
        if tat != ideal:
            raise Broken("a call is not counted as the algorithm counts it")
        buckets = put(world.buckets, me.found, (me.name, tat))
        if sum(name.upper() == me.name for entries in buckets for name, _ in entries) > 1:
            raise Broken("a key has two entries")
        return Caller(me.name, "admitted"), replace(
            world,
            buckets=buckets,
            ideal=put(world.ideal, (key,), ideal),
            last=put(world.last, (key,), me.now),
        )

    def following(self, world: World) -> Iterator[World]:
        for number, me in enumerate(world.callers):
            if me.step in ENDPOINTS:
                continue
            if me.step in ("swap", "stretch"):
                me, changed = self.swap(me, world)
            else:
                me, changed = self.after(me, world), world
            # Callers of one key are alike, so their order tells nothing.
            callers = sorted((*world.callers[:number], me, *world.callers[number + 1 :]))
            yield replace(changed, callers=tuple(callers))

    def explore(self, buckets: Buckets, names: str) -> tuple[int, set[tuple[str, ...]]]:
        """Visit every world; return how many there are, and in which ways all callers ended."""
        tats = {name.upper(): tat for entries in buckets for name, tat in entries}
        start = World(
            buckets,
            callers=tuple(sorted(self.begin(name) for name in names)),
            ideal=(tats.get(K, 0), tats.get(L, 0)),
        )
        visited = {start}
        waiting = [start]
        ends: set[tuple[str, ...]] = set()
        while waiting:
            world = waiting.pop()
            following = list(self.following(world))
            if not following:
                ends.add(tuple(caller.step for caller in world.callers))
            elif world.clock < START + self.policy.ticks:
                following.append(replace(world, clock=world.clock + 1))
            for successor in following:
                if successor not in visited:
                    visited.add(successor)
                    waiting.append(successor)
        return len(visited), ends


def put(tree: Any, path: tuple[int, ...], leaf: Any) -> Any:
    """Return ``tree``, of tuples in tuples, with another leaf."""
    if not path:
        return leaf
    at = path[0]
    return (*tree[:at], put(tree[at], path[1:], leaf), *tree[at + 1 :])


GONE: Final = (STRANGER, START - 1)
"""The entry of a key that has recovered."""
SOON: Final = (STRANGER, START + 1)
BUSY: Final = (STRANGER, START + 99)
NEVER: Final = (FREE, 0)

WORLDS: Final[dict[str, tuple[Buckets, str]]] = {
    "three callers of a new key": (((NEVER,), (NEVER,)), "KKK"),
    "two new keys": (((NEVER,), (NEVER,)), "KKL"),
    "two keys over recovered ones": (((GONE,), (GONE,)), "KKL"),
    "a place that recovers meanwhile": (((SOON,), (GONE,)), "KKL"),
    "one place for two keys": (((GONE,), (BUSY,)), "KKL"),
    "no place": (((SOON,), (BUSY,)), "KL"),
    "a key that has recovered": ((((K, START),), (BUSY,)), "KKL"),
    "a key in use": ((((K, START + 1),), (GONE,)), "KKL"),
    "a key whose window grew": ((((K.lower(), START + 1),), (GONE,)), "KKKL"),
    "a key that is refused when its window grew": ((((K.lower(), START + 2),), (GONE,)), "KKKL"),
}
POLICIES: Final = {
    "one call": Policy(interval=1, quota=1, ticks=3),
    "one call for long": Policy(interval=2, quota=1, ticks=3),
    "three calls": Policy(interval=1, quota=3, ticks=2),
}
FOUR_CALLERS: Final[dict[str, tuple[Buckets, str]]] = {
    "one asked for more": (((SOON,), (GONE,)), "KKKL"),
    "two of each": (((GONE,), (GONE,)), "KKLL"),
}
FAULTS: Final = {
    "clock before entry": ("a key in use", "three calls", "time runs backwards"),
    "name before TAT": ("one place for two keys", "one call", "refused that the algorithm lets"),
    "first that has recovered": (
        "a place that recovers meanwhile",
        "one call",
        "let through that the algorithm refuses",
    ),
    "stretch and refuse without a word": (
        "a key that is refused when its window grew",
        "three calls",
        "not counted as the algorithm counts|let through that the algorithm refuses",
    ),
    "claim before count": ("two new keys", "one call", "not counted as the algorithm counts"),
}
"""In which world each shows, and how."""


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize(("buckets", "names"), WORLDS.values(), ids=WORLDS)
def test_every_interleaving_is_a_run_of_the_algorithm(
    buckets: Buckets, names: str, policy: Policy
) -> None:
    worlds, ends = Model(policy).explore(buckets, names)
    assert worlds > 100
    assert ends


@pytest.mark.parametrize(("buckets", "names"), FOUR_CALLERS.values(), ids=FOUR_CALLERS)
def test_four_callers(buckets: Buckets, names: str) -> None:
    worlds, _ = Model(Policy(interval=1, quota=1, ticks=2)).explore(buckets, names)
    assert worlds > 10_000


def test_every_way_to_end_is_found() -> None:
    _, ends = Model(POLICIES["one call"]).explore(*WORLDS["one place for two keys"])
    assert {end for way in ends for end in way} == set(ENDPOINTS)


@pytest.mark.parametrize(("fault", "world", "policy", "how"), [(f, *w) for f, w in FAULTS.items()])
def test_faults_show(fault: str, world: str, policy: str, how: str) -> None:
    with pytest.raises(Broken, match=how):
        Model(POLICIES[policy], fault).explore(*WORLDS[world])
