"""The curves: what grows, and what is measured as it does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.growth import keys
from bench.growth.ground import (
    MOST_DRAWS,
    Ground,
    cache_for,
    cpu_us_a_request,
    hit_share,
)
from bench.load.requests import Request, uniform_order, zipf_order
from bench.results import Curve, Point
from bench.servers import nginx, talos, wire
from bench.servers.contenders import CACHED
from bench.servers.exchange import ask
from bench.servers.talos import CACHE_OFF, Talos

_HIT: Final = "HIT"
_MIB: Final = 2**20
_ZIPF_SHARE_CACHED: Final = 0.1
_TOKENS: Final = 100


@dataclass(frozen=True)
class Axis:
    """What is varied. ``few`` are the points of a run that has no time for ``all``."""

    name: str
    title: str
    x_title: str
    y_title: str
    twin: str
    all: Sequence[float]
    few: Sequence[float]
    measure: "Callable[[Ground, Curve, Sequence[float]], None]"
    x_logarithmic: bool = False

    def points(self, thorough: bool) -> Sequence[float]:
        """Return where to measure."""
        return self.all if thorough else self.few

    def curve(self) -> Curve:
        """Return a curve without points yet."""
        return Curve(
            self.name, self.title, self.x_title, self.y_title, self.twin, self.x_logarithmic
        )


def _keys(ground: Ground, curve: Curve, points: Sequence[float]) -> None:
    """Uniform draws from ever more keys, from the cache and from the database."""
    for count in map(int, points):
        ground.section.doing(f"making {count:,} keys")
        dsn = ground.sqlite()
        secrets = keys.fill(dsn, count)
        asked = [wire.verify_request(secret) for secret in secrets]
        order = uniform_order(count, min(count, MOST_DRAWS))
        figures = {}
        for series, settings in (("cached", cache_for(count)), ("cache off", CACHE_OFF)):
            ground.section.doing(f"{count:,} keys, {series}")
            server = ground.talos(dsn=dsn, settings=settings)
            file = ground.requests(server, asked, order)
            if series == "cached" and not ground.warm(server, file, count):
                curve.note = (
                    "where there was no time to ask for every key once, not all keys are cached"
                )
            usage = ground.load(server, file, sample=asked[0])
            figures[f"{series}, requests/s"] = usage.load.per_second
        _add(ground, curve, count, figures)


def _zipf(ground: Ground, curve: Curve, points: Sequence[float]) -> None:
    """Draws by Zipf's law from ten times the keys that the cache has room for."""
    count = 200_000 if ground.effort.thorough else 20_000
    ground.section.doing(f"making {count:,} keys")
    dsn = ground.sqlite()
    secrets = keys.fill(dsn, count)
    asked = [wire.verify_request(secret) for secret in secrets]
    server = ground.talos(dsn=dsn, settings=cache_for(int(count * _ZIPF_SHARE_CACHED)))
    for exponent in points:
        ground.section.doing(f"Zipf, exponent {exponent}")
        order = zipf_order(count, exponent, MOST_DRAWS if ground.effort.thorough else count)
        file = ground.requests(server, asked, order)
        usage = ground.load(server, file, sample=asked[0])
        share = hit_share(server, secrets, order)
        figures = {"requests/s": usage.load.per_second, "hits, %": share * 100}
        _add(ground, curve, exponent, figures)


def _workers(ground: Ground, curve: Curve, points: Sequence[float]) -> None:
    """One cached key, ever more worker processes on the same cores."""
    for workers in map(int, points):
        ground.section.doing(f"{workers} workers")
        server = ground.talos(workers=workers)
        request = _issued(server)
        usage = ground.load(server, ground.requests(server, [request]), sample=request)
        figures = {
            "requests/s": usage.load.per_second,
            "CPU us a request": cpu_us_a_request(usage),
            "MiB": (usage.pss_bytes or 0) / _MIB,
        }
        _add(ground, curve, workers, figures)


def _connections(ground: Ground, curve: Curve, points: Sequence[float]) -> None:
    """One cached key, ever more connections that all ask; nginx beside it."""
    subjects = {"talos": talos.cached(ground.site)}
    ground.site.started[CACHED] = subjects["talos"]
    subjects["nginx"] = nginx.start(ground.site)
    files = {name: ground.site.request_file(name, each) for name, each in subjects.items()}
    for connections in map(int, points):
        figures = {}
        for name, subject in subjects.items():
            ground.section.doing(f"{connections} connections, {name}")
            usage = ground.load_subject(subject, files[name], connections=connections)
            figures[f"{name}, requests/s"] = usage.load.per_second
            figures[f"{name}, p99 ms"] = usage.load.latency.p99_us / 1000
        _add(ground, curve, connections, figures)


def _metadata(ground: Ground, curve: Curve, points: Sequence[float]) -> None:
    """One cached key with ever more metadata, which is in every answer."""
    server = ground.talos()
    for size in map(int, points):
        ground.section.doing(f"metadata of {size:,} bytes")
        request = _issued(server, metadata={"text": "x" * size} if size else {})
        _add_cost(ground, curve, server, size, request)


