"""The Markdown pages of the repository, taken apart far enough to hold them to the code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^ *(```+)[^\n]*\n(.*?)^ *\1 *$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]*)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_TABLE_RULE = re.compile(r"\|[ :|-]+\|")


@dataclass(frozen=True)
class Page:
    """One page."""

    path: Path

    @property
    def name(self) -> str:
        """Its path, as people say it."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    @cached_property
    def blocks(self) -> list[str]:
        """The contents of the fenced blocks."""
        return [match[2] for match in _FENCE.finditer(self.text)]

    @cached_property
    def spans(self) -> list[str]:
        """What stands between backticks."""
        return [" ".join(match[2].split()) for match in _SPAN.finditer(self.prose)]

    @cached_property
    def links(self) -> list[str]:
        return _LINK.findall(_SPAN.sub("", self.prose))

    @cached_property
    def anchors(self) -> set[str]:
        """What a link can name behind ``#``, as the usual renderers spell it."""
        headings = (re.sub(r"[`*]", "", heading) for heading in _HEADING.findall(self.prose))
        return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def table(self, *header: str) -> list[list[str]]:
        """The rows of the one table that has these columns, without backticks."""
        found = [rows for columns, rows in self._tables() if columns == list(header)]
        assert len(found) == 1, f"{self.name}: {len(found)} tables with the columns {header}"
        return found[0]

    def _tables(self) -> Iterator[tuple[list[str], list[list[str]]]]:
        lines = self.prose.splitlines()
        for number, line in enumerate(lines):
            if not _TABLE_RULE.fullmatch(line):
                continue
            rows: list[list[str]] = []
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append(_cells(row))
            yield _cells(lines[number - 1]), rows


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]


PAGES = [
    Page(path)
    for path in sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
]
