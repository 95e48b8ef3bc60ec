"""Running the cases of this folder with pytest-benchmark, in a process of their own."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.effort import Effort
from bench.report import summary
from bench.results import CoreFigure
from bench.terminal import Section
from bench.tools import ROOT

FOLDER: Final = Path(__file__).parent

_NS_PER_S: Final = 1e9
# Long enough that reading the clock does not matter beside what is measured.
_LEAST_ROUND_S: Final = 0.0005
_SHORTEST_ROUND_S: Final = 0.00001
_VERDICT: Final = re.compile(r"(bench_\w+)\.py::(\w+) (PASSED|FAILED|ERROR|SKIPPED)(?: \((.*)\))?")
_DETAILS: Final = 3000


class CasesFailed(Exception):
    """A case gave a wrong result, so no figure of this part counts. The text holds the end."""


def cases() -> list[Path]:
    """Return the modules with cases."""
    return sorted(FOLDER.glob("bench_*.py"))


def steps() -> int:
    """Return how many measurements there are."""
    return sum(len(re.findall(r"^def test_", path.read_text(), re.MULTILINE)) for path in cases())


def measure(effort: Effort, section: Section) -> tuple[list[CoreFigure], list[str]]:
    """Return the figures, and why cases were left out. Raises ``CasesFailed``."""
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="talos-bench-core-") as folder:
        path = Path(folder) / "figures.json"
        log = []
        for line in _run(effort, path, section):
            log.append(line)
            found = _VERDICT.search(line)
            if found is not None:
                module, test, verdict, reason = found.groups()
                if verdict == "SKIPPED":
                    left_out.append(f"{module}, {test}: {reason or 'skipped'}")
                    section.tell(f"left out: {left_out[-1]}")
                section.done()
                section.doing(module.removeprefix("bench_"))
        if log[-1].partition("exit ")[2] != "0":
            raise CasesFailed("".join(log)[-_DETAILS:])
        figures = [_figure(entry) for entry in json.loads(path.read_text())["benchmarks"]]
    section.show(summary.core(figures))
    return figures, left_out


def _run(effort: Effort, path: Path, section: Section) -> Iterator[str]:
    """Yield what pytest prints, and at last a line with its exit code."""
    section.doing("collecting")
    least = _LEAST_ROUND_S if effort.core_s > 0.1 else _SHORTEST_ROUND_S
    command = [
        *(sys.executable, "-m", "pytest", "-c", FOLDER / "pytest.ini", f"--rootdir={ROOT}"),
        *("-vv", "--tb=short", "-rs", f"--benchmark-json={path}", "--benchmark-columns=median"),
        *(f"--benchmark-max-time={effort.core_s}", f"--benchmark-min-time={least}"),
        *("--benchmark-min-rounds=5", "--benchmark-disable-gc", "--benchmark-quiet", FOLDER),
    ]
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield from process.stdout
    yield f"exit {process.returncode}"


def _figure(entry: dict[str, object]) -> CoreFigure:
    stats, extra = entry["stats"], entry["extra_info"]
    assert isinstance(stats, dict) and isinstance(extra, dict)
    return CoreFigure(
        case=str(entry["group"]),
        title=str(extra["title"]),
        ours=bool(extra["ours"]),
        twin=str(extra["twin"]),
        median_ns=float(stats["median"]) * _NS_PER_S,
        least_ns=float(stats["min"]) * _NS_PER_S,
        rounds=int(stats["rounds"]),
    )