def _body(ground: Ground, curve: Curve, points: Sequence[float]) -> None:
    """One cached key in a request that blanks make ever longer."""
    server = ground.talos()
    plain = _issued(server)
    for size in map(int, points):
        ground.section.doing(f"{size:,} blanks in the body")
        request = Request(plain.path, plain.body[:-1] + b" " * size + b"}")
        _add_cost(ground, curve, server, size, request)


def _batch(ground: Ground, curve: Curve, points: Sequence[float]) -> None:
    """Ever more credentials in one request; at 0 stands the single verify."""
    curve.note = "At 0 stands the single verification."
    server = ground.talos()
    secrets = [wire.issue(server.port)[1] for _ in range(int(max(points)))]
    for secret in secrets:
        wire.until_remembered(server.port, wire.verify_request(secret), connections=2)
    for size in map(int, points):
        ground.section.doing(f"batches of {size}" if size else "single verifications")
        request = wire.batch_request(secrets[:size]) if size else wire.verify_request(secrets[0])
        usage = ground.load(server, ground.requests(server, [request]), sample=request)
        credentials = max(size, 1)
        figures = {
            "credentials/s": usage.load.per_second * credentials,
            "CPU us a credential": cpu_us_a_request(usage) / credentials,
        }
        _add(ground, curve, size, figures)


def _tokens(ground: Ground, curve: Curve, points: Sequence[float]) -> None:
    """Requests of which ever more show a derived JWT in place of its key."""
    server = ground.talos()
    _, secret = wire.issue(server.port)
    key = wire.verify_request(secret)
    tokens = [
        wire.verify_request(wire.derive(server.port, secret))
        for _ in range(_TOKENS if ground.effort.thorough else _TOKENS // 10)
    ]
    for share in points:
        ground.section.doing(f"{share:.0%} derived tokens")
        # Spread evenly: of every hundred requests as many as the share says.
        asked = [
            tokens[at % len(tokens)] if (at * share) % 1 + share > 1 - 1e-9 else key
            for at in range(100 * len(tokens))
        ]
        _add_cost(ground, curve, server, share * 100, *asked)


def _issued(server: Talos, **fields: object) -> Request:
    """Return the request for a fresh key that the server remembers, if it remembers any."""
    _, secret = wire.issue(server.port, fields=fields)
    request = wire.verify_request(secret)
    wire.until_remembered(server.port, request)
    return request


def _add_cost(ground: Ground, curve: Curve, server: Talos, x: float, *asked: Request) -> None:
    said = ask(server.port, asked[0]).header("Ory-Talos-Cache")
    usage = ground.load(server, ground.requests(server, asked), sample=asked[0])
    figures = {
        "requests/s": usage.load.per_second,
        "CPU us a request": cpu_us_a_request(usage),
        "from the cache": float(said == _HIT),
    }
    _add(ground, curve, x, figures)


def _add(ground: Ground, curve: Curve, x: float, figures: dict[str, float]) -> None:
    curve.points.append(Point(x, figures))
    ground.section.done()


_CACHE: Final = "tests/e2e/test_serving_talos.py"
_VERIFY: Final = "tests/http/test_verify.py"

AXES: Final = (
    Axis(
        *("keys", "Keys in the database", "keys", "requests/s", _VERIFY),
        all=(1_000, 10_000, 100_000, 1_000_000),
        few=(1_000, 5_000),
        measure=_keys,
        x_logarithmic=True,
    ),
    Axis(
        *("zipf", "Room for a tenth of the keys, draws by Zipf's law", "exponent"),
        *("requests/s", _VERIFY),
        all=(0.6, 0.8, 1.0, 1.2),
        few=(0.8, 1.2),
        measure=_zipf,
    ),
    Axis(
        *("workers", "Worker processes", "workers", "requests/s", _CACHE),
        all=(1, 2, 4),
        few=(1, 2),
        measure=_workers,
    ),
    Axis(
        *("connections", "Connections that all ask", "connections", "requests/s", _CACHE),
        all=(1, 2, 8, 32, 128, 500, 2_000),
        few=(1, 32, 500),
        measure=_connections,
        x_logarithmic=True,
    ),
    Axis(
        *("metadata", "Metadata in the answer", "bytes", "requests/s", _VERIFY),
        all=(0, 256, 1_024, 4_096, 16_384, 60_000),
        few=(0, 4_096),
        measure=_metadata,
    ),
    Axis(
        *("body", "Blanks in the request", "bytes", "requests/s", "tests/http/test_body.py"),
        all=(0, 256, 1_024, 4_096, 16_384, 65_536),
        few=(0, 4_096),
        measure=_body,
    ),
    Axis(
        *("batch", "Credentials in a batch", "credentials", "credentials/s", _VERIFY),
        all=(0, 1, 3, 10, 30, 100),
        few=(0, 1, 100),
        measure=_batch,
    ),
    Axis(
        *("tokens", "Derived tokens among the requests", "%", "requests/s", _VERIFY),
        all=(0, 0.1, 0.5, 1),
        few=(0, 1),
        measure=_tokens,
    ),
)
