"""Tables aligned with tabs, byte for byte as Go's ``text/tabwriter`` lays them out. Contract 13.1.

Every cell, the last one of a line included, is padded with tabs to the next column, whose place is
a multiple of eight.
"""

from collections.abc import Sequence
from typing import Final

from talos.cli.text import one_line

TAB_STOP: Final = 8


def align(lines: Sequence[Sequence[str]]) -> str:
    """Return the lines, all of the same number of cells, as text that ends in a newline."""
    cells = [[one_line(cell) for cell in line] for line in lines]
    # A column leaves room for at least one blank behind its widest cell.
    stops = [max(map(len, column)) // TAB_STOP + 1 for column in zip(*cells, strict=True)]
    return "".join(
        "".join(
            cell + "\t" * (stop - len(cell) // TAB_STOP)
            for cell, stop in zip(line, stops, strict=True)
        )
        + "\n"
        for line in cells
    )
