"""Every link between our own pages and files leads somewhere, and every page is found."""

import re
from pathlib import Path

import pytest

from tests.architecture.pages import DOCS, PAGES, Page

ELSEWHERE = re.compile(r"[a-z]+:")
ADR = DOCS / "adr"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Page) -> None:
    broken = []
    for link in page.links:
        if ELSEWHERE.match(link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        if not path.exists() or (anchor and anchor not in Page(path).anchors):
            broken.append(link)
    assert not broken


def test_the_pages_are_found_at_all() -> None:
    assert sum(len(page.links) for page in PAGES) > 50


@pytest.mark.parametrize("folder", [DOCS, ADR], ids=["docs", "adr"])
def test_the_index_of_a_folder_names_its_pages(folder: Path) -> None:
    named = {link.partition("#")[0] for link in Page(folder / "README.md").links}
    assert {path.name for path in folder.glob("*.md")} - {"README.md"} <= named


def test_decisions_are_numbered_and_have_a_status() -> None:
    pages = sorted(path for path in ADR.glob("*.md") if path.name != "README.md")
    for path in pages:
        text = path.read_text()
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        assert re.search(r"\bStatus: \w", text), path.name
