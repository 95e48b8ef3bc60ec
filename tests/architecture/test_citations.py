"""Every rule that the code cites is in docs/protocol, or is a row of docs/compatibility.md."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.architecture.pages import DOCS, PAGES, ROOT, Page

PROTOCOL = [Page(path) for path in sorted((DOCS / "protocol").glob("*.md"))]
DIFFERENCES = "16"
SECURITY = "14"

# What may stand between two words of one sentence: blanks, line ends, marks of comments.
_GAP = re.compile(r"\s*\n\s*(?:#:?|//|\*|\")?\s*")
_SECTION = r"\d{1,2}(?:\.\d{1,2})?(?![.\d]*\d)"
_JOIN = r"(?:,? and |, | to |-)"
_STEPS = r" steps? \d+(?:(?: to |-|, | and )\d+(?![\d.]*\d))*"
_REFERENCE = rf"{_SECTION}(?:{_STEPS})?(?: \(\d+(?:{_JOIN}\d+)*\))?"
CITATION = re.compile(
    rf"\bcontract(?:'s)?,? (?:section )?({_REFERENCE}(?:{_JOIN}{_REFERENCE})*)", re.I
)
# In the product a rule is also cited by its bare number, in parentheses behind what it rules.
BARE = re.compile(rf"(?<=[\s.])\(((?=\d+\.)(?!0)(?![^()]*=){_REFERENCE}(?:{_JOIN}{_REFERENCE})*)\)")
_TOKEN = re.compile(rf"({_SECTION})({_STEPS})?(?: \(([^)]*)\))?|({_JOIN})")
_HEADING = re.compile(r"^#{2,3} (\d+(?:\.\d+)?) \S.*$", re.MULTILINE)
# The steps of an operation, and the rows of the gates of verify.
_ITEM = re.compile(r"^(?:(\d+)\. |\| (\d+) \|)", re.MULTILINE)


@dataclass(frozen=True)
class Cited:
    """One rule: a section, and within it a row, step or item."""

    section: str
    item: int | None = None


def numbers(text: str) -> list[int]:
    """The numbers of ``text``; ``a to b`` and ``a-b`` are all from a to b."""
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:(?: to |-)(\d+))?", text):
        found += range(int(first), int(last or first) + 1)
    return found


def cited(text: str, bare: bool = False) -> Iterator[Cited]:
    """What the source ``text`` cites, in each form; ``bare``: without the word "contract" too."""
    flat = _GAP.sub(" ", text)
    for match in [*CITATION.finditer(flat), *(BARE.finditer(flat) if bare else ())]:
        within = ""
        previous = ""
        between = ""
        for section, steps, rows, join in _TOKEN.findall(match[1]):
            if join:
                between = join
                continue
            whole, _, part = section.partition(".")
            if within and not part and not rows and whole != DIFFERENCES:
                # "16, 29, 33": after section 16, or 14, a whole number is an item of it.
                first = int(previous) + 1 if between in (" to ", "-") and previous else int(whole)
                for row in range(first, int(whole) + 1):
                    yield Cited(within, row)
                previous = whole
                continue
            within = section if section in (DIFFERENCES, SECURITY) else ""
            previous = ""
            if between in (" to ", "-") and part:
                yield from (Cited(f"{whole}.{one}") for one in range(int(part), 0, -1))
            if whole in (DIFFERENCES, SECURITY):
                yield Cited(whole, int(part) if part else None)
                yield from (Cited(whole, row) for row in numbers(rows))
            else:
                yield Cited(section)
                yield from (Cited(section, step) for step in numbers(steps))


def rules() -> set[Cited]:
    """Everything that can be cited."""
    found: set[Cited] = set()
    for page in PROTOCOL:
        _, *sections = _HEADING.split(page.prose)
        for number, text in zip(sections[::2], sections[1::2], strict=True):
            assert Cited(number) not in found, f"section {number} stands twice"
            found.add(Cited(number))
            found |= {Cited(number, int(listed or row)) for listed, row in _ITEM.findall(text)}
    differences = Page(DOCS / "compatibility.md").table(
        "#", "Topic", "Here", "Why", "A client notices"
    )
    return found | {Cited(DIFFERENCES, int(row[0])) for row in differences}


def sources() -> Iterator[tuple[str, str]]:
    """Name and text of every file of the repository that people write."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    own = ("LICENSE", "bench/results/", "tests/architecture/test_citations.py", "docs/protocol/")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if not name.startswith(own) and path.is_file():
            yield name, path.read_text(errors="replace")


