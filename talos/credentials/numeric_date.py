"""The times of tokens: whole seconds since the Unix epoch (contract 5.4, 5.5, 6.4)."""

import re
from typing import Final

from talos.domain.timestamps import parse_rfc3339
from talos.domain.units import NS_PER_S

EARLIEST_S: Final = -62_135_596_800
"""0001-01-01T00:00:00Z."""
LATEST_S: Final = 253_402_300_799
"""9999-12-31T23:59:59Z: the last second that an answer can show."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]*)?")


def exact_seconds(value: object) -> int:
    """Read a time of a macaroon: a JSON integer and nothing else.

    Raises ValueError for everything else and outside the years 1 to 9999.
    """
    if type(value) is not int:  # a boolean is an int to isinstance
        raise ValueError("not an integer")
    if not EARLIEST_S <= value <= LATEST_S:
        raise ValueError("not a representable time")
    return value


def lenient_seconds(value: object) -> int:
    """Read a time of a JWT: a JSON number, a number as text, or RFC 3339 text.

    Fractions are cut off, towards zero for numbers. Raises ValueError for everything else and
    outside the years 1 to 9999.
    """
    if isinstance(value, float):
        return exact_seconds(int(value))
    if not isinstance(value, str):
        return exact_seconds(value)
    if _NUMBER.fullmatch(value):
        return exact_seconds(int(value.partition(".")[0]))
    return exact_seconds(parse_rfc3339(value) // NS_PER_S)
