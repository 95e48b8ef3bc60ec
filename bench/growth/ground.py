"""What the curves measure on: servers with keys in them, requests for them, and load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from bench import measuring
from bench.effort import Effort
from bench.load import closed, requests
from bench.load.requests import Request
from bench.results import Usage
from bench.servers import talos, wire
from bench.servers.exchange import Answer, WrongAnswer, ask, expect
from bench.servers.site import Site, Subject
from bench.servers.talos import Talos
from bench.terminal import Section

BYTES_PER_KEY: Final = 700
"""What the cache may take for a typical key, by its own target."""
SMALLEST_CACHE_BYTES: Final = 1 << 20
LARGEST_CACHE_BYTES: Final = 10 << 30
MOST_DRAWS: Final = 1 << 20
_LONGEST_WARMUP_S: Final = 120.0
_PROBE_S: Final = 0.3
_SAMPLE: Final = 300
_US_PER_S: Final = 1e6


@dataclass
class Ground:
    """A place to measure a curve on; what it starts ends with its site."""

    site: Site
    effort: Effort
    section: Section

    def __post_init__(self) -> None:
        """Begin to number servers and files."""
        self._numbers = count()

    def name(self, what: str) -> str:
        """Return a name that no other server or file of the site has."""
        return f"{what}-{next(self._numbers)}"

    def talos(
        self,
        *,
        dsn: str | None = None,
        settings: Mapping[str, Any] | None = None,
        workers: int | None = None,
    ) -> Talos:
        """Start a server of ours."""
        name = self.name("talos")
        return talos.start(self.site, name, dsn=dsn, settings=settings, workers=workers)

    def sqlite(self) -> str:
        """Return the DSN of a SQLite file that does not exist yet."""
        return f"sqlite://{self.site.subfolder(self.name('database')) / 'talos.db'}"

    def requests(
        self, server: Talos, asked: Sequence[Request], order: Sequence[int] | None = None
    ) -> Path:
        """Write requests for the load generator."""
        encoded = [request.encode(f"127.0.0.1:{server.port}") for request in asked]
        return requests.write(self.site.folder / self.name("requests"), encoded, order)

    def warm(self, server: Talos, file: Path, total: int) -> bool:
        """Ask for every request of ``file`` once; tell whether there was time for all."""
        probe = closed.run(server.port, file, connections=self.effort.connections, seconds=_PROBE_S)
        needed_s = total / probe.per_second * 1.5
        load = closed.run(
            server.port,
            file,
            connections=self.effort.connections,
            seconds=max(_PROBE_S, min(needed_s, _LONGEST_WARMUP_S)),
        )
        return load.requests >= total

    def load(
        self, server: Talos, file: Path, *, sample: Request, connections: int | None = None
    ) -> Usage:
        """Load a server that says yes to ``sample``. Raises ``WrongAnswer``."""
        answer = ask(server.port, sample)
        expect(answer.status == wire.OK and _says_yes(answer), "a good key was refused", answer)
        subject = Subject(server.port, sample, answer, server.pid)
        return self.load_subject(subject, file, connections=connections)

    def load_subject(
        self, subject: Subject, file: Path, *, connections: int | None = None
    ) -> Usage:
        """Load any server. Raises ``WrongAnswer`` if not every answer was a success."""
        usage = measuring.closed_loop(
            subject,
            file,
            connections=connections or self.effort.connections,
            seconds=self.effort.point_s,
            warmup_s=self.effort.warmup_s,
        )
        if usage.load.refused or usage.load.broken:
            lost = usage.load.refused + usage.load.broken
            raise WrongAnswer(f"{lost} of {usage.load.requests} answers were no successes")
        return usage


def _says_yes(answer: Answer) -> bool:
    """Tell whether a verdict, or every one of a batch, is good."""
    said = answer.json()
    return all(verdict["is_valid"] is True for verdict in said.get("results", [said]))


def hit_share(server: Talos, secrets: Sequence[str], order: Sequence[int]) -> float:
    """Return which part of some requests of ``order`` the server answers from its cache."""
    chosen = order[-_SAMPLE:]
    answers = (ask(server.port, wire.verify_request(secrets[index])) for index in chosen)
    hits = sum(answer.header("Ory-Talos-Cache") == "HIT" for answer in answers)
    return hits / len(chosen)


def cache_for(keys: int) -> dict[str, Any]:
    """Return the settings of a cache that has room for so many typical keys."""
    size = min(LARGEST_CACHE_BYTES, max(SMALLEST_CACHE_BYTES, keys * BYTES_PER_KEY))
    return {"cache": {"type": "memory", "enabled": True, "memory": {"max_size": size}}}


def cpu_us_a_request(usage: Usage) -> float:
    """Return microseconds of processor time for a request."""
    return (usage.cpu_s or 0.0) / usage.load.requests * _US_PER_S
