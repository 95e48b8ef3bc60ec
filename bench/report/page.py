"""One HTML page of a run: tables, plots, and what is needed to read them with doubt."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from bench.machine import doubts
from bench.report import summary, svg
from bench.report.svg import Bar
from bench.report.table import Table, figure, milliseconds, ratio
from bench.results import Curve, Run, ServerRow, paired_ratio
from bench.servers.contenders import CACHED, LIMIT
from bench.targets import verdicts

_OURS: Final = (CACHED, "cache-off-sqlite", "cache-off-postgres", "stock-gunicorn")
_TEMPLATE: Final = Path(__file__).with_name("page.html")


def render(run: Run) -> str:
    """Return the page."""
    template = Template(_TEMPLATE.read_text())
    commit = run.commit + (" with changes" if run.changed else "")
    return template.substitute(
        title=escape(f"talos, measured at {commit}"),
        told=escape(f"A {run.effort} run, begun {run.started}."),
        doubts=_list(_doubts(run), "doubts"),
        targets=_table(summary.targets(verdicts(run))),
        servers=_servers(run),
        core=_table(summary.core(run.core)) if run.core else _NOTHING,
        growth="".join(_curve(curve) for curve in run.growth if curve.points) or _NOTHING,
        left_out=_list(summary.left_out(run)) or _NOTHING,
        twins=_table(_twins(run)),
        machine=_table(_pairs("The machine", run.machine.items())),
        versions=_table(_pairs("Versions", run.versions.items())),
    )


_NOTHING: Final = "<p>Nothing.</p>"


def _doubts(run: Run) -> list[str]:
    found = doubts(run.machine)
    if run.effort != "full":
        found.append("a short run: it shows that things work, and roughly how they compare")
    if run.changed:
        found.append("the working tree was not the commit")
    return [*found, *(f"{row.title}: {row.note}" for row in run.servers if row.note)]


def _servers(run: Run) -> str:
    rows = [row for row in run.servers if row.measured]
    if not rows:
        return _NOTHING
    limit = run.server(LIMIT)
    plots = [_throughput(rows, limit)]
    with_cpu = [row for row in rows if row.cpu_s_per_100k() is not None]
    if with_cpu:
        plots.append(
            _bars(
                "Processor seconds for 100,000 requests",
                (
                    (row, row.cpu_s_per_100k() or 0, figure(row.cpu_s_per_100k()))
                    for row in with_cpu
                ),
            )
        )
    timed = [(row, row.open_latency_us(summary.HALF, "p99_us")) for row in rows]
    plots.append(
        _bars(
            "p99 in ms at half of a server's own peak (nginx: of ours), open loop",
            ((row, value, milliseconds(value)) for row, value in timed if value is not None),
        )
    )
    return "".join(
        [*(_table(table, titled=True) for table in summary.servers(run.servers)), *plots]
    )


def _throughput(rows: Sequence[ServerRow], limit: ServerRow | None) -> str:
    if limit is None:
        return _bars(
            "Requests a second", ((row, row.per_second(), figure(row.per_second())) for row in rows)
        )
    ratios = [(row, paired_ratio(row, limit)) for row in rows]
    return _bars(
        "Throughput, nginx with the same bytes = 1",
        ((row, value, ratio(value)) for row, value in ratios),
    )


def _bars(title: str, items: Iterable[tuple[ServerRow, float, str]]) -> str:
    drawn = [Bar(row.title, value, text, row.name in _OURS) for row, value, text in items]
    return f"<h3>{escape(title)}</h3>{svg.bars(title, drawn)}" if drawn else ""


def _curve(curve: Curve) -> str:
    """Draw the series of one unit together; the unit is what follows the last comma."""
    units: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for point in curve.points:
        if curve.x_logarithmic and point.x <= 0:
            continue
        for series, value in point.figures.items():
            name, _, unit = series.rpartition(", ")
            units.setdefault(unit, {}).setdefault(name or unit, []).append((point.x, value))
    plots = [
        svg.lines(curve.title, curve.x_title, unit, series, x_logarithmic=curve.x_logarithmic)
        for unit, series in units.items()
    ]
    return f"<h3>{escape(curve.title)}</h3>{''.join(plots)}{_table(summary.curve(curve))}"


def _twins(run: Run) -> Table:
    twins = {(f.case, f.twin) for f in run.core}
    twins |= {(row.title, row.twin) for row in run.servers}
    twins |= {(curve.title, curve.twin) for curve in run.growth}
    return Table("", ("what is measured", "the test that holds it"), sorted(twins), texts=2)


def _pairs(title: str, pairs: Iterable[tuple[str, object]]) -> Table:
    rows = [(name.replace("_", " "), str(value)) for name, value in pairs]
    return Table(title, ("", ""), rows, texts=2)


def _table(table: Table, *, titled: bool = False) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = []
    for row in table.rows:
        cells = (
            f"<td{'' if at < table.texts else ' class=figure'}>{escape(cell)}</td>"
            for at, cell in enumerate(row)
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    title = f"<h3>{escape(table.title)}</h3>" if titled else ""
    caption = f"<p class=caption>{escape(table.caption)}</p>" if table.caption else ""
    return (
        f"{title}<div class=wide><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{caption}"
    )


def _list(items: Sequence[str], kind: str = "") -> str:
    if not items:
        return ""
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<ul class="{kind}">{lines}</ul>'
