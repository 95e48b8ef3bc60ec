"""Numbers that several parts of the server have to agree on."""

from typing import Final

NS_PER_S: Final = 1_000_000_000
NS_PER_DAY: Final = 86_400 * NS_PER_S

INT64_MAX: Final = 2**63 - 1
"""The largest integer of a column, a quota, a duration and an instant, in nanoseconds."""

MAX_JSON_DEPTH: Final = 256
"""Levels of objects and arrays, the outermost included (contract 16, 36)."""

MAX_CLOCK_SKEW_NS: Final = 10 * 60 * NS_PER_S
"""How far a clock may be ahead, however much is configured."""
