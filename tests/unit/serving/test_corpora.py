"""The cases of other parsers' test suites: read with the same meaning, or otherwise for a reason.

Where they come from, and under which licence, stands in ``tests/vectors/raw_requests.json``.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reference.raw_requests import CLOSES, END, Request, read_connection

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
