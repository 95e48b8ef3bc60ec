"""What the processes of one master share, and what there is to answer from memory with."""

from pathlib import Path
from typing import Any

import pytest

from talos import bootstrap
from talos.errors import ConfigurationError
from tests.unit.config.settings import loaded, tree


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
    def refuse(size_bytes: int) -> None:
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
