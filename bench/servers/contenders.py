"""The rows of the comparison, in the order in which they start and are shown.

Each names its twin: the test that holds the row to right answers, so that no figure is of a server
that answers wrongly.
"""

from typing import Final

from bench.servers import better_auth, frameworks, nginx, talos
from bench.servers.site import Contender

LIMIT: Final = "nginx"
CACHED: Final = "cached"
FALCON: Final = "falcon-uvicorn"
FASTAPI: Final = "fastapi-redis"

_ROWS: Final = "tests/bench/test_servers.py"

CONTENDERS: Final = (
    Contender(CACHED, "talos, cached", "tests/e2e/test_serving_talos.py", talos.cached),
    # Started after the one whose answers it repeats.
    Contender(LIMIT, "nginx, the same bytes as a constant", _ROWS, nginx.start),
    Contender(
        "cache-off-sqlite",
        "talos, cache off, SQLite",
        "tests/e2e/test_serving_talos.py",
        talos.cache_off_sqlite,
    ),
    Contender(
        "cache-off-postgres",
        "talos, cache off, PostgreSQL",
        "tests/e2e/test_sdk_conformance.py",
        talos.cache_off_postgres,
    ),
    Contender(
        "stock-gunicorn",
        "talos' Falcon app, stock gunicorn gthread",
        "tests/e2e/test_serving_stock_gunicorn.py",
        talos.stock_gunicorn,
    ),
    Contender(FALCON, "constant Falcon ASGI, uvicorn", _ROWS, frameworks.falcon_uvicorn),
    Contender(FASTAPI, "FastAPI + Redis by hand, uvicorn", _ROWS, frameworks.fastapi_redis),
    Contender(
        "drf-api-key",
        "djangorestframework-api-key, gunicorn",
        _ROWS,
        frameworks.drf_api_key,
    ),
    Contender("better-auth", "better-auth API key, Node", _ROWS, better_auth.start),
)
