"""What the processes of one master share, and what there is to answer from memory with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from talos import _core, bootstrap
from talos.adapters.observability import counters
from talos.config.reload import ConfigSource
from talos.errors import ConfigurationError
from talos.http.surfaces import Surface
from tests.http.surface import send
from tests.support.worker import VERIFY, Worker
from tests.unit.config.settings import OTHER_SECRET, loaded, tree


def shared(tmp_path: Path, **changes: Any) -> bootstrap.Shared:
    return bootstrap.share(loaded(tmp_path, tree(**changes)))


def test_the_memory_is_as_large_as_the_cache_may_be(tmp_path: Path) -> None:
    memory = shared(tmp_path, cache__memory__max_size=3_000_000).memory
    assert memory is not None
    assert memory.size_bytes == 3_000_000
    assert not memory.attached


@pytest.mark.parametrize(
    "changes", [{}, {"cache__enabled": False}, {"cache__type": "memory"}], ids=str
)
def test_memory_is_made_where_a_cache_in_memory_may_be_turned_on(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert shared(tmp_path, **changes).memory is not None


def test_noop_needs_no_memory(tmp_path: Path) -> None:
    assert shared(tmp_path, cache__type="noop", cache__enabled=True).memory is None


def test_memory_that_the_system_refuses_is_a_fault_of_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(size_bytes: int, *, counters: _core.Counters) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("talos._core.SharedMemory", refuse)
    with pytest.raises(ConfigurationError) as caught:
        shared(tmp_path)
    assert caught.value.faults == ("cache.memory.max_size: Cannot allocate memory",)


@pytest.mark.parametrize("changes", [{}, {"rate_limit__enabled": False}], ids=str)
def test_calls_can_be_counted_whenever_limits_may_be_turned_on(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    limits = shared(tmp_path, **changes, rate_limit__memory__max_size=70_000).limits
    assert limits is not None
    assert limits.size_bytes == 70_000


def test_another_backend_counts_nothing_here(tmp_path: Path) -> None:
    assert shared(tmp_path, rate_limit__backend="redis").limits is None


def test_counts_that_the_system_refuses_are_a_fault_of_their_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(size_bytes: int) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("talos._core.RateLimits", refuse)
    with pytest.raises(ConfigurationError) as caught:
        shared(tmp_path)
    assert caught.value.faults == ("rate_limit.memory.max_size: Cannot allocate memory",)


# What a worker builds over it


def counted(memory: _core.Counters) -> dict[tuple[str, ...], float]:
    """Every number that is not zero, by its name and the values of its labels."""
    return {
        (sample.name, *(value for _, value in sample.labels)): sample.value
        for sample in counters.read(memory)
        if sample.value
    }


@pytest.fixture
def worker(tmp_path: Path, sqlite_dsn: str) -> Iterator[Worker]:
    with Worker(tmp_path, sqlite_dsn) as made:
        yield made


def test_the_fast_path_answers_what_the_application_has_published(worker: Worker) -> None:
    credential = worker.issue()
    assert not worker.answers_at_once(credential)
    assert worker.verify(credential) == "MISS"
    assert worker.answers_at_once(credential)
    assert worker.verify(credential) == "HIT"
    assert counted(worker.shared.counters)["talos_fast_path_answers_total", "verify"] == 1


def test_what_cross_origin_sharing_adds_is_added_by_the_fast_path(worker: Worker) -> None:
    credential = worker.issue()
    worker.verify(credential)
    for enabled in (True, False):
        worker.edit(serve__http__cors__enabled=enabled)
        answer = worker.answered_at_once(credential)
        assert b'"is_valid":true' in answer
        assert answer.count(b"\r\nVary: Origin\r\n") == int(enabled)


def test_an_answer_under_other_settings_is_made_anew(worker: Worker) -> None:
    credential = worker.issue()
    worker.verify(credential)
    worker.edit(credentials__issuer="https://other.example.com")
    assert not worker.answers_at_once(credential)
    assert worker.verify(credential) == "MISS"
    assert worker.answers_at_once(credential)
    worker.edit(secrets__hmac={"current": OTHER_SECRET})
    assert not worker.answers_at_once(credential)


def test_whoever_turns_it_off_and_on_finds_it_empty(worker: Worker) -> None:
    credential = worker.issue()
    worker.verify(credential)
    worker.edit(cache__enabled=False)
    assert worker.verify(credential) == "SKIP"
    worker.edit(cache__enabled=True)
    assert not worker.answers_at_once(credential)
    assert worker.verify(credential) == "MISS"
    assert worker.answers_at_once(credential)


@pytest.mark.parametrize("shorter", ["0s", "1ns", "4m59s"])
def test_a_shorter_life_ends_what_is_there(worker: Worker, shorter: str) -> None:
    """Whatever of it the shorter one would have spared, a later edit does not bring back."""
    credential = worker.issue()
    worker.verify(credential)
    worker.edit(cache__ttl=shorter)
    assert not worker.answers_at_once(credential)
    assert worker.verify(credential) == "MISS"
    worker.edit(cache__ttl="5m")
    worker.edit(cache__ttl="10m")
    assert worker.verify(credential) == ("HIT" if shorter == "4m59s" else "MISS")
    assert worker.answers_at_once(credential)


def test_a_longer_life_leaves_what_is_there(worker: Worker) -> None:
    credential = worker.issue()
    worker.verify(credential)
    worker.edit(cache__ttl="10m")
    assert worker.answers_at_once(credential)


def test_a_worker_that_lags_behind_brings_no_long_life_back(worker: Worker, tmp_path: Path) -> None:
    """It goes by the settings from before the edit, and publishes after all others emptied it."""
    (tmp_path / "behind").mkdir()
    behind = ConfigSource(loaded(tmp_path / "behind", tree(**worker.settings)), {})
    lagging = bootstrap.build(Surface.ALL, behind, worker.shared)
    credential = worker.issue()
    worker.edit(cache__ttl="0s")
    body = {"credential": credential}
    for expected in ("MISS", "HIT"):
        answer = send(lagging.main, "POST", VERIFY, body)
        assert answer.headers["ory-talos-cache"] == expected
        assert not worker.answers_at_once(credential)
        assert worker.verify(credential) == "MISS"
    lagging.close()


def test_a_worker_that_begins_while_it_is_off_empties_it(worker: Worker, tmp_path: Path) -> None:
    """All workers may have been replaced before any saw that it was turned off."""
    credential = worker.issue()
    worker.verify(credential)
    off = loaded(tmp_path, tree(**worker.settings, cache__enabled=False))
    bootstrap.build(Surface.ALL, ConfigSource(off, {}), worker.shared).close()
    assert not worker.answers_at_once(credential)


def test_the_public_surface_has_nothing_to_answer_at_once(tmp_path: Path, sqlite_dsn: str) -> None:
    with Worker(tmp_path, sqlite_dsn, Surface.PUBLIC) as worker:
        assert worker.assembly.fast_path is None
        worker.assembly.configure_fast_path()


def test_without_memory_nothing_is_cached(tmp_path: Path, sqlite_dsn: str) -> None:
    with Worker(tmp_path, sqlite_dsn) as worker:
        alone = bootstrap.build(Surface.ALL, worker.source, bootstrap.Shared())
        assert alone.fast_path is None
        credential = worker.issue()
        for _ in range(2):
            answer = send(alone.main, "POST", VERIFY, {"credential": credential})
            assert answer.headers["ory-talos-cache"] == "MISS"
        alone.close()


@pytest.mark.parametrize("cache_type", ["memory", "noop"])
def test_requests_are_counted_with_a_cache_and_without_one(
    tmp_path: Path, sqlite_dsn: str, cache_type: str
) -> None:
    with Worker(tmp_path, sqlite_dsn, cache__type=cache_type) as worker:
        assert (worker.shared.memory is None) is (cache_type == "noop")
        worker.issue()
        found = counted(worker.shared.counters)
        assert found["talos_http_request_duration_seconds_count",] == 1
        assert 0 < found["talos_http_request_duration_seconds_sum",] < 60
