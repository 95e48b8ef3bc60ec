"""The tables of a run."""

from collections.abc import Iterable, Sequence
from typing import Final

from bench.report.table import Table, figure, mebibytes, milliseconds, nanoseconds, ratio
from bench.results import CoreFigure, Curve, Run, ServerRow, paired_ratio
from bench.servers.contenders import LIMIT
from bench.targets import Verdict

HALF: Final = 0.5
"""The part of a server's own throughput at which latency is told."""


def servers(rows: Sequence[ServerRow]) -> list[Table]:
    """Return the comparison of servers: what they can do at which cost, and how long it takes."""
    limit = next((row for row in rows if row.name == LIMIT and row.measured), None)
    shown = [row for row in rows if not row.left_out]
    return [
        Table(
            title="Throughput and cost, on the same cores as the load",
            columns=(
                "server",
                "of nginx",
                "requests/s",
                "CPU s per 100,000",
                "of it beside",
                "MiB",
            ),
            rows=[_cost(row, limit) for row in shown],
            caption=(
                "Medians of interleaved rounds; of nginx: the median of the ratios of each round. "
                "Beside: of the server's database. MiB: the server's own memory."
            ),
        ),
        Table(
            title="Latency in ms",
            columns=(
                "server",
                *(f"{loop} {name}" for loop in ("full", "half") for name in _QUANTILES),
            ),
            rows=[_latency(row) for row in shown],
            caption=(
                "Full: as fast as answers come (closed loop). Half: at half of that, requests "
                "being due at random times that wait for no answer (open loop); nginx at half of "
                "what talos does."
            ),
        ),
    ]


_QUANTILES: Final = {"p50": "p50_us", "p99": "p99_us", "p99.9": "p999_us"}
_NOT_YET: Final = "..."


def _cost(row: ServerRow, limit: ServerRow | None) -> list[str]:
    if not row.measured:
        return [row.title, *[_NOT_YET] * 5]
    return [
        row.title,
        ratio(paired_ratio(row, limit)) if limit else "-",
        figure(row.per_second()),
        figure(row.cpu_s_per_100k()),
        figure(row.beside_cpu_s_per_100k()),
        mebibytes(row.pss_bytes()),
    ]


def _latency(row: ServerRow) -> list[str]:
    if not row.measured:
        return [row.title, *[_NOT_YET] * 6]
    names = _QUANTILES.values()
    return [
        row.title,
        *(milliseconds(row.closed_latency_us(name)) for name in names),
        *(milliseconds(row.open_latency_us(HALF, name)) for name in names),
    ]


def core(figures: Iterable[CoreFigure]) -> Table:
    """Return the operations in process, each beside ours of its case."""
    cases: dict[str, list[CoreFigure]] = {}
    for entry in figures:
        cases.setdefault(entry.case, []).append(entry)
    rows = []
    for case, entries in cases.items():
        entries.sort(key=lambda entry: not entry.ours)
        ours = next((entry for entry in entries if entry.ours), None)
        for at, entry in enumerate(entries):
            times = entry.median_ns / ours.median_ns if ours else None
            rows.append(
                [
                    case if at == 0 else "",
                    entry.title,
                    nanoseconds(entry.median_ns),
                    "ours" if entry.ours else ratio(times),
                ]
            )
    return Table(
        title="Operations in process",
        columns=("case", "operation", "median", "times ours"),
        rows=rows,
        caption="Times include the call by the measuring loop, which the case «call» shows.",
        texts=2,
    )


def curve(found: Curve) -> Table:
    """Return the points of a curve."""
    series = list(dict.fromkeys(name for point in found.points for name in point.figures))
    return Table(
        title=found.title,
        columns=(found.x_title, *series),
        rows=[
            [f"{point.x:,.6g}", *(figure(point.figures.get(name)) for name in series)]
            for point in found.points
        ],
        caption=found.note,
        texts=0,
    )


def targets(verdicts: Sequence[Verdict]) -> Table:
    """Return what was to be reached, and whether it was."""
    return Table(
        title="What it must reach",
        columns=("what", "bound", "measured", "verdict"),
        rows=[
            [verdict.title, verdict.bound, figure(verdict.measured), verdict.word]
            for verdict in verdicts
        ],
        caption="A figure of a run that is not a full one on an idle machine decides nothing.",
        texts=2,
    )


def left_out(run: Run) -> list[str]:
    """Return a line for everything that has no figures, and why."""
    return [
        *run.core_left_out,
        *(f"{row.title}: {row.left_out}" for row in run.servers if row.left_out),
        *(f"{found.title}: {found.left_out}" for found in run.growth if found.left_out),
    ]
