"""The table of counters, and what is read by it."""

import re

import pytest

from talos import _core
from talos.adapters.observability import counters
from talos.adapters.observability.counters import TABLE, Kind
from tests.support.child_processes import child

NAME = re.compile(r"talos_[a-z_]+")


def numbers(memory: _core.Counters) -> dict[tuple[str, counters.Labels], float]:
    return {(sample.name, sample.labels): sample.value for sample in counters.read(memory)}


def test_no_two_share_a_place() -> None:
    places = [metric.slot + word for metric in TABLE for word in range(metric.words)]
    assert len(set(places)) == len(places)
    assert counters.share().size > max(places)


def test_everything_that_the_core_counts_is_declared() -> None:
    first = _core.FIRST_FAST_PATH_COUNTER
    core = {
        *range(len(_core.KEY_CACHE_COUNTERS)),
        *range(first, first + len(_core.FAST_PATH_COUNTERS)),
    }
    declared = {metric.slot for metric in TABLE}
    assert core == {slot for slot in declared if slot < _core.FIRST_FREE_COUNTER}
    assert first >= len(_core.KEY_CACHE_COUNTERS)
    assert first + len(_core.FAST_PATH_COUNTERS) <= _core.FIRST_FREE_COUNTER


def test_names_follow_the_conventions() -> None:
    series = [(metric.name, metric.labels) for metric in TABLE]
    assert len(set(series)) == len(series)
    for metric in TABLE:
        assert NAME.fullmatch(metric.name)
        assert metric.help.endswith(".")
        assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert bool(metric.buckets) is (metric.kind is Kind.HISTOGRAM)


@pytest.mark.parametrize("name", sorted({metric.name for metric in TABLE}))
def test_those_of_one_name_differ_in_their_labels_alone(name: str) -> None:
    same = [metric for metric in TABLE if metric.name == name]
    told = {
        (m.help, m.kind, m.buckets, m.per_unit, tuple(key for key, _ in m.labels)) for m in same
    }
    assert len(told) == 1


def test_a_fresh_memory_reads_zero_everywhere() -> None:
    found = list(counters.read(counters.share()))
    assert {sample.value for sample in found} == {0}
    assert {sample.declaration for sample in found} == set(TABLE)


def test_a_counter_is_read_under_its_own_name_and_labels() -> None:
    memory = counters.share()
    memory.attach()
    plain = [metric for metric in TABLE if metric.kind is Kind.COUNTER]
    for amount, metric in enumerate(plain, 1):
        memory.add(metric.slot, amount)
    found = numbers(memory)
    for amount, metric in enumerate(plain, 1):
        assert found[metric.name, metric.labels] == amount


def test_a_histogram_counts_up_to_each_bound_and_sums_in_its_unit() -> None:
    memory = counters.share()
    memory.attach()
    metric = counters.REQUEST_DURATION
    for ms in (0, 1, 2, 2.5, 20_000):
        counters.observe(memory, metric, int(ms * 1_000_000))
    found = numbers(memory)
    at_most = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == f"{metric.name}_bucket"
    }
    assert at_most["0.001"] == 2
    assert at_most["0.002"] == 3
    assert at_most["0.005"] == at_most["10"] == 4
    assert at_most["+Inf"] == found[f"{metric.name}_count", ()] == 5
    assert found[f"{metric.name}_sum", ()] == pytest.approx(20.0055)
    assert list(at_most)[-1] == "+Inf"


def test_what_a_killed_process_counted_is_read_with_what_its_replacement_counts() -> None:
    memory = counters.share()
    metric = counters.REQUEST_DURATION

    def work() -> bytes:
        memory.attach()
        counters.observe(memory, metric, 1_500_000)
        memory.add(TABLE[0].slot)
        return b"done"

    for generation in range(1, 4):
        with child(work):
            pass
        found = numbers(memory)
        assert found[f"{metric.name}_count", ()] == generation
        assert found[f"{metric.name}_sum", ()] == pytest.approx(0.0015 * generation)
        assert found[TABLE[0].name, TABLE[0].labels] == generation
