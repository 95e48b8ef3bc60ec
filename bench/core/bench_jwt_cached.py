"""A JWT that a worker of this host has verified before (Ed25519), beside the first time."""

import time
from dataclasses import replace

import pytest

from bench.core.conftest import KEY_ID, Measure
from talos import _core
from talos.adapters.cache.null import NullKeyCache
from talos.adapters.cache.verified_tokens import SharedVerifiedTokenCache
from talos.adapters.clock import SystemClock
from talos.credentials import jwt
from talos.credentials.claims import TokenClaims
from talos.domain.addresses import Caller
from talos.domain.drafts import VerifyDraft
from talos.domain.verification import CacheDirective, CredentialType
from talos.http import cached_body
from talos.services.attempt import Attempt
from talos.services.tenant import Tenant
from talos.services.verify import VerifyService
from talos.services.verify_token import verify_token
from tests.support.fakes.harness import ServiceHarness

CASE = "JWT, cached"
TWIN = "tests/unit/services/test_verify_cached_tokens.py"

_CALLER = Caller("192.0.2.1")
_MEMORY_BYTES = 8 << 20


@pytest.fixture
def token(tenant: Tenant, token_claims: TokenClaims) -> str:
    """A JWT as the server derives it."""
    credentials = tenant.credentials
    return jwt.sign(token_claims, credentials.signing_keys.signer(credentials.signing_key_id))


@pytest.fixture
def verified_tokens() -> SharedVerifiedTokenCache:
    """The memory that workers share."""
    memory = _core.SharedMemory(_MEMORY_BYTES)
    memory.attach()
    return SharedVerifiedTokenCache(_core.KeyCache(memory), cached_body.render)


@pytest.fixture
def service(verified_tokens: SharedVerifiedTokenCache) -> VerifyService:
    """The service; a derived token asks none of the fakes."""
    ports = ServiceHarness().ports
    return VerifyService(
        replace(ports, cache=NullKeyCache(), verified_tokens=verified_tokens, clock=SystemClock())
    )


def test_ours(
    measure: Measure, tenant: Tenant, token: str, verified_tokens: SharedVerifiedTokenCache
) -> None:
    """Verify a token seen before."""
    attempt = _attempt(tenant, token, CacheDirective.DEFAULT)
    verify_token(attempt, verified_tokens)
    assert verified_tokens.get(
        tenant.network_id, tenant.credentials.generation, token, attempt.now_ns
    )
    assert measure(verify_token, attempt, verified_tokens).sub == KEY_ID


def test_first(
    measure: Measure, tenant: Tenant, token: str, verified_tokens: SharedVerifiedTokenCache
) -> None:
    """The same for the first time: signature, issuer, times, type, network."""
    attempt = _attempt(tenant, token, CacheDirective.NO_STORE)
    assert measure(verify_token, attempt, verified_tokens).sub == KEY_ID


def test_whole(measure: Measure, tenant: Tenant, token: str, service: VerifyService) -> None:
    """The whole of a verification by the service, seen before."""
    asked = (tenant, VerifyDraft(token), _CALLER, CacheDirective.DEFAULT)
    assert measure(service.verify, *asked).verification.key_id == KEY_ID


def test_whole_first(measure: Measure, tenant: Tenant, token: str, service: VerifyService) -> None:
    """The whole of a verification by the service, for the first time."""
    asked = (tenant, VerifyDraft(token), _CALLER, CacheDirective.NO_STORE)
    assert measure(service.verify, *asked).verification.key_id == KEY_ID


def test_pyjwt(measure: Measure, tenant: Tenant, token: str) -> None:
    """PyJWT, which remembers nothing: signature, issuer, times."""
    library = pytest.importorskip("jwt")
    credentials = tenant.credentials
    public = library.PyJWK(credentials.signing_keys.public_jwks()[0])
    claims = measure(library.decode, token, public, algorithms=["EdDSA"], issuer=credentials.issuer)
    assert claims["sub"] == KEY_ID


def _attempt(tenant: Tenant, token: str, directive: CacheDirective) -> Attempt:
    now_ns = time.time_ns()
    return Attempt(tenant, VerifyDraft(token), _CALLER, directive, now_ns, CredentialType.JWT)
