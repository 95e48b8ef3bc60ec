"""A bar on stderr for work that takes a while; nothing where stderr is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[int, int | None], None]
"""Takes how much is done, and of how much; None where nobody knows."""


@contextmanager
def progress(label: str) -> Iterator[Show]:
    """Show a bar until the block ends; it leaves nothing behind."""
    if not _on_terminal():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (label, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _on_terminal() -> bool:
    return sys.stderr.isatty()
