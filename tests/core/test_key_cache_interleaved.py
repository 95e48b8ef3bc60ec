"""Every schedule of the shared key cache's real code, up to a number of interruptions and deaths.

``make interleave`` searches deeper.
"""

import pytest

from tests.core.interleave import MISTAKES, SCENARIOS, Interleave, Scenario, build


@pytest.fixture(scope="module")
def interleave(tmp_path_factory: pytest.TempPathFactory) -> Interleave:
    return build(tmp_path_factory.mktemp("interleave"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_schedule_shows_a_wrong_answer_or_wedges_the_key(
    interleave: Interleave, scenario: Scenario
) -> None:
    assert scenario.search(interleave) > 100


@pytest.mark.parametrize("scenario", MISTAKES, ids=lambda scenario: scenario.name)
def test_the_search_finds_mistakes(interleave: Interleave, scenario: Scenario) -> None:
    with pytest.raises(AssertionError, match="stale"):
        scenario.search(interleave)
