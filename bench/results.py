"""What a run has found, as it is written to ``bench/results/``."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.load.measured import Load

FORMAT: Final = 1
REQUESTS: Final = 100_000
"""The number of requests that processor time is told for."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One measurement of a server: the load, and what it cost. None where it cannot be seen."""

    load: Load
    cpu_s: float | None
    """Of the server and what it needs beside itself."""
    beside_cpu_s: float
    pss_bytes: int | None
    """Memory of the server's own processes, right after the load."""

    @property
    def cpu_s_per_100k(self) -> float | None:
        """Processor seconds for 100,000 requests."""
        return None if self.cpu_s is None else self.cpu_s / self.load.requests * REQUESTS

    @property
    def beside_cpu_s_per_100k(self) -> float:
        """The part of it that is not the server's own."""
        return self.beside_cpu_s / self.load.requests * REQUESTS


@dataclass(frozen=True, slots=True)
class AtRate:
    """One measurement of the open loop at ``rate`` requests a second."""

    rate: float
    part: float
    """The rate as a part of what the row that it was chosen by did in the closed loop."""
    usage: Usage


@dataclass
class ServerRow:
    """A row of the comparison of servers."""

    name: str
    title: str
    twin: str
    note: str = ""
    left_out: str = ""
    """Why the row has no figures; empty if it has."""
    answer_bytes: int = 0
    closed: list[Usage] = field(default_factory=list)
    """In the order of the rounds, so that two rows can be compared round by round."""
    open: list[AtRate] = field(default_factory=list)

    @property
    def measured(self) -> bool:
        """Whether there are figures."""
        return not self.left_out and bool(self.closed)

    def per_second(self) -> float:
        """The median of the rounds."""
        return median(usage.load.per_second for usage in self.closed)

    def cpu_s_per_100k(self) -> float | None:
        """The median of the rounds."""
        return _median_of(usage.cpu_s_per_100k for usage in self.closed)

    def beside_cpu_s_per_100k(self) -> float:
        """The median of the rounds."""
        return median(usage.beside_cpu_s_per_100k for usage in self.closed)

    def pss_bytes(self) -> float | None:
        """The most that was seen."""
        return max((usage.pss_bytes for usage in self.closed if usage.pss_bytes), default=None)

    def closed_latency_us(self, quantile: str) -> float:
        """The median of the rounds of a field of ``Latency``."""
        return float(median(getattr(usage.load.latency, quantile) for usage in self.closed))

    def open_latency_us(self, part: float, quantile: str) -> float | None:
        """The median of the rounds at a rate, None if that rate was not measured."""
        return _median_of(
            getattr(at.usage.load.latency, quantile) for at in self.open if at.part == part
        )


@dataclass(frozen=True, slots=True)
class CoreFigure:
    """An operation in process. ``ours`` is what the others of its case are compared with."""

    case: str
    title: str
    ours: bool
    twin: str
    median_ns: float
    least_ns: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at one place of a curve: figures by the name of their series."""

    x: float
    figures: dict[str, float]


@dataclass
class Curve:
    """How one cost grows with one thing."""

    name: str
    title: str
    x_title: str
    y_title: str
    twin: str
    x_logarithmic: bool = False
    note: str = ""
    left_out: str = ""
    points: list[Point] = field(default_factory=list)

    def at(self, x: float, series: str) -> float | None:
        """Return a figure, None if it was not measured."""
        return next((p.figures.get(series) for p in self.points if p.x == x), None)


@dataclass
class Run:
    """A whole run of the bench."""

    effort: str
    started: str
    """RFC 3339, UTC."""
    commit: str
    changed: bool
    """Whether the working tree differs from the commit."""
    machine: dict[str, Any]
    versions: dict[str, str]
    core: list[CoreFigure] = field(default_factory=list)
    core_left_out: list[str] = field(default_factory=list)
    cache_bytes_per_key: float | None = None
    """What a key with an answer of 400 bytes takes of the shared cache, all told."""
    servers: list[ServerRow] = field(default_factory=list)
    growth: list[Curve] = field(default_factory=list)
    format: int = FORMAT

    def server(self, name: str) -> ServerRow | None:
        """Return a row that has figures."""
        return next((row for row in self.servers if row.name == name and row.measured), None)

    def curve(self, name: str) -> Curve | None:
        """Return a curve that has figures."""
        return next((curve for curve in self.growth if curve.name == name and curve.points), None)

    def core_ns(self, case: str, title: str) -> float | None:
        """Return the median time of an operation, None if it was not measured."""
        return next((f.median_ns for f in self.core if f.case == case and f.title == title), None)


def write(run: Run, path: Path) -> None:
    """Write a run as JSON, whole or not at all."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(dataclasses.asdict(run), indent=1) + "\n")
    draft.replace(path)


def paired_ratio(row: ServerRow, to: ServerRow) -> float:
    """Return how many times ``to``'s throughput ``row`` has: the median over the rounds.

    Round by round, since what disturbs a machine for a while disturbs both.
    """
    return median(
        ours.load.per_second / theirs.load.per_second
        for ours, theirs in zip(row.closed, to.closed, strict=False)
    )


def _median_of(values: Any) -> float | None:
    found = [value for value in values if value is not None]
    return median(found) if found else None
