"""The comparison of servers.

All of them run at once and are measured in turns, a round at a time, each round beginning with
another one: what disturbs the machine for a while disturbs all, and ratios are taken round by
round. First the closed loop finds what each can do; then the open loop asks at parts of that.
"""

from collections.abc import Sequence
from pathlib import Path

from bench import measuring
from bench.effort import Effort
from bench.load.measured import LoadFailed
from bench.program import StartFailed
from bench.report import summary
from bench.results import AtRate, ServerRow
from bench.servers.contenders import CACHED, LIMIT
from bench.servers.exchange import WrongAnswer
from bench.servers.site import Contender, Site, Subject
from bench.terminal import Section
from bench.tools import Missing

_FAULTS = (Missing, StartFailed, WrongAnswer, LoadFailed, OSError)


class _Entry:
    """A row and the server behind it."""

    def __init__(self, row: ServerRow, subject: Subject, requests: Path) -> None:
        self.row = row
        self.subject = subject
        self.requests = requests


def steps(contenders: Sequence[Contender], effort: Effort) -> int:
    """Return how many steps the comparison has at most."""
    open_loops = effort.open_loop_rounds * len(effort.open_loop_parts)
    return len(contenders) * (1 + effort.rounds + open_loops)


def compare(
    site: Site, contenders: Sequence[Contender], effort: Effort, section: Section
) -> list[ServerRow]:
    """Measure every contender that can be measured; the others say why they cannot."""
    rows = [ServerRow(each.name, each.title, each.twin) for each in contenders]
    entries = _start(site, contenders, rows, section)
    _closed_loop(entries, rows, effort, section)
    _open_loop(entries, rows, effort, section)
    return rows


def _start(
    site: Site, contenders: Sequence[Contender], rows: Sequence[ServerRow], section: Section
) -> list[_Entry]:
    entries = []
    for contender, row in zip(contenders, rows, strict=True):
        section.doing(f"starting {contender.title}")
        try:
            subject = site.start(contender)
        except _FAULTS as fault:
            _leave_out(row, fault, section)
        else:
            row.note, row.answer_bytes = subject.note, subject.answer.size
            entries.append(_Entry(row, subject, site.request_file(row.name, subject)))
        section.done()
    return entries


def _closed_loop(
    entries: list[_Entry], rows: Sequence[ServerRow], effort: Effort, section: Section
) -> None:
    for round_ in range(effort.rounds):
        for entry in _in_turn(entries, round_):
            section.doing(f"round {round_ + 1} of {effort.rounds}: {entry.row.title}")
            try:
                usage = measuring.closed_loop(
                    entry.subject,
                    entry.requests,
                    connections=effort.connections,
                    seconds=effort.seconds,
                    warmup_s=effort.warmup_s,
                )
                measuring.same_answers(entry.subject, usage.load)
            except _FAULTS as fault:
                _leave_out(entry.row, fault, section)
            else:
                entry.row.closed.append(usage)
            section.done()
            section.show(*summary.servers(rows))


def _open_loop(
    entries: list[_Entry], rows: Sequence[ServerRow], effort: Effort, section: Section
) -> None:
    cached = next((row for row in rows if row.name == CACHED and row.measured), None)
    for round_ in range(effort.open_loop_rounds):
        for part in effort.open_loop_parts:
            for entry in _in_turn(entries, round_):
                # The limit is asked for as much as our own server, to be compared with it.
                model = cached if entry.row.name == LIMIT and cached else entry.row
                rate = model.per_second() * part
                section.doing(f"{rate:,.0f} requests a second: {entry.row.title}")
                try:
                    usage = measuring.at_rate(
                        entry.subject,
                        entry.requests,
                        rate=rate,
                        seconds=effort.seconds,
                        warmup_s=effort.warmup_s,
                        seed=round_ + 1,
                    )
                    measuring.same_answers(entry.subject, usage.load)
                except _FAULTS as fault:
                    section.tell(f"{entry.row.title}, open loop: {fault}")
                else:
                    entry.row.open.append(AtRate(rate, part, usage))
                section.done()
                section.show(*summary.servers(rows))


def _in_turn(entries: Sequence[_Entry], round_: int) -> list[_Entry]:
    """Return those that still take part, beginning with another one each time."""
    present = [entry for entry in entries if not entry.row.left_out]
    first = round_ % len(present) if present else 0
    return present[first:] + present[:first]


def _leave_out(row: ServerRow, fault: Exception, section: Section) -> None:
    row.left_out = str(fault) or type(fault).__name__
    section.tell(f"{row.title} is left out: {row.left_out}")
