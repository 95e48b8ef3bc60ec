"""What the cached path must reach, as ratios within one run on a 2-core machine.

The figure of the reference server was measured outside: 0.04 of nginx. With ``PEER`` naming one on
this machine, its own row is taken instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.results import Run, ServerRow, paired_ratio
from bench.servers.contenders import CACHED, FALCON, FASTAPI, LIMIT

REFERENCE_OF_NGINX: Final = 0.04
PEER: Final = "peer"
_HALF: Final = 0.5
_MIB: Final = 2**20
_FAST_US: Final = 700.0
_SLOWEST_US: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Target:
    """A bound, and how a run is read for it. ``at_least`` is the sense of the bound."""

    title: str
    bound: float
    at_least: bool
    read: Callable[[Run], float | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bound beside what was measured; None where a run has nothing to say."""

    title: str
    bound: str
    measured: float | None
    reached: bool | None

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return {True: "reached", False: "MISSED", None: "not measured"}[self.reached]


def verdicts(run: Run) -> list[Verdict]:
    """Judge a run by every target."""
    return [_judge(target, run) for target in TARGETS]


def _judge(target: Target, run: Run) -> Verdict:
    measured = target.read(run)
    if measured is None:
        reached = None
    else:
        reached = measured >= target.bound if target.at_least else measured <= target.bound
    sense = "at least" if target.at_least else "at most"
    return Verdict(target.title, f"{sense} {target.bound:g}", measured, reached)


def _throughput_of(name: str) -> Callable[[Run], float | None]:
    def read(run: Run) -> float | None:
        cached, other = run.server(CACHED), run.server(name)
        return paired_ratio(cached, other) if cached and other else None

    return read


def _of_reference(run: Run) -> float | None:
    if run.server(PEER):
        return _throughput_of(PEER)(run)
    of_limit = _throughput_of(LIMIT)(run)
    return None if of_limit is None else of_limit / REFERENCE_OF_NGINX


def _cpu_of_limit(run: Run) -> float | None:
    cached, limit = run.server(CACHED), run.server(LIMIT)
    return _quotient(cached.cpu_s_per_100k(), limit.cpu_s_per_100k()) if cached and limit else None


def _tail_of_limit(run: Run) -> float | None:
    return _quotient(_tail_us(run.server(CACHED)), _tail_us(run.server(LIMIT)))


def _tail_where_fast(run: Run) -> float | None:
    """Our p99 in parts of a millisecond, if nginx's is short enough for that to be asked."""
    ours_us, limit_us = _tail_us(run.server(CACHED)), _tail_us(run.server(LIMIT))
    if ours_us is None or limit_us is None or limit_us >= _FAST_US:
        return None
    return ours_us / _SLOWEST_US


def _tail_us(row: ServerRow | None) -> float | None:
    return row.open_latency_us(_HALF, "p99_us") if row else None


def _cached_verify_of_hmac(run: Run) -> float | None:
    return _quotient(
        run.core_ns("cached verify", "Request in, answer out"),
        run.core_ns("cached verify", "hmac.digest of the bytes that the checksum covers"),
    )


def _remembered_of_first(run: Run) -> float | None:
    return _quotient(
        run.core_ns("JWT, cached", "Verify a token seen before"),
        run.core_ns("JWT, first time", "Verify: signature, issuer, times, type"),
    )


def _batch_of_single(run: Run) -> float | None:
    curve = run.curve("batch")
    if curve is None:
        return None
    series = "CPU us a credential"
    return _quotient(curve.at(100, series), curve.at(0, series))


def _million_of_thousand(run: Run) -> float | None:
    curve = run.curve("keys")
    if curve is None:
        return None
    series = "cached, requests/s"
    return _quotient(curve.at(1_000_000, series), curve.at(1_000, series))


def _cache_bytes_per_key(run: Run) -> float | None:
    return run.cache_bytes_per_key


def _mebibytes_per_worker(run: Run) -> float | None:
    curve = run.curve("workers")
    if curve is None or len(curve.points) < 2:
        return None
    first, last = curve.points[0], curve.points[-1]
    series = "MiB"
    if series not in first.figures or series not in last.figures:
        return None
    return (last.figures[series] - first.figures[series]) / (last.x - first.x)


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


TARGETS: Final = (
    Target("cached throughput / nginx, the same bytes", 0.90, True, _throughput_of(LIMIT)),
    Target("cached throughput / the reference server", 20, True, _of_reference),
    Target("cached throughput / constant Falcon ASGI, uvicorn", 4, True, _throughput_of(FALCON)),
    Target("cached throughput / FastAPI + Redis by hand", 15, True, _throughput_of(FASTAPI)),
    Target("CPU of a cached verify / nginx", 1.2, False, _cpu_of_limit),
    Target("p99 at half of our peak / nginx at that rate", 1.5, False, _tail_of_limit),
    Target("the same p99 in ms, where nginx is under 0.7", 1.0, False, _tail_where_fast),
    Target("cached verify in the core / one hmac.digest", 1.0, False, _cached_verify_of_hmac),
    Target("derived token, remembered / first", 1 / 15, False, _remembered_of_first),
    Target("CPU of a credential in a batch of 100 / single", 0.25, False, _batch_of_single),
    Target("cached with 1,000,000 keys / with 1,000", 0.8, True, _million_of_thousand),
    Target("cache bytes of a typical key", 700, False, _cache_bytes_per_key),
    Target("MiB of an added worker", 60, False, _mebibytes_per_worker),
)
