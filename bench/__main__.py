"""``python -m bench``: measure, print the tables, write ``bench/results/``."""

import os
import resource
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from bench import machine
from bench import results as found
from bench.core import run as core
from bench.core.cached import bytes_a_key
from bench.effort import EFFORTS, Effort
from bench.growth import measure as growth
from bench.growth.axes import AXES, Axis
from bench.http import compare
from bench.load import closed, open_loop
from bench.report import page, summary
from bench.results import Run
from bench.servers import peer
from bench.servers.contenders import CACHED, CONTENDERS, LIMIT
from bench.servers.site import Contender, Site
from bench.targets import verdicts
from bench.terminal import Terminal
from bench.tools import ROOT, Missing, install_command

_PARTS: Final = ("core", "http", "growth")
_RESULTS: Final = ROOT / "bench" / "results"
_DESCRIPTORS: Final = 16_384


@click.command(help=__doc__)
@click.option("--effort", type=click.Choice(list(EFFORTS)), default="full", show_default=True)
@click.option("--only", multiple=True, type=click.Choice(_PARTS), help="Measure this part alone.")
@click.option(
    "--rows",
    metavar="NAME,...",
    help=f"Servers to compare, of {', '.join(each.name for each in CONTENDERS)}.",
)
@click.option(
    "--curves", metavar="NAME,...", help=f"Curves, of {', '.join(axis.name for axis in AXES)}."
)
@click.option("--peer", "peer_url", envvar="PEER", help="A running server with the same API.")
@click.option("--cores", metavar="N,...", help="Cores for servers and load; two by default.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=_RESULTS,
    help="Where the results go.",
)
def main(
    effort: str,
    only: tuple[str, ...],
    rows: str | None,
    curves: str | None,
    peer_url: str | None,
    cores: str | None,
    output: Path,
) -> None:
    """Run the parts that are asked for."""
    terminal = Terminal()
    try:
        used = machine.use_cores([int(core) for core in _names(cores)])
        contenders = _chosen_rows(_names(rows), peer_url)
        axes = _chosen_curves(_names(curves))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _allow_descriptors()
    run = _new_run(effort, used)
    for doubt in machine.doubts(run.machine):
        terminal.warn(f"Beware: {doubt}")
    missing = install_command()
    if missing:
        terminal.warn(f"Some of what is compared is not installed: {missing}")
    _measure(run, EFFORTS[effort], only or _PARTS, contenders, axes, terminal)
    _conclude(run, output, terminal)


def _measure(
    run: Run,
    effort: Effort,
    parts: tuple[str, ...],
    contenders: list[Contender],
    axes: list[Axis],
    terminal: Terminal,
) -> None:
    workers = len(run.machine["cores_used"])
    if "core" in parts:
        with terminal.section("In process", core.steps()) as section:
            try:
                run.core, run.core_left_out = core.measure(effort, section)
            except core.CasesFailed as failed:
                terminal.tell(str(failed))
                sys.exit(1)
        run.cache_bytes_per_key = bytes_a_key()
    if not {"http", "growth"} & set(parts) or not _can_load(terminal):
        return
    if "http" in parts:
        total = compare.steps(contenders, effort)
        with terminal.section("Servers", total) as section, Site(workers) as site:
            run.servers = compare.compare(site, contenders, effort, section)
    if "growth" in parts:
        with terminal.section("How cost grows", growth.steps(axes, effort)) as section:
            run.growth = growth.measure(axes, effort, workers, section)


def _can_load(terminal: Terminal) -> bool:
    """Tell whether the load generators are there, and say so if they are not."""
    try:
        closed.available()
        open_loop.available()
    except Missing as missing:
        terminal.warn(f"no server is measured: {missing}")
        return False
    return True


def _conclude(run: Run, output: Path, terminal: Terminal) -> None:
    terminal.show(summary.targets(verdicts(run)))
    for line in summary.left_out(run):
        terminal.tell(f"left out: {line}")
    output.mkdir(parents=True, exist_ok=True)
    name = f"{run.started[:19].replace(':', '')}-{run.commit}-{run.effort}"
    path = output / f"{name}.json"
    found.write(run, path)
    report = path.with_suffix(".html")
    report.write_text(page.render(run))
    terminal.tell(f"written: {path} and {report.name}")


def _new_run(effort: str, cores: list[int]) -> Run:
    commit, changed = machine.commit()
    return Run(
        effort=effort,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit,
        changed=changed,
        machine=machine.describe(cores),
        versions=machine.versions(),
    )


def _chosen_rows(names: list[str], peer_url: str | None) -> list[Contender]:
    """Return the rows by their names; nginx needs the row whose answers it repeats."""
    known = {each.name: each for each in CONTENDERS}
    _require_known(names, known, "servers")
    wanted = set(names) | ({CACHED} if LIMIT in names else set())
    chosen = [each for each in CONTENDERS if not names or each.name in wanted]
    return chosen + ([peer.contender(peer_url)] if peer_url else [])


def _chosen_curves(names: list[str]) -> list[Axis]:
    _require_known(names, {axis.name: axis for axis in AXES}, "curves")
    return [axis for axis in AXES if not names or axis.name in names]


def _require_known(names: list[str], known: Collection[str], what: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no {what} named {', '.join(unknown)}; there are {', '.join(known)}")


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _allow_descriptors() -> None:
    """Let the load generators have a descriptor for each of their connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    os.chdir(ROOT)
    main(prog_name="python -m bench")
