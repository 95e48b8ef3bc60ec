import pytest

from talos.credentials.numeric_date import EARLIEST_S, LATEST_S, exact_seconds, lenient_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0),
        (1750000000, 1750000000),
        (-5, -5),
        (EARLIEST_S, EARLIEST_S),
        (LATEST_S, LATEST_S),
        (1750000000.0, 1750000000),
        (1750000000.999, 1750000000),
        (-1.5, -1),
        (1.75e9, 1750000000),
        ("1750000000", 1750000000),
        ("1750000000.999", 1750000000),
        ("1750000000.", 1750000000),
        ("-1.5", -1),
        ("+7", 7),
        ("007", 7),
        ("2025-06-15T15:06:40Z", 1750000000),
        ("2025-06-15T15:06:40.999999999999Z", 1750000000),
        ("2025-06-15T17:06:40+02:00", 1750000000),
        ("2025-06-15T09:36:40-05:30", 1750000000),
        ("1969-12-31T23:59:58.5Z", -2),
        ("0001-01-01T00:00:00Z", EARLIEST_S),
        ("9999-12-31T23:59:59Z", LATEST_S),
    ],
)
def test_times_of_a_jwt(value: object, seconds: int) -> None:
    assert lenient_seconds(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        [],
        {},
        EARLIEST_S - 1,
        LATEST_S + 1,
        2**64,
        1e300,
        -1e300,
        float(LATEST_S + 1),
        "",
        " 1750000000",
        "1750000000\n",
        "1e9",
        "0x10",
        "1_000",
        ".5",
        "-",
        "١٢٣",
        "9" * 5000,
        "99999999999999999999",
        "253402300800",
        "2025-06-15",
        "2025-06-15T15:06:40",
        "2025-06-15 15:06:40Z",
        "2025-06-15t15:06:40z",
        "2025-06-15T15:06:60Z",
        "2025-13-15T15:06:40Z",
        "2025-02-29T15:06:40Z",
        "2025-06-15T15:06:40.Z",
        "2025-06-15T15:06:40+24:00",
        "2025-06-15T15:06:40+0200",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "20250615T150640Z",
        "now",
        "\ud800",
    ],
)
def test_what_is_no_time_of_a_jwt(value: object) -> None:
    with pytest.raises(ValueError):
        lenient_seconds(value)


@pytest.mark.parametrize("value", [0, -1, 1750000000, EARLIEST_S, LATEST_S])
def test_times_of_a_macaroon(value: int) -> None:
    assert exact_seconds(value) == value


@pytest.mark.parametrize(
    "value", [1750000000.0, "1750000000", None, True, EARLIEST_S - 1, LATEST_S + 1, 2**63, [], {}]
)
def test_what_is_no_time_of_a_macaroon(value: object) -> None:
    with pytest.raises(ValueError):
        exact_seconds(value)
