"""What the cases of this folder share."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.servers.talos import HMAC_SECRET, ISSUER, configuration
from talos import _core
from talos.config.loading import load
from talos.config.snapshot import tenant_settings
from talos.credentials.claims import TokenClaims
from talos.domain.keys import NIL_NETWORK
from talos.services.tenant import Tenant
from tests.support.servers import RedisService, Unavailable, open_redis

KEY_ID: Final = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
SECRET: Final = HMAC_SECRET.encode()

Measure = Callable[..., Any]


@pytest.fixture
def measure(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Measure:
    """Measure a call, under the name of its test: ``measure(function, *arguments)``.

    The case is what the module calls ``CASE``, its twin ``TWIN``; what the test's docstring says is
    the title, and the test named ``test_ours`` is what the others are compared with.
    """
    module, function = request.module, request.function
    benchmark.group = module.CASE
    benchmark.extra_info.update(
        title=(function.__doc__ or "").rstrip("."),
        twin=module.TWIN,
        ours=function.__name__ == "test_ours",
    )
    return benchmark


@pytest.fixture(scope="session")
def issued_key() -> str:
    """A key as it would be issued now, with a fixed time in it."""
    return _core.mint_issued_key("ory_ak", 1_790_000_000, KEY_ID, SECRET)


@pytest.fixture(scope="session")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """What a request sees of the configuration that the servers are measured with."""
    path = configuration(tmp_path_factory.mktemp("tenant"), "sqlite://:memory:", {})
    return tenant_settings(load(str(path), {}))


@pytest.fixture(scope="session")
def token_claims() -> TokenClaims:
    """What a derived token of a typical key says."""
    now_s = int(time.time())
    return TokenClaims(
        jti="9b2d6a1e-5c3f-4e7a-8d10-2f6b7c8d9e0f",
        sub=KEY_ID,
        iss=ISSUER,
        iat_s=now_s,
        nbf_s=now_s,
        exp_s=now_s + 3600,
        act="service:billing",
        nid=NIL_NETWORK,
        scp=("invoices:read", "invoices:write"),
        meta={"team": "platform", "plan": "pro"},
        vis="secret",
    )


@pytest.fixture(scope="session")
def redis_service() -> Iterator[RedisService]:
    """A Redis on loopback."""
    try:
        service = open_redis()
    except Unavailable as missing:
        # A row of the bench that cannot be measured here; the report names it.
        pytest.skip(str(missing))
    yield service
    service.close()
