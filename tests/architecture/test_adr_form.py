"""Every decision has the form that docs/adr/README.md asks for."""

import re
from pathlib import Path

import pytest

ADR = Path(__file__).parents[2] / "docs" / "adr"
PAGES = sorted(ADR.glob("[0-9]*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_its_date_and_its_three_parts(page: Path) -> None:
    text = page.read_text()
    number = int(page.name.partition("-")[0])
    assert re.match(rf"# {number}\. .+\n\nDate: \d{{4}}-\d\d-\d\d\. Status: \w.*\.\n", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_no_number_is_given_twice_and_all_pages_are_listed() -> None:
    assert len({page.name[:4] for page in PAGES}) == len(PAGES)
    index = (ADR / "README.md").read_text()
    assert all(f"({page.name})" in index for page in PAGES)
