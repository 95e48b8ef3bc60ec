"""Measuring the curves, each on servers of its own."""

from collections.abc import Sequence

from bench.effort import Effort
from bench.growth.axes import Axis
from bench.growth.ground import Ground
from bench.load.measured import LoadFailed
from bench.program import StartFailed
from bench.report import summary
from bench.results import Curve
from bench.servers.exchange import WrongAnswer
from bench.servers.site import Site
from bench.terminal import Section
from bench.tools import Missing


def steps(axes: Sequence[Axis], effort: Effort) -> int:
    """Return how many points there are."""
    return sum(len(axis.points(effort.thorough)) for axis in axes)


def measure(axes: Sequence[Axis], effort: Effort, workers: int, section: Section) -> list[Curve]:
    """Measure every curve; one that cannot be measured says why and keeps the points it has."""
    curves = []
    for axis in axes:
        curve = axis.curve()
        curves.append(curve)
        points = axis.points(effort.thorough)
        try:
            with Site(workers) as site:
                axis.measure(Ground(site, effort, section), curve, points)
        except (Missing, StartFailed, WrongAnswer, LoadFailed, OSError) as fault:
            curve.left_out = str(fault) or type(fault).__name__
            section.tell(f"{curve.title} is left out: {curve.left_out}")
            section.done(len(points) - len(curve.points))
        if curve.points:
            section.keep(summary.curve(curve))
    return curves
