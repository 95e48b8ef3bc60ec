"""Prints what ``pytest --cov`` measured, a line for each package: ``python -m tests.coverage``.

Of the servers that tests start nothing is measured: ``talos/serving`` is covered by more tests than
its line says. The compiled core is not measured at all.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import PurePath
from typing import Any

from coverage import Coverage

HEADER = f"{'package':<32} {'lines':>7} {'missed':>7} {'branches':>9} {'partial':>8} {'cover':>6}"


def by_package(files: dict[str, dict[str, Any]]) -> dict[str, Counter[str]]:
    """Add up the summaries of coverage's JSON report, by the folder of the file."""
    packages: dict[str, Counter[str]] = {}
    for path, measured in files.items():
        package = PurePath(path).parent.as_posix()
        numbers = {name: n for name, n in measured["summary"].items() if isinstance(n, int)}
        packages.setdefault(package, Counter()).update(numbers)
    return packages


def line(name: str, numbers: Counter[str]) -> str:
    """Return what a package is covered by; lines and branches count alike."""
    there = numbers["num_statements"] + numbers["num_branches"]
    covered = numbers["covered_lines"] + numbers["covered_branches"]
    return (
        f"{name:<32} {numbers['num_statements']:>7} {numbers['missing_lines']:>7} "
        f"{numbers['num_branches']:>9} {numbers['num_partial_branches']:>8} "
        f"{100 * covered / there if there else 100:>5.1f}%"
    )


def main() -> int:
    """Print the table of the last measurement."""
    coverage = Coverage()
    coverage.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        coverage.json_report(outfile=file.name)
        files = json.load(file)["files"]
    packages = by_package(files)
    print(HEADER)
    for name in sorted(packages):
        print(line(name, packages[name]))
    print(line("all", sum(packages.values(), Counter())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
