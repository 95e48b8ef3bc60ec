"""Which counter of the shared memory is what; docs/shared-memory.md lists those of the core."""

import enum


class Counter(enum.IntEnum):
    """Counters that every process adds to for itself, 0 to 47. A number is never given anew."""

    HOT_ANSWERS = 0
    """Single verifications that the hot path answered."""

    HOT_BATCHES = 1
    """Batches that the hot path answered."""
