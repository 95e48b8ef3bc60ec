"""Runs that nobody measured."""

from bench.load.measured import Latency, Load
from bench.results import AtRate, CoreFigure, Curve, Point, Run, ServerRow, Usage

TWIN = "tests/bench/test_report.py"


def usage(
    per_second: float, *, cpu_s: float | None = 1.0, p99_us: float = 500.0, seconds: float = 2.0
) -> Usage:
    latency = Latency(100.0, 200.0, p99_us, 2 * p99_us, 3 * p99_us)
    load = Load(int(per_second * seconds), seconds, latency, 0, 0, 900.0)
    return Usage(load, cpu_s, 0.0, 50 << 20)


def row(
    name: str, *rounds: float, title: str = "", cpu_s: float = 1.0, p99_us: float = 500.0
) -> ServerRow:
    """A row that did so much in each round, and was asked for half in the open loop."""
    found = ServerRow(name, title or name, TWIN, answer_bytes=900)
    found.closed = [usage(each, cpu_s=cpu_s) for each in rounds]
    half = usage(rounds[0] / 2, p99_us=p99_us)
    found.open = [AtRate(rounds[0] / 2, 0.5, half)]
    return found


def run(*rows: ServerRow, curves: tuple[Curve, ...] = ()) -> Run:
    return Run(
        effort="full",
        started="2026-01-02T03:04:05+00:00",
        commit="0123456789ab",
        changed=False,
        machine={"cores_used": [0, 1], "load_before": 0.0, "processor": "one & only"},
        versions={"talos": "0.1.0"},
        core=[
            CoreFigure("a case", "ours", True, TWIN, 100.0, 90.0, 50),
            CoreFigure("a case", "theirs", False, TWIN, 250.0, 200.0, 50),
        ],
        servers=list(rows),
        growth=list(curves),
    )


def curve(name: str, points: dict[float, dict[str, float]], *, log: bool = False) -> Curve:
    found = Curve(name, f"the {name}", "x", "y", TWIN, log)
    found.points = [Point(x, figures) for x, figures in points.items()]
    return found
