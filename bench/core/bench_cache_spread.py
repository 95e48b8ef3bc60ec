"""Reading 150,000 keys of the shared cache in turn, so that no processor cache holds them all."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

import pytest

from bench.core.cached import KIND, NETWORK, PAYLOAD, key_ids, shared_cache
from bench.core.conftest import Measure

CASE = "cache read, 150,000 keys in turn"
TWIN = "tests/core/test_key_cache_capacity.py"

_KEYS = 150_000
_SIZE_BYTES = 128 << 20


@pytest.fixture(scope="module")
def ids() -> Sequence[str]:
    """The keys."""
    return key_ids(_KEYS)


def test_ours(measure: Measure, ids: Sequence[str]) -> None:
    """The shared cache."""
    cache = shared_cache(ids, _SIZE_BYTES)
    now_ns = time.time_ns()
    assert measure(_next, lambda name: cache.get(NETWORK, KIND, name, now_ns=now_ns), cycle(ids))


def test_dict(measure: Measure, ids: Sequence[str]) -> None:
    """A dict."""
    # Each with a value of its own, as it would be.
    held = {key_id: bytes(bytearray(PAYLOAD)) for key_id in ids}
    assert measure(_next, lambda name: held.get(name), cycle(ids))


def _next(read: Callable[[str], object], names: Iterator[str]) -> object:
    return read(next(names))
