"""What a load generator has seen."""

from dataclasses import dataclass


class LoadFailed(Exception):
    """A load generator could not do its work; the text says why."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of the time to a whole answer, in microseconds."""

    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement. ``refused`` answers had a status beyond 3xx; ``broken`` ones never came."""

    requests: int
    seconds: float
    latency: Latency
    refused: int
    broken: int
    answer_bytes: float | None = None
    """The mean length of an answer with its head, where the generator counts it."""
    longest_queue: int | None = None
    """The most requests that were due and waited for a connection (open loop)."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds
