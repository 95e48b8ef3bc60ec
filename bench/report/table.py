"""A table, before anything is known of where it will be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MISSING: Final = "-"
_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class Table:
    """Texts by row and column; the first ``texts`` columns are words, the others figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    texts: int = 1


def figure(value: float | None, digits: int = _DIGITS) -> str:
    """Return a figure with its significant digits, thousands set apart: ``12,300``, ``0.0123``."""
    if value is None:
        return _MISSING
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 10 ** (digits - 1):
        return f"{rounded:,.0f}"
    # "g" drops what is behind the point and zero, which is no figure less.
    return f"{rounded:.{digits}g}"


def ratio(value: float | None) -> str:
    """Return a ratio: ``0.98 x``."""
    return _MISSING if value is None else f"{figure(value)} x"


def milliseconds(value_us: float | None) -> str:
    """Return microseconds as milliseconds."""
    return _MISSING if value_us is None else figure(value_us / 1000)


def mebibytes(value: float | None) -> str:
    """Return bytes as MiB."""
    return _MISSING if value is None else figure(value / 2**20)


def nanoseconds(value_ns: float | None) -> str:
    """Return a time with the unit that suits it."""
    if value_ns is None:
        return _MISSING
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if value_ns >= size:
            return f"{figure(value_ns / size)} {unit}"
    return f"{figure(value_ns)} ns"
