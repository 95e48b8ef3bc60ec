"""What measuring a call costs by itself."""

from bench.core.conftest import Measure

CASE = "call"
TWIN = "tests/bench/test_cases.py"


def test_ours(measure: Measure) -> None:
    """A function that does nothing."""
    assert measure(_nothing) is None


def _nothing() -> None:
    return None
