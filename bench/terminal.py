"""What a person sees while the bench runs: a bar, what is being done, and the table so far."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group, JustifyMethod
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from bench.report.table import Table

_WIDTH_OF_A_FILE: Final = 110


class Section:
    """A part of the run, with a known number of steps."""

    def __init__(self, console: Console, live: Live, progress: Progress, task: TaskID) -> None:
        """Made by ``Terminal.section``."""
        self._console = console
        self._live = live
        self._progress = progress
        self._task = task
        self._tables: tuple[Table, ...] = ()

    def doing(self, what: str) -> None:
        """Tell what is being done now."""
        self._progress.update(self._task, what=what)
        if not self._console.is_terminal:
            self._console.print(what, style="dim", highlight=False, markup=False)

    def done(self, steps: int = 1) -> None:
        """Tell that so many steps are over."""
        self._progress.advance(self._task, steps)

    def tell(self, text: str) -> None:
        """Leave a line above the table for good."""
        self._console.print(text, style="yellow", highlight=False, markup=False)

    def show(self, *tables: Table) -> None:
        """Replace the tables."""
        self._tables = tables
        if self._console.is_terminal:
            self._live.update(Group(*map(rendered, tables), self._progress))

    def keep(self, table: Table) -> None:
        """Leave a table above the bar for good."""
        self._console.print(rendered(table))

    def leave(self) -> None:
        """Take the bar away and leave the table."""
        self._live.update(Group(*map(rendered, self._tables)))


class Terminal:
    """The standard output of the bench."""

    def __init__(self, console: Console | None = None) -> None:
        """Write to ``console``."""
        self.console = console or Console()
        if not self.console.is_terminal:
            self.console.width = _WIDTH_OF_A_FILE

    @contextmanager
    def section(self, title: str, steps: int) -> Iterator[Section]:
        """Show the progress of a part of the run; its last table stays."""
        self.console.rule(title, align="left")
        progress = Progress(
            TextColumn("{task.fields[what]}", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            console=self.console,
        )
        task = progress.add_task("", total=steps, what="")
        with Live(progress, console=self.console, refresh_per_second=4) as live:
            section = Section(self.console, live, progress, task)
            try:
                yield section
            finally:
                section.leave()
        # Where there is no terminal the last line has not been ended.
        if not self.console.is_terminal:
            self.console.print()

    def show(self, table: Table) -> None:
        """Print a table."""
        self.console.print(rendered(table))

    def tell(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, markup=False)

    def warn(self, text: str) -> None:
        """Print a line that should not be overlooked."""
        self.console.print(text, style="yellow", highlight=False, markup=False)


def rendered(table: Table) -> RichTable:
    """Return a table as rich draws it."""
    drawn = RichTable(title=table.title, caption=table.caption or None, title_justify="left")
    for at, column in enumerate(table.columns):
        justify: JustifyMethod = "left" if at < table.texts else "right"
        drawn.add_column(column, justify=justify, no_wrap=at == 0)
    for row in table.rows:
        drawn.add_row(*map(escape, row))
    return drawn
