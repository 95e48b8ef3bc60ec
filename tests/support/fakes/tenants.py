"""Tenants with settings fit for tests; nothing in them is a live secret."""

import base64
import json
from dataclasses import replace
from typing import Any

from talos.credentials.jwk import SigningKeys
from talos.credentials.secrets import Secret, SecretRing
from talos.credentials.settings import CredentialSettings
from talos.domain.keys import NIL_NETWORK
from talos.services.tenant import Tenant

OTHER_NETWORK = "550e8400-e29b-41d4-a716-446655440001"
ISSUER = "https://api.example.com"

_DAY_NS = 86_400 * 1_000_000_000

# The key of RFC 8032, test 1, as the contract's vector C has it.
_JWK = {
    "alg": "EdDSA",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "kty": "OKP",
    "use": "sig",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}


def signing_keys() -> SigningKeys:
    """One Ed25519 key."""
    document = base64.b64encode(json.dumps({"keys": [_JWK]}).encode()).decode()
    keys, faults = SigningKeys.load([f"base64://{document}"])
    assert not faults
    return keys


SETTINGS = CredentialSettings(
    hmac=SecretRing(Secret("test-secret-for-hmac-0123456789abcdef")),
    issuer=ISSUER,
    issuers_retired=(),
    clock_skew_ns=300 * 1_000_000_000,
    max_ttl_ns=365 * _DAY_NS,
    prefix="ory_ak",
    prefixes_retired=(),
    public_prefix="pk_test",
    public_prefixes_retired=(),
    macaroon_prefix="mc",
    macaroon_prefixes_retired=(),
    signing_keys=signing_keys(),
    signing_key_id="",
    generation=1,
)

TENANT = Tenant(
    network_id=NIL_NETWORK,
    credentials=SETTINGS,
    default_ttl_ns=30 * _DAY_NS,
    token_ttl_ns=3_600 * 1_000_000_000,
    api_keys_max=0,
    cache_enabled=True,
    cache_ttl_ns=300 * 1_000_000_000,
    rate_limit_enabled=True,
)


def tenant(base: Tenant = TENANT, **changes: Any) -> Tenant:
    """``base`` with fields of the tenant or of its credential settings replaced."""
    own = {name: value for name, value in changes.items() if hasattr(base, name)}
    of_credentials = {name: value for name, value in changes.items() if name not in own}
    return replace(base, credentials=replace(base.credentials, **of_credentials), **own)
