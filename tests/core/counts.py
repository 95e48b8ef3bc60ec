"""What a shared key cache has counted."""

from talos import _core


def cache_counts(cache: _core.KeyCache) -> dict[str, int]:
    """By the names of the core, over all processes."""
    counters = cache.memory.counters
    return {name: counters.read(place) for place, name in enumerate(_core.KEY_CACHE_COUNTERS)}
