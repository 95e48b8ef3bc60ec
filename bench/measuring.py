"""Measuring a server that runs: load on one side, its processes' accounts on the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.load import closed, open_loop
from bench.load.measured import Load
from bench.results import Usage
from bench.servers.exchange import WrongAnswer
from bench.servers.site import Subject

OPEN_CONNECTIONS: Final = 64
"""Enough that requests wait in the server and not before it."""
_ANSWER_BYTES_TOLERANCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Accounts:
    cpu_s: float | None
    beside_cpu_s: float


def closed_loop(
    subject: Subject, requests: Path, *, connections: int, seconds: float, warmup_s: float = 0.0
) -> Usage:
    """Ask as fast as answers come. Raises ``LoadFailed``, ``Missing`` and ``WrongAnswer``."""
    if warmup_s > 0:
        closed.warm(subject.port, requests, connections=connections, seconds=warmup_s)
    before = _accounts(subject)
    load = closed.run(subject.port, requests, connections=connections, seconds=seconds)
    return _usage(subject, load, before)


def at_rate(
    subject: Subject, requests: Path, *, rate: float, seconds: float, warmup_s: float, seed: int
) -> Usage:
    """Ask at a fixed rate. Raises as ``closed_loop`` does."""
    before = _accounts(subject)
    load = open_loop.run(
        subject.port,
        requests,
        rate=rate,
        connections=OPEN_CONNECTIONS,
        seconds=seconds,
        warmup_s=warmup_s,
        seed=seed,
    )
    return _usage(subject, load, before)


def same_answers(subject: Subject, load: Load) -> None:
    """Raise ``WrongAnswer`` unless the load got answers like the one that was checked."""
    if load.refused or load.broken:
        raise WrongAnswer(f"{load.refused} answers were refusals, {load.broken} never came")
    expected = subject.answer.size
    mean = load.answer_bytes
    # What is half received at the end counts as well, so a short run is not exact.
    slack = expected * (_ANSWER_BYTES_TOLERANCE + 64 / load.requests)
    if mean is not None and abs(mean - expected) > slack:
        raise WrongAnswer(f"answers of {mean:.0f} bytes, where {expected} were checked")
    subject.check()


def _accounts(subject: Subject) -> _Accounts:
    return _Accounts(subject.cpu_s(), subject.beside_cpu_s())


def _usage(subject: Subject, load: Load, before: _Accounts) -> Usage:
    now = _accounts(subject)
    spent = None if now.cpu_s is None or before.cpu_s is None else now.cpu_s - before.cpu_s
    return Usage(load, spent, now.beside_cpu_s - before.beside_cpu_s, subject.pss_bytes())
