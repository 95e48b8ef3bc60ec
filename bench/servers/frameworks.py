"""What engineers would build by hand or take from a framework."""

import json
import subprocess
import sys
import time
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bench.load.requests import Request
from bench.program import free_port
from bench.servers import wire
from bench.servers.exchange import Answer, ask, expect
from bench.servers.site import Site, Subject
from bench.servers.talos import GTHREAD_THREADS
from bench.tools import ROOT, Missing
from tests.support.servers import RedisService

DAY_S: Final = 86_400
FORBIDDEN: Final = 403

_DRF: Final = "bench.servers.apps.drf_api_key"
_KEY: Final = "hk_bench0000000_test-secret-of-a-hand-written-verifier"


def falcon_uvicorn(site: Site) -> Subject:
    """Return a Falcon ASGI resource under uvicorn that verifies nothing: it has its answer ready.

    The body is that of our own server, if that runs, so that the same bytes are sent.
    """
    _require("uvicorn", "uvloop", "httptools")
    folder = site.subfolder("falcon-uvicorn")
    model = site.started.get("cached")
    body = folder / "body.json"
    body.write_bytes(model.answer.body if model else b'{"is_valid":true}')
    request = model.request if model else wire.verify_request("any")
    port, pid = _uvicorn(
        site, folder, "bench.servers.apps.falcon_constant:app", {"BENCH_BODY": str(body)}
    )
    answer = ask(port, request)
    expect(answer.body == body.read_bytes(), "not the constant", answer)
    return Subject(port, request, answer, pid)


def fastapi_redis(site: Site) -> Subject:
    """Return a verifier on FastAPI and Redis, as one would write it by hand."""
    _require("fastapi", "uvicorn", "uvloop", "httptools", "redis")
    redis = site.redis()
    _store_key(redis)
    folder = site.subfolder("fastapi-redis")
    app = "bench.servers.apps.fastapi_redis:app"
    port, pid = _uvicorn(site, folder, app, {"BENCH_REDIS": redis.url})
    request = wire.verify_request(_KEY)
    answer = ask(port, request)
    _expect_verdicts(answer, ask(port, wire.verify_request(_KEY[:-1])))
    beside = (redis.process.pid,) if redis.process else ()
    return Subject(port, request, answer, pid, beside)


def drf_api_key(site: Site) -> Subject:
    """Return djangorestframework-api-key with SQLite under gunicorn."""
    _require("rest_framework", "rest_framework_api_key", "gunicorn")
    folder, port = site.subfolder("drf"), free_port()
    environment = {"BENCH_DATABASE": str(folder / "django.db"), "PYTHONPATH": str(ROOT)}
    prepared = subprocess.run(
        [sys.executable, "-m", _DRF],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    key = prepared.stdout.strip().splitlines()[-1]
    program = site.run(
        [
            *(sys.executable, "-m", "gunicorn", f"{_DRF}:application"),
            *("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"),
            *("--workers", str(site.workers), "--threads", str(GTHREAD_THREADS)),
            *("--keep-alive", "30", "--log-level", "warning"),
        ],
        folder,
        lambda: ask(port, _drf_request("none")).status == FORBIDDEN,
        environment,
    )
    answer = ask(port, _drf_request(key))
    expect(answer.status == wire.OK, "a good key was refused", answer)
    refusal = ask(port, _drf_request(key[:-1]))
    expect(refusal.status == FORBIDDEN, "a bad key was not refused", refusal)
    return Subject(port, _drf_request(key), answer, program.pid)


def _uvicorn(site: Site, folder: Path, app: str, environment: dict[str, str]) -> tuple[int, int]:
    port = free_port()
    program = site.run(
        [
            *(sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", str(site.workers), "--loop", "uvloop", "--http", "httptools"),
            *("--no-access-log", "--log-level", "warning"),
        ],
        folder,
        lambda: ask(port, wire.verify_request("none")).status == wire.OK,
        environment,
    )
    return port, program.pid


def _store_key(redis: RedisService) -> None:
    import redis as client

    record = {
        "key_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "actor_id": str(wire.TYPICAL_KEY["actor_id"]),
        "scopes": json.dumps(wire.TYPICAL_KEY["scopes"]),
        "metadata": json.dumps(wire.TYPICAL_KEY["metadata"]),
        "expires_at": str(int(time.time()) + DAY_S),
        "revoked": "0",
    }
    with client.Redis.from_url(redis.url) as connection:
        connection.flushdb()
        connection.hset(f"key:{sha256(_KEY.encode()).hexdigest()}", mapping=record)


def _drf_request(key: str) -> Request:
    body = wire.verify_request("in-the-header").body
    return Request("/verify", body, headers={"Authorization": f"Api-Key {key}"})


def _expect_verdicts(good: Answer, bad: Answer) -> None:
    verdict = good.json() if good.status == wire.OK else {}
    expect(verdict.get("is_valid") is True, "a good key was refused", good)
    right = verdict.get("scopes") == wire.TYPICAL_KEY["scopes"]
    expect(right, "not what is known of the key", good)
    denied = bad.status == wire.OK and bad.json().get("is_valid") is False
    expect(denied, "a bad key was not refused", bad)


def _require(*modules: str) -> None:
    absent = [module for module in modules if find_spec(module) is None]
    if absent:
        raise Missing(f"{', '.join(absent)} not installed: pip install --group bench")