def unresolved(text: str) -> set[Cited]:
    return set(cited(text)) - rules()


def test_every_citation_is_read() -> None:
    """In a form that nobody has thought of here, a citation would pass unseen."""
    unread = []
    for name, text in sources():
        flat = _GAP.sub(" ", text)
        read = {match.start() for match in CITATION.finditer(flat)}
        unread += [
            (name, match[0])
            for match in re.finditer(
                r"\bcontract\W{1,3}(?:(?:section|row|rule) )?\d.{0,30}", flat, re.I
            )
            if match.start() not in read
        ]
    assert not unread


def test_every_citation_resolves() -> None:
    known = rules()
    missing: list[tuple[str, Cited]] = []
    count = 0
    for name, text in sources():
        found = list(cited(text, bare=name.startswith("talos/")))
        count += len(found)
        missing += [(name, one) for one in found if one not in known]
    assert not missing
    assert count > 400


@pytest.mark.parametrize(
    "text",
    [
        "contract 6.9",
        "Contract 18.",
        "(contract 16 (99))",
        "(contract 16, 99)",
        "contract 8.4 and 16, 29, 99",
        "contract 16.99",
        "contract 6.2 steps 1 to 10",
        "(contract 14.20)",
        "(contract 2.1, 4.99)",
        "(contract\n# 6.9)",
        "contract 6.7 to 6.9",
        "contract 16 (38), 16 (99)",
        "contract 4.1 step 8",
    ],
)
def test_a_citation_of_no_rule_is_found(text: str) -> None:
    assert unresolved(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("contract 6.8).", {Cited("6.8")}),
        ("contract 16 (41)", {Cited("16"), Cited("16", 41)}),
        ("contract 16.19", {Cited("16", 19)}),
        (
            "contract 8.4 and 16, 29, 33",
            {Cited("8.4"), Cited("16"), Cited("16", 29), Cited("16", 33)},
        ),
        ("Contract 14, 5.", {Cited("14"), Cited("14", 5)}),
        (
            "contract 6.2 steps 1 to 3, 6.8",
            {Cited("6.8"), Cited("6.2"), *(Cited("6.2", n) for n in (1, 2, 3))},
        ),
    ],
)
def test_the_forms_of_citations(text: str, what: set[Cited]) -> None:
    assert set(cited(text)) == what


def test_bare_numbers_are_citations_in_the_product() -> None:
    assert set(cited("Body of issue (4.1 steps 1 and 2), of import (4.7).", bare=True)) == {
        *(Cited("4.1", step) for step in (1, 2)),
        Cited("4.1"),
        Cited("4.7"),
    }
    assert set(cited("of no rule (4.99)", bare=True)) - rules()


def test_the_protocol_links_to_the_table_of_differences() -> None:
    index = Page(DOCS / "protocol" / "README.md")
    assert "../compatibility.md#on-purpose" in index.links


def test_the_index_leads_to_every_section() -> None:
    links = Page(DOCS / "protocol" / "README.md").links
    assert {str(page.path.name) for page in PROTOCOL} - {"README.md"} <= {
        link.partition("#")[0] for link in links
    }
    for page in PROTOCOL:
        for heading in re.findall(r"^## (\d+) ", page.prose, re.MULTILINE):
            assert any(f"#{heading}-" in link for link in links), heading


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_link_to_rules_instead_of_citing_them(page: Page) -> None:
    if page.path.parent.name != "protocol":
        assert not list(cited(page.text))
