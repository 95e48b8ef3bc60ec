"""Searches deeper than the tests do.

python -m tests.core.interleave [--deeper 1]
"""

import argparse
import tempfile
import time
from pathlib import Path

from tests.core.interleave import SCENARIOS, build


def main() -> None:
    parser = argparse.ArgumentParser(description="search the schedules of the key cache's code")
    parser.add_argument("--deeper", type=int, default=1, help="preemptions beyond the tests'")
    deeper = parser.parse_args().deeper
    with tempfile.TemporaryDirectory() as folder:
        interleave = build(Path(folder))
    for scenario in SCENARIOS:
        begun = time.monotonic()
        schedules = scenario.search(interleave, deeper=deeper)
        print(f"{schedules:>12,} schedules, {time.monotonic() - begun:7.1f} s: {scenario.name}")


main()
