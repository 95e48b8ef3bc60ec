"""Whether this checkout answers from memory as fast as another one.

    python -m bench.compare_checkouts OTHER [--rounds N] [--seconds S] [--workers N]

``OTHER`` is the folder of a checkout with its own ``.venv`` (``make install`` there). Both servers
run at once, each by its own interpreter on a database of its own, and each is asked for a key that
it has seen, in turns: a round measures both, and each round begins with the other one. The ratio is
taken round by round, ours to theirs, and the median counts: what disturbs the machine for a while
disturbs both.

Exit status: 0 if the median is at least ``--at-least``, 1 if not, 2 if it cannot be measured.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
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


def ratios(
    site: Site, ours: Subject, theirs: Subject, *, rounds: int, seconds: float
) -> list[tuple[float, float]]:
    """Return the requests a second of ours and of theirs, round by round.

    Raises ``LoadFailed``, ``Missing`` and ``WrongAnswer``.
    """
    files = {id(each): site.request_file(f"{each.port}", each) for each in (ours, theirs)}

    def measured(subject: Subject) -> float:
        usage = measuring.closed_loop(
            subject,
            files[id(subject)],
            connections=_CONNECTIONS,
            seconds=seconds,
            warmup_s=_WARMUP_S,
        )
        measuring.same_answers(subject, usage.load)
        return usage.load.requests / usage.load.seconds

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
    chosen = parser.parse_args(arguments)
    try:
        with Site(workers=chosen.workers) as site:
            ours, theirs = (
                talos.hot_of(site, name, checkout)
                for name, checkout in (("ours", ROOT), ("theirs", chosen.other.absolute()))
            )
            rates = ratios(site, ours, theirs, rounds=chosen.rounds, seconds=chosen.seconds)
    except _FAULTS as fault:
        tell(f"cannot be measured: {fault}")
        return 2
    for of_ours, of_theirs in rates:
        tell(f"{of_ours:10,.0f} ours {of_theirs:10,.0f} theirs  {of_ours / of_theirs:.3f}")
    median = statistics.median(of_ours / of_theirs for of_ours, of_theirs in rates)
    load = os.getloadavg()[0]
    tell(f"median of {len(rates)} rounds: {median:.3f} (load of the machine {load:.1f})")
    return 0 if median >= chosen.at_least else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
