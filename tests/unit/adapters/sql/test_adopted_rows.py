"""Times of the old edition, to the last digit."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.adapters.sql.adopted_rows import parse_time


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01 00:00:00 +0000 UTC", 0),
        ("1970-01-01 00:00:00.000000001 +0000 UTC", 1),
        ("1970-01-01 00:00:00.5 +0000 UTC", 500_000_000),
        ("1969-12-31 23:59:59.999999999 +0000 UTC", -1),
        ("2026-11-21 20:24:31.476114038 +0000 UTC", 1_795_292_671_476_114_038),
        ("2026-11-21T20:24:31.476114038Z", 1_795_292_671_476_114_038),
        ("2026-11-21 20:24:31.476114038+00:00", 1_795_292_671_476_114_038),
        ("2026-11-21 21:54:31.476114038 +0130", 1_795_292_671_476_114_038),
        ("2026-11-21 14:54:31.476114038-05:30", 1_795_292_671_476_114_038),
        ("2026-11-21 20:24:31", 1_795_292_671_000_000_000),
        ("2024-02-29 00:00:00 +0000 UTC", 1_709_164_800_000_000_000),
    ],
)
def test_known_times(text: str, time_ns: int) -> None:
    assert parse_time(text) == time_ns


@given(st.integers(0, 2**62), st.integers(0, 9))
def test_what_was_written_is_read(time_ns: int, digits: int) -> None:
    seconds, fraction_ns = divmod(time_ns, 1_000_000_000)
    fraction_ns -= fraction_ns % 10 ** (9 - digits)
    date = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    fraction = f".{fraction_ns:09}"[: digits + 1] if digits else ""
    expected = seconds * 1_000_000_000 + fraction_ns
    assert parse_time(f"{date}{fraction} +0000 UTC") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-21",
        "2026-02-30 00:00:00 +0000 UTC",
        "2026-11-21 24:00:00 +0000 UTC",
        "2026-11-21 20:24:31.1234567890 +0000 UTC",
        "2026-11-21 20:24:31. +0000 UTC",
        "2026-11-21 20:24:31 +0000 CET",
        "2026-11-21 20:24:31 +0060 UTC",
        "0001-01-01 00:00:00 +0000 UTC",
        "9999-12-31 23:59:59 +0000 UTC",
        "2026-11-21 20:24:31 +0000 UTC m=+0.1",
        " 2026-11-21 20:24:31 +0000 UTC",
        "\uff12026-11-21 20:24:31 +0000 UTC",
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|day|month|year|hour|range|minute"):
        parse_time(text)
