"""Proving a macaroon with one caveat, beside pymacaroons."""

import base64
import time
from typing import Any

import pytest

from bench.core.conftest import KEY_ID, SECRET, Measure
from talos import _core
from talos.credentials import macaroon
from talos.credentials.claims import TokenClaims
from talos.services.tenant import Tenant

CASE = "macaroon"
TWIN = "tests/core/test_macaroon.py"

_PREFIX_AND_VERSION = 2


@pytest.fixture
def token(tenant: Tenant, token_claims: TokenClaims) -> str:
    """A macaroon as the server derives it."""
    return macaroon.mint(token_claims, tenant.credentials)


@pytest.fixture
def binary(token: str) -> bytes:
    """Its V2 binary form."""
    text = token.split("_", _PREFIX_AND_VERSION)[_PREFIX_AND_VERSION]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_ours(measure: Measure, binary: bytes) -> None:
    """Decode, and check the signature."""
    roots = (_core.macaroon_root_key(SECRET),)
    assert measure(_decode_and_check, binary, roots) is True


def test_pymacaroons(measure: Measure, binary: bytes) -> None:
    """pymacaroons: deserialize, and verify."""
    pymacaroons = pytest.importorskip("pymacaroons")
    text = base64.urlsafe_b64encode(binary).decode().rstrip("=")
    verifier = pymacaroons.Verifier()
    verifier.satisfy_general(lambda caveat: True)
    root = _core.macaroon_root_key(SECRET)
    assert measure(_pymacaroons, pymacaroons, verifier, text, root) is True


def test_whole(measure: Measure, tenant: Tenant, token: str) -> None:
    """The whole verification of ours, claims and times included."""
    claims = measure(macaroon.authenticate, token, tenant.credentials, time.time_ns())
    assert claims.sub == KEY_ID


def _decode_and_check(data: bytes, roots: tuple[bytes, ...]) -> bool:
    return _core.macaroon_signature_valid(_core.macaroon_decode(data), roots)


def _pymacaroons(library: Any, verifier: Any, text: str, root: bytes) -> bool:
    return bool(verifier.verify(library.Macaroon.deserialize(text), root))
