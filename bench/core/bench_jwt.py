"""Proving a JWT for the first time (Ed25519), beside PyJWT."""

import time

import pytest

from bench.core.conftest import KEY_ID, Measure
from talos.credentials import jwt
from talos.credentials.claims import TokenClaims
from talos.services.tenant import Tenant

CASE = "JWT, first time"
TWIN = "tests/unit/credentials/test_jwt.py"


@pytest.fixture
def token(tenant: Tenant, token_claims: TokenClaims) -> str:
    """A JWT as the server derives it."""
    credentials = tenant.credentials
    return jwt.sign(token_claims, credentials.signing_keys.signer(credentials.signing_key_id))


def test_ours(measure: Measure, tenant: Tenant, token: str) -> None:
    """Verify: signature, issuer, times, type."""
    claims = measure(jwt.authenticate, token, tenant.credentials, time.time_ns())
    assert claims.sub == KEY_ID


def test_pyjwt(measure: Measure, tenant: Tenant, token: str) -> None:
    """PyJWT: signature, issuer, times."""
    library = pytest.importorskip("jwt")
    credentials = tenant.credentials
    public = library.PyJWK(credentials.signing_keys.public_jwks()[0])
    claims = measure(library.decode, token, public, algorithms=["EdDSA"], issuer=credentials.issuer)
    assert claims["sub"] == KEY_ID
