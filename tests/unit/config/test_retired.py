"""Times and entries of retirement lists (contract 5.7)."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.config.retired import usable, warnings
from talos.domain.timestamps import parse_rfc3339, rfc3339

S = 10**9


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2030-03-17T17:46:40Z", 1_900_000_000 * S),
        ("2030-03-17T17:46:40.5Z", 1_900_000_000 * S + S // 2),
        ("2030-03-17T17:46:40.000000001Z", 1_900_000_000 * S + 1),
        ("2030-03-17T17:46:40.0000000019999Z", 1_900_000_000 * S + 1),
        ("2030-03-17T18:46:40+01:00", 1_900_000_000 * S),
        ("2030-03-17T12:16:40-05:30", 1_900_000_000 * S),
        ("1969-12-31T23:59:59.999999999Z", -1),
    ],
)
def test_times(text: str, expected_ns: int) -> None:
    assert parse_rfc3339(text) == expected_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2030-03-17",
        "2030-03-17T17:46:40",
        "2030-03-17 17:46:40Z",
        "2030-03-17t17:46:40z",
        "2030-13-17T17:46:40Z",
        "2030-02-30T17:46:40Z",
        "2030-03-17T17:46:60Z",
        "2030-03-17T17:46:40.Z",
        "2030-03-17T17:46:40+25:00",
        "2030-03-17T17:46:40Z\n",
        "٢٠٣٠-03-17T17:46:40Z",
        "1900000000",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_rfc3339(text)


@given(
    st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)),
    st.integers(0, 10**9 - 1),
)
def test_a_printed_time_reads_back(moment: datetime.datetime, fraction_ns: int) -> None:
    whole = moment.replace(microsecond=0, tzinfo=datetime.UTC)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    at_ns = (whole - epoch) // datetime.timedelta(seconds=1) * S + fraction_ns
    assert parse_rfc3339(rfc3339(at_ns)) == at_ns


def test_a_warning_names_list_and_index_only() -> None:
    entries = ["fine", {"value": "canary", "expires_at": "canary"}, ["canary"], {"x": "canary"}]
    assert warnings("the.list", entries) == (
        "the.list[1]: skipped; its expires_at is no time such as 2030-01-31T00:00:00Z",
        "the.list[2]: skipped; it is neither a string nor an object with value and expires_at",
        "the.list[3]: skipped; it has no value",
    )
    assert [entry.value for entry in usable(entries)] == ["fine"]
