"""Whether this checkout answers cached verifies as fast as another one.

    python -m bench.compare_checkouts OTHER [--rounds N] [--seconds S] [--workers N]

``OTHER`` is the folder of a checkout with its own ``.venv`` (``make install`` there). Both servers
run at once, each by its own interpreter on a database of its own, and each is asked for a key that
it has seen, in turns: a round measures both, and each round begins with the other one. The ratios
are taken round by round, ours to theirs, and the medians count: what disturbs the machine for a
while disturbs both. Beside the requests a second stand the requests for a second of the server's
processor time, which say something on a busy machine too.

Exit status: 0 if the median of the requests a second is at least ``--at-least`` (``--by-cpu``: of
those for a second of processor time), 1 if not, 2 if it cannot be measured.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import measuring
from bench.load.measured import LoadFailed
from bench.program import StartFailed
from bench.servers import talos
from bench.servers.exchange import WrongAnswer
from bench.servers.site import Site, Subject
from bench.tools import ROOT, Missing

_FAULTS: Final = (Missing, StartFailed, WrongAnswer, LoadFailed, OSError)
_CONNECTIONS: Final = 32
_WARMUP_S: Final = 0.5


@dataclass(frozen=True)
class Speed:
    """What one measurement of a server found."""

    per_second: float
    per_cpu_second: float


def speeds(
    site: Site, ours: Subject, theirs: Subject, *, rounds: int, seconds: float
) -> list[tuple[Speed, Speed]]:
    """Return the speed of ours and of theirs, round by round.

    Raises ``LoadFailed``, ``Missing`` and ``WrongAnswer``.
    """
    files = {id(each): site.request_file(f"{each.port}", each) for each in (ours, theirs)}

    def measured(subject: Subject) -> Speed:
        usage = measuring.closed_loop(
            subject,
            files[id(subject)],
            connections=_CONNECTIONS,
            seconds=seconds,
            warmup_s=_WARMUP_S,
        )
        measuring.same_answers(subject, usage.load)
        requests = usage.load.requests
        return Speed(requests / usage.load.seconds, requests / (usage.cpu_s or float("inf")))

    found = []
    for round_ in range(rounds):
        if round_ % 2:
            of_theirs, of_ours = measured(theirs), measured(ours)
        else:
            of_ours, of_theirs = measured(ours), measured(theirs)
        found.append((of_ours, of_theirs))
    return found


def main(arguments: Sequence[str], tell: Callable[[str], object] = print) -> int:
    """Compare, tell every round and the median, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare_checkouts")
    parser.add_argument("other", type=Path, help="the folder of the other checkout")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=1, help="of each server")
    parser.add_argument("--at-least", type=float, default=0.95, help="the ratio that passes")
    parser.add_argument("--by-cpu", action="store_true", help="judge by processor time")
    chosen = parser.parse_args(arguments)
    try:
        with Site(workers=chosen.workers) as site:
            ours, theirs = (
                talos.cached_of(site, name, checkout)
                for name, checkout in (("ours", ROOT), ("theirs", chosen.other.absolute()))
            )
            found = speeds(site, ours, theirs, rounds=chosen.rounds, seconds=chosen.seconds)
    except _FAULTS as fault:
        tell(f"cannot be measured: {fault}")
        return 2
    by_second = [each.per_second / other.per_second for each, other in found]
    by_cpu = [each.per_cpu_second / other.per_cpu_second for each, other in found]
    for (each, other), ratio, cpu_ratio in zip(found, by_second, by_cpu, strict=True):
        tell(
            f"ours {each.per_second:8,.0f} theirs {other.per_second:8,.0f} a second: {ratio:.3f}  "
            f"{each.per_cpu_second:8,.0f} {other.per_cpu_second:8,.0f} a cpu second: "
            f"{cpu_ratio:.3f}"
        )
    median, cpu_median = statistics.median(by_second), statistics.median(by_cpu)
    tell(
        f"median of {len(found)} rounds: {median:.3f} a second, {cpu_median:.3f} a cpu second "
        f"(load of the machine {os.getloadavg()[0]:.1f})"
    )
    return 0 if (cpu_median if chosen.by_cpu else median) >= chosen.at_least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
