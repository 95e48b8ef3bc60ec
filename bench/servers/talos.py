"""Our own server: as ``talos serve`` starts it, and its applications under a stock gunicorn."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bench.load.requests import Request
from bench.program import StartFailed, free_port
from bench.servers import wire
from bench.servers.exchange import ask
from bench.servers.site import Site, Subject
from bench.servers.wire import OK
from talos.adapters.sql import migrate
from talos.adapters.sql.dsn import parse_dsn
from talos.credentials import generate

HMAC_SECRET: Final = "test-secret-for-hmac-0123456789abcdef"
ISSUER: Final = "https://keys.example.com"
GTHREAD_THREADS: Final = 8
CACHE_OFF: Final = {"cache": {"enabled": False}}

_HEALTH: Final = Request("/health/ready", b"", method="GET")


@dataclass(frozen=True)
class Talos:
    """A running server of ours."""

    port: int
    pid: int
    dsn: str
    """Of its database."""


def start(
    site: Site,
    name: str,
    *,
    dsn: str | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
    checkout: Path | None = None,
) -> Talos:
    """Start ``talos serve`` with ``settings`` over the usual ones, on a fresh SQLite by default.

    It is that of another ``checkout`` if one is named, run by the interpreter of its ``.venv``.
    """
    folder = site.subfolder(name)
    port, metrics_port = free_port(), free_port()
    program, environment = [sys.executable, "-m", "talos"], {}
    if checkout is not None:
        program[0] = str(checkout / ".venv" / "bin" / "python")
        environment["PYTHONPATH"] = str(checkout)
        # Its schema may be another one.
        dsn = dsn or f"sqlite://{folder / 'talos.db'}"
        subprocess.run(
            [*program, "migrate", "up", "--database", dsn],
            env=os.environ | environment,
            cwd=folder,
            check=True,
            capture_output=True,
        )
    dsn = dsn or fresh_sqlite(folder)
    serve = {
        "http": {"host": "127.0.0.1", "port": port, "workers": workers or site.workers},
        "metrics": {"host": "127.0.0.1", "port": metrics_port},
    }
    path = configuration(folder, dsn, {"serve": serve, **(settings or {})})
    server = site.run(
        [*program, "serve", "--config", path],
        folder,
        lambda: ask(metrics_port, _HEALTH).status == OK,
        environment,
    )
    return Talos(port, server.pid, dsn)


def start_stock(site: Site, name: str, settings: Mapping[str, Any]) -> Talos:
    """Start the same application under gunicorn's own threaded worker."""
    folder = site.subfolder(name)
    port = free_port()
    dsn = fresh_sqlite(folder)
    path = configuration(folder, dsn, settings)
    program = site.run(
        [
            *(sys.executable, "-m", "gunicorn", "talos.serving.wsgi:all_in_one()"),
            *("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"),
            *("--workers", str(site.workers), "--threads", str(GTHREAD_THREADS)),
            *("--keep-alive", "30", "--log-level", "warning"),
        ],
        folder,
        lambda: ask(port, Request("/health/ready", b"", method="GET")).status in (OK, 404),
        {"TALOS_CONFIG": str(path)},
    )
    return Talos(port, program.pid, dsn)


def cached(site: Site) -> Subject:
    """Return the server as it comes, asked for a key that it has seen."""
    return _subject(start(site, "cached"), warm=True)


def cached_of(site: Site, name: str, checkout: Path) -> Subject:
    """Return the same of a checkout."""
    try:
        return _subject(start(site, name, checkout=checkout), warm=True)
    except subprocess.CalledProcessError as error:
        raise StartFailed(f"{checkout}: {error.stderr.decode(errors='replace')}") from None


def cache_off_sqlite(site: Site) -> Subject:
    """Return the server reading SQLite at every request."""
    return _subject(start(site, "cache-off-sqlite", settings=CACHE_OFF))


def cache_off_postgres(site: Site) -> Subject:
    """Return the server reading PostgreSQL at every request."""
    dsn, database = site.postgres()
    migrate.up(parse_dsn(dsn))
    server = start(site, "cache-off-postgres", dsn=dsn, settings=CACHE_OFF)
    return _subject(server, beside=(database,) if database else ())


def stock_gunicorn(site: Site) -> Subject:
    """Return our Falcon application under a stock gunicorn."""
    return _subject(start_stock(site, "stock-gunicorn", {}), warm=True)


def _subject(server: Talos, *, warm: bool = False, beside: tuple[int, ...] = ()) -> Subject:
    key_id, secret = wire.issue(server.port)
    request = wire.verify_request(secret)
    note = ""
    if warm:
        said = wire.until_remembered(server.port, request)
        note = "" if said == "HIT" else f"answers say {said or 'nothing'}, not HIT"
    answer = wire.check(server.port, key_id, secret)
    return Subject(server.port, request, answer, server.pid, beside, note)


def fresh_sqlite(folder: Path) -> str:
    """Make a migrated SQLite database; return its DSN."""
    dsn = f"sqlite://{folder / 'talos.db'}"
    migrate.up(parse_dsn(dsn))
    return dsn


def configuration(folder: Path, dsn: str, over: Mapping[str, Any]) -> Path:
    """Write a configuration with ``over`` in place of whole sections; return its path."""
    key_set = json.dumps({"keys": [generate.eddsa().private]})
    signing_keys = base64.b64encode(key_set.encode()).decode()
    tree: dict[str, Any] = {
        "db": {"dsn": dsn},
        "log": {"level": "warn"},
        "credentials": {
            "issuer": ISSUER,
            "api_keys": {"default_ttl": "24h"},
            "derived_tokens": {"jwt": {"signing_keys": {"urls": [f"base64://{signing_keys}"]}}},
        },
        "secrets": {"hmac": {"current": HMAC_SECRET}},
        **over,
    }
    path = folder / "talos.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(tree))
    return path
