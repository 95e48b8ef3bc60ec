"""The configurations in ``docs``, taken from the pages and put to work on free ports."""

import re
from collections.abc import Mapping

from tests.e2e.processes import REPOSITORY


def block(page: str, heading: str, language: str, number: int = 0) -> str:
    """Return a fenced block below a heading of a page, whatever its level."""
    text = (REPOSITORY / "docs" / f"{page}.md").read_text()
    [section] = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", unfenced(text), re.M | re.S
    )
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", fenced(section), re.M | re.S)
    return str(blocks[number])


def unfenced(text: str) -> str:
    """Hide the comments inside fenced blocks, which look like headings."""
    return re.sub(
        r"^```\w*\n.*?^```$", lambda match: match[0].replace("\n#", "\n\0"), text, flags=re.M | re.S
    )


def fenced(text: str) -> str:
    """Undo ``unfenced``."""
    return text.replace("\n\0", "\n#")


def with_changes(text: str, changes: Mapping[str, str]) -> str:
    """Replace what cannot be as it stands in a test; all of it has to be there."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the example"
        text = text.replace(old, new)
    return text
