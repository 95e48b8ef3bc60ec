"""Durations in every accepted spelling (contract 2.5)."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.domain.durations import (
    MAX_DURATION_NS,
    MAX_JSON_SECONDS,
    format_go,
    format_seconds,
    parse_config_duration,
    parse_ttl,
    parse_window,
)

S = 1_000_000_000
HOUR = 3_600 * S
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("3600s", HOUR),
        ("0s", 0),
        ("1.5s", 1_500_000_000),
        ("+5s", 5 * S),
        ("5.s", 5 * S),
        (".5s", 500_000_000),
        ("007s", 7 * S),
        ("1.1234567899s", 1_123_456_789),
        ("24h", 24 * HOUR),
        ("30m", 1_800 * S),
        ("1h30m", 5_400 * S),
        ("1.5h", 5_400 * S),
        ("1500ms", 1_500_000_000),
        ("10us", 10_000),
        ("10µs", 10_000),
        ("10ns", 10),
        ("1d", DAY),
        ("1w", 7 * DAY),
        ("1mo", 30 * DAY),
        ("1y", 365 * DAY),
        ("1y6mo", (365 + 180) * DAY),
        ("1d12h30m", 36 * HOUR + 1_800 * S),
        ("30m1h", 5_400 * S),
        ("1h1h", 2 * HOUR),
        ("1m1mo", 60 * S + 30 * DAY),
        ("9223372036s", 9_223_372_036 * S),
        ("9223372036.854775807s", MAX_DURATION_NS),
    ],
)
def test_ttl_in_every_form(text: str, expected_ns: int) -> None:
    assert parse_ttl(text) == expected_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3600",
        "0",
        "s",
        ".s",
        "+",
        "-",
        "-5s",
        "-0s",
        "5 s",
        " 5s",
        "5s ",
        "5s\n",
        "1h 30m",
        "1H",
        "1S",
        "1D",
        "1e3s",
        "1_000s",
        "1,5s",
        "1.5.5s",
        "0x10s",
        "\u0663s",
        "\uff15s",  # a full-width digit
        "10μs",  # U+03BC, which looks like U+00B5 and is not
        "1.5d",
        "1.d",
        "1d1.5h",
        "1.5h1d",
        "+1d",
        "++1s",
        "1s+1s",
        "1x",
        "1mos",
        "9223372036.854775808s",
        "9223372037s",
        "293y",
        "106752d",
        "9" * 500 + "h",
        "1s" * 1_000,
        "\0",
        "5s\0",
    ],
)
def test_ttl_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        parse_ttl(text)


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("60s", 60 * S),
        ("0s", 0),
        ("+60s", 60 * S),
        ("-5s", -5 * S),
        ("1.5s", 1_500_000_000),
        ("5.s", 5 * S),
        (".5s", 500_000_000),
        ("0.9999999999s", 999_999_999),
        ("315576000000s", MAX_JSON_SECONDS * S),
    ],
)
def test_window_is_seconds(text: str, expected_ns: int) -> None:
    assert parse_window(text) == expected_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "1m",
        "1h",
        "1d",
        "1500ms",
        "s",
        ".s",
        "+s",
        "060s",
        "1e2s",
        "60s ",
        "60s\n",
        "6\u0663s",
        "315576000001s",
        "9" * 400 + "s",
        "0." + "0" * 2_000 + "s",
    ],
)
def test_window_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        parse_window(text)


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [("0", 0), ("0s", 0), ("5m", 300 * S), ("8760h", 8_760 * HOUR), ("1h1.5s", HOUR + 3 * S // 2)],
)
def test_config_durations_are_go_units(text: str, expected_ns: int) -> None:
    assert parse_config_duration(text) == expected_ns


@pytest.mark.parametrize("text", ["1d", "1w", "1mo", "1y", "-5m", "", "5", "5 m", "h"])
def test_config_durations_refuse(text: str) -> None:
    with pytest.raises(ValueError):
        parse_config_duration(text)


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (100_000_000, "100ms"),
        (S, "1s"),
        (1_500_000_000, "1.5s"),
        (60 * S, "1m0s"),
        (HOUR, "1h0m0s"),
        (24 * HOUR, "24h0m0s"),
        (8_760 * HOUR, "8760h0m0s"),
        (HOUR + 61 * S + 5, "1h1m1.000000005s"),
        (-90 * S, "-1m30s"),
        (-1, "-1ns"),
    ],
)
def test_durations_print_as_go_does(duration_ns: int, text: str) -> None:
    assert format_go(duration_ns) == text


def test_windows_print_as_seconds() -> None:
    assert format_seconds(60) == "60s"


@given(st.integers(0, MAX_DURATION_NS))
def test_what_is_printed_reads_back(duration_ns: int) -> None:
    assert parse_config_duration(format_go(duration_ns)) == duration_ns
    assert parse_ttl(format_go(duration_ns)) == duration_ns


UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": S,
    "m": 60 * S,
    "h": HOUR,
    "d": DAY,
    "w": 7 * DAY,
    "mo": 30 * DAY,
    "y": 365 * DAY,
}
LONG = ("d", "w", "mo", "y")
TERMS = st.tuples(st.integers(0, 300), st.sampled_from(sorted(UNITS)))


@given(st.lists(TERMS, min_size=1, max_size=6))
def test_whole_terms_add_up_in_any_order(terms: list[tuple[int, str]]) -> None:
    text = "".join(f"{count}{unit}" for count, unit in terms)
    total_ns = sum(count * UNITS[unit] for count, unit in terms)
    if total_ns > MAX_DURATION_NS:
        with pytest.raises(ValueError):
            parse_ttl(text)
    else:
        assert parse_ttl(text) == total_ns


@given(
    st.integers(0, 1_000),
    st.text("0123456789", max_size=12),
    st.sampled_from([unit for unit in UNITS if unit not in LONG]),
)
def test_fractions_are_exact_and_cut(whole: int, fraction: str, unit: str) -> None:
    exact = Fraction(f"{whole}.{fraction or '0'}") * UNITS[unit]
    assert parse_ttl(f"{whole}.{fraction}{unit}") == int(exact)


@given(st.text("0123456789.+-smhdwoynuµ eE\n", max_size=12))
def test_hostile_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_ttl, parse_window, parse_config_duration):
        try:
            duration_ns = parse(text)
        except ValueError:
            continue
        assert duration_ns == 0 or re.search("[1-9]", text)
        if parse is not parse_window:
            assert 0 <= duration_ns <= MAX_DURATION_NS
