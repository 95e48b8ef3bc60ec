"""Instants as text (contract 2.4, 11.3, 12)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.domain.timestamps import (
    day_ends_ns,
    from_rfc3339,
    rfc3339,
    rfc3339_seconds,
    utc_day,
)

S = 1_000_000_000


@pytest.mark.parametrize(
    ("instant_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_750_000_000 * S, "2025-06-15T15:06:40Z"),
        (1_750_000_000 * S + 100_000_000, "2025-06-15T15:06:40.100Z"),
        (1_750_000_000 * S + 120_000, "2025-06-15T15:06:40.000120Z"),
        (1_750_000_000 * S + 1, "2025-06-15T15:06:40.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (253_402_300_799 * S, "9999-12-31T23:59:59Z"),
        (-62_135_596_800 * S, "0001-01-01T00:00:00Z"),
    ],
)
def test_the_shortest_fraction_that_loses_nothing(instant_ns: int, text: str) -> None:
    assert rfc3339(instant_ns) == text
    assert from_rfc3339(text) == instant_ns


@given(st.integers(-62_135_596_800 * S, 253_402_300_800 * S - 1))
def test_what_was_printed_can_be_read(instant_ns: int) -> None:
    assert from_rfc3339(rfc3339(instant_ns)) == instant_ns


@pytest.mark.parametrize("text", ["", "Z", "yesterday", "2025-13-15T15:06:40Z", "2025-06-15T.1Z"])
def test_only_instants_are_read(text: str) -> None:
    with pytest.raises(ValueError):
        from_rfc3339(text)


@given(st.integers(0, 2**63 - 1))
def test_a_day_ends_when_the_next_begins(instant_ns: int) -> None:
    ends_ns = day_ends_ns(instant_ns)
    assert utc_day(ends_ns - 1) == utc_day(instant_ns) == utc_day(ends_ns) - 1


@pytest.mark.parametrize("instant_ns", [253_402_300_800 * S, -62_135_596_801 * S, 10**40])
def test_beyond_the_calendar(instant_ns: int) -> None:
    with pytest.raises(ValueError):
        rfc3339(instant_ns)


@given(st.integers(0, 2**63 - 1))
def test_text_reads_back(instant_ns: int) -> None:
    seconds, _, fraction = rfc3339(instant_ns).removesuffix("Z").partition(".")
    assert len(fraction) in (0, 3, 6, 9)
    moment = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    whole_s = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert whole_s * S + int(fraction.ljust(9, "0") or 0) == instant_ns
    assert rfc3339_seconds(instant_ns) == f"{seconds}Z"


def test_days_change_at_midnight_utc() -> None:
    midnight_ns = 20_000 * 86_400 * S
    assert utc_day(midnight_ns) == 20_000
    assert utc_day(midnight_ns - 1) == 19_999
