"""Every counter of the server, declared once; ``_core.Counters`` keeps their numbers.

A counter is a place in memory that all processes share, made before the fork whether there is a
cache or not. Each process adds in a slot of its own, readers sum over all slots, and no sum ever
goes back: not when a process is killed, and not when another takes its place.

``TABLE`` is what metrics are printed from: names, labels and units are Prometheus's conventions.
"""

import bisect
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from talos import _core
from talos.domain.units import NS_PER_S

Labels: TypeAlias = tuple[tuple[str, str], ...]


class Kind(enum.Enum):
    """What a number means, as Prometheus names it."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One counter, or one histogram.

    Those of one name differ in their labels and in nothing else. ``slot`` is the first of its
    words. ``buckets`` are the upper bounds of a histogram, ascending, in the unit that is counted;
    it has a word for each, one for what is above them, and one for the sum. ``per_unit`` says how
    many of the unit counted make one of the unit in the name.
    """

    name: str
    help: str
    slot: int
    labels: Labels = ()
    kind: Kind = Kind.COUNTER
    buckets: tuple[int, ...] = ()
    per_unit: int = 1

    @property
    def words(self) -> int:
        """How many places it takes from ``slot`` on."""
        return len(self.buckets) + 2 if self.kind is Kind.HISTOGRAM else 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One number, as it is now: ``name`` is the declaration's, with a histogram's suffix."""

    declaration: Declaration
    name: str
    labels: Labels
    value: float


_MS: Final = NS_PER_S // 1000
_FREE: Final = _core.FIRST_FREE_COUNTER

REQUEST_DURATION: Final = Declaration(
    "talos_http_request_duration_seconds",
    "Time that the application took to answer a request of the main port.",
    _FREE,
    kind=Kind.HISTOGRAM,
    buckets=tuple(ms * _MS for ms in (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)),
    per_unit=NS_PER_S,
)


def _of_core(
    first: int, names: tuple[str, ...], told: dict[str, tuple[str, str, Labels]]
) -> Iterator[Declaration]:
    """Declare counters of the core, whose order of ``names`` is that of their places."""
    for name, (metric, text, labels) in told.items():
        yield Declaration(metric, text, first + names.index(name), labels)


_PUBLICATIONS: Final = (
    "talos_cache_publications_total",
    "Answers that were to be put into the key cache, by what came of it.",
)
_READS: Final = ("talos_cache_reads_total", "Look-ups in the key cache.")
_ANSWERED: Final = (
    "talos_fast_path_answers_total",
    "Requests that the fast path answered, by operation.",
)

_DECLINED: Final = (
    "talos_fast_path_declines_total",
    "Requests that the fast path left to the application, by its reason.",
)
_REASONS: Final = (
    "off",
    "operation",
    "form",
    "host",
    "kind",
    "credential",
    "miss",
    "gates",
    "stale",
    "limit",
)

TABLE: Final = (
    *_of_core(
        0,
        _core.KEY_CACHE_COUNTERS,
        {
            "hits": (*_READS, (("result", "hit"),)),
            "misses": (*_READS, (("result", "miss"),)),
            "published": (*_PUBLICATIONS, (("result", "published"),)),
            "refused_stale": (*_PUBLICATIONS, (("result", "stale"),)),
            "refused_busy": (*_PUBLICATIONS, (("result", "busy"),)),
            "refused_cold": (*_PUBLICATIONS, (("result", "cold"),)),
            "refused_large": (*_PUBLICATIONS, (("result", "large"),)),
            "evictions": (
                "talos_cache_evictions_total",
                "Evictions from the key cache; emptying it is one.",
                (),
            ),
            "holds": (
                "talos_cache_holds_total",
                "Keys that were kept out of the key cache while they were written.",
                (),
            ),
            "takeovers": (
                "talos_cache_takeovers_total",
                "Sets of the key cache that were emptied because their writer had died.",
                (),
            ),
        },
    ),
    *_of_core(
        _core.FIRST_FAST_PATH_COUNTER,
        _core.FAST_PATH_COUNTERS,
        {
            "single": (*_ANSWERED, (("operation", "verify"),)),
            "batch": (*_ANSWERED, (("operation", "batch_verify"),)),
            **{f"declined_{reason}": (*_DECLINED, (("reason", reason),)) for reason in _REASONS},
        },
    ),
    REQUEST_DURATION,
)


def share() -> _core.Counters:
    """Make the memory of the counters for this process and all that it will fork."""
    return _core.Counters(max(metric.slot + metric.words for metric in TABLE))


def observe(memory: _core.Counters, histogram: Declaration, value: int) -> None:
    """Count ``value``, in the unit that is counted, in the slot of this process."""
    # A value on a bound belongs to the bucket that the bound ends.
    bucket = bisect.bisect_left(histogram.buckets, value)
    memory.add(histogram.slot + bucket)
    memory.add(histogram.slot + len(histogram.buckets) + 1, value)


def read(memory: _core.Counters) -> Iterator[Sample]:
    """Yield every number as it is now, in the order of ``TABLE``.

    A histogram is yielded as its cumulative buckets, labelled ``le``, its sum and its count.
    """
    for metric in TABLE:
        if metric.kind is Kind.COUNTER:
            yield Sample(metric, metric.name, metric.labels, memory.read(metric.slot))
        else:
            yield from _histogram(memory, metric)


def _histogram(memory: _core.Counters, metric: Declaration) -> Iterator[Sample]:
    total = 0
    bounds = [f"{bound / metric.per_unit:g}" for bound in metric.buckets]
    for place, bound in enumerate([*bounds, "+Inf"]):
        total += memory.read(metric.slot + place)
        yield Sample(metric, f"{metric.name}_bucket", (*metric.labels, ("le", bound)), total)
    summed = memory.read(metric.slot + len(metric.buckets) + 1)
    yield Sample(metric, f"{metric.name}_sum", metric.labels, summed / metric.per_unit)
    yield Sample(metric, f"{metric.name}_count", metric.labels, total)
