"""Reading one key of ten thousand from the shared cache, beside what else would hold it.

A dict and cachebox hold it for one process alone; Redis for a whole deployment.
"""

import time
from collections.abc import Sequence

import pytest

from bench.core.cached import KIND, NETWORK, PAYLOAD, key_ids, shared_cache
from bench.core.conftest import Measure
from tests.support.servers import RedisService

CASE = "cache read"
TWIN = "tests/core/test_key_cache.py"

_KEYS = 10_000


@pytest.fixture(scope="module")
def ids() -> Sequence[str]:
    """The keys."""
    return key_ids(_KEYS)


def test_ours(measure: Measure, ids: Sequence[str]) -> None:
    """The shared cache."""
    cache = shared_cache(ids)
    found = measure(cache.get, NETWORK, KIND, ids[0], now_ns=time.time_ns())
    assert found == PAYLOAD


def test_dict(measure: Measure, ids: Sequence[str]) -> None:
    """A dict."""
    held = {(NETWORK, key_id): PAYLOAD for key_id in ids}
    assert measure(held.get, (NETWORK, ids[0])) == PAYLOAD


def test_cachebox(measure: Measure, ids: Sequence[str]) -> None:
    """cachebox.LRUCache."""
    cachebox = pytest.importorskip("cachebox")
    held = cachebox.LRUCache(_KEYS, {(NETWORK, key_id): PAYLOAD for key_id in ids})
    assert measure(held.get, (NETWORK, ids[0])) == PAYLOAD


def test_redis(measure: Measure, ids: Sequence[str], redis_service: RedisService) -> None:
    """GET from Redis over loopback, redis-py with hiredis."""
    redis = pytest.importorskip("redis")
    with redis.Redis.from_url(redis_service.url) as client:
        client.mset(dict.fromkeys(ids, PAYLOAD))
        assert measure(client.get, ids[0]) == PAYLOAD
