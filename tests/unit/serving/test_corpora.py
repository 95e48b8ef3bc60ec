"""The cases of other parsers' test suites: read with the same meaning, or otherwise for a reason.

Where they come from, and under which licence, stands in ``tests/vectors/raw_requests.json``.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.raw_requests import CLOSES, END, Request, parity, read_connection

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "raw_requests.json").read_text())
REFUSED = "refused"
AT_ONCE = 1_000_000


def part(request: Request, meaning: dict[str, Any]) -> dict[str, Any]:
    """As much of a request as a case tells."""
    whole = {
        "method": request.method,
        "target": request.target,
        "version": list(request.version),
        "headers": [list(header) for header in request.headers],
        "body": request.body,
    }
    return {name: whole[name] for name in meaning}


@pytest.mark.parametrize("step", [AT_ONCE, 1, 7])
@pytest.mark.parametrize(
    "case", VECTORS["cases"], ids=lambda case: f"{case['from']} {case['name']}"
)
def test_a_case(case: dict[str, Any], step: int) -> None:
    requests, outcome = read_connection(case["send"].encode("latin-1"), step)
    expected = case.get("ours", case["theirs"])
    if expected == REFUSED:
        assert outcome.isdecimal()
    elif isinstance(expected, str):
        assert (requests, outcome) == ([], expected)
    else:
        assert outcome in (END, CLOSES)
        assert len(requests) == len(expected)
        pairs = zip(requests, expected, strict=True)
        assert [part(request, meaning) for request, meaning in pairs] == expected


def test_every_difference_has_a_reason_and_every_reason_a_difference() -> None:
    differing = [case for case in VECTORS["cases"] if "ours" in case]
    assert all(case["ours"] != case["theirs"] for case in differing)
    assert {case["because"] for case in differing} == set(VECTORS["reasons"])
    assert {case["from"] for case in VECTORS["cases"]} == set(VECTORS["sources"])


SENT = [case["send"].encode("latin-1") for case in VECTORS["cases"]]
INSERTED = st.one_of(
    st.sampled_from(
        [b"", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b":", b"_", b"0", b"-", b"%",
         b"[", b"X: a\r\n", b"Content-Length: 5\r\n",
         b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n"]
    ),
    st.binary(min_size=1, max_size=2),
)  # fmt: skip
EDITS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 2), INSERTED), max_size=3)


@given(st.lists(st.sampled_from(SENT), min_size=1, max_size=3), EDITS)
def test_gunicorn_reads_a_changed_case_alike(
    sent: list[bytes], edits: list[tuple[int, int, bytes]]
) -> None:
    data = b"".join(sent)
    for at, removed, inserted in edits:
        data = data[:at] + inserted + data[at + removed :]
    parity(data)


def test_most_cases_are_something_to_compare() -> None:
    assert sum(map(parity, SENT)) > 70
