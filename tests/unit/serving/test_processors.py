"""How many workers are started where nobody says."""

import os
from pathlib import Path

import pytest

from talos.serving.process.processors import usable_processors

SEEN = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", SEEN),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("100001 100000\n", min(SEEN, 2)),
        ("900000000 100000\n", SEEN),
        ("nonsense\n", SEEN),
        ("1 0\n", SEEN),
    ],
)
def test_a_limit_counts_where_it_is_lower(tmp_path: Path, text: str, expected: int) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(text)
    assert usable_processors(limit) == expected


def test_without_a_limit_every_core_counts(tmp_path: Path) -> None:
    assert usable_processors(tmp_path / "absent") == SEEN
