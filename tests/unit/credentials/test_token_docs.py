"""The code in docs/tokens.md does what the page says, and the page says what the code does."""

import hmac
import re
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest

from talos.credentials import claims, jwt, macaroon
from talos.credentials.claims import RESERVED_CLAIMS
from talos.credentials.rejection import TokenRejected
from tests import vectors
from tests.support.issued_keys import KEY_ID, MADE_S, ROTATED, VECTOR_A, VECTOR_B
from tests.support.token_peers import fresh
from tests.unit.credentials.material import (
    BASE,
    CLAIMS,
    EXPIRES_S,
    ISSUER,
    NOW_NS,
    SECRET,
    b64,
    load,
    private_jwk,
    verify_token,
)

PAGE = (Path(__file__).parents[3] / "docs" / "tokens.md").read_text()


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the code blocks of the page define, run in order."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/tokens.md", "exec"), names)  # the page's own code
    return names


def test_issued_keys(page: dict[str, Any]) -> None:
    assert page["issued_key"]("ory_ak", MADE_S, KEY_ID, SECRET.encode()) == VECTOR_A
    assert page["issued_key"]("pk_test", MADE_S, KEY_ID, ROTATED.encode()) == VECTOR_B
    for case in vectors.cases("base58", "valid"):
        assert page["base58"](bytes.fromhex(case["bytes"])) == case["text"]


def test_a_jwt_from_the_published_keys_alone(page: dict[str, Any]) -> None:
    for kind in ("Ed25519", "P-256", "RSA"):
        keys = load(private_jwk("P-384"), private_jwk(kind))
        key_set = {"keys": keys.public_jwks()}
        token = jwt.sign(fresh(), keys.keys[1])
        assert page["verify_jwt"](token, key_set, ISSUER, "billing")["sub"] == CLAIMS.sub
        for issuer, audience in ((ISSUER, "mail"), (ISSUER, None), ("https://x", "billing")):
            with pytest.raises(pyjwt.InvalidTokenError):
                page["verify_jwt"](token, key_set, issuer, audience)
        with pytest.raises(pyjwt.InvalidTokenError):
            page["verify_jwt"](token[:-6] + "AAAAAA", key_set, ISSUER, "billing")


def test_a_macaroon_from_the_root_key_alone(page: dict[str, Any]) -> None:
    root = page["root_key"](SECRET)
    for name in ("caveat_valid", "caveat_invalid"):
        assert root.hex() == vectors.load(name)["root_key"]
        for case in vectors.cases(name, "cases"):
            texts = [text.encode() for text in case["caveats"]]
            assert page["proved_caveats"](case["token"], root) == texts
            assert page["library_verifies"](case["token"], root)


def test_every_other_form_is_refused(page: dict[str, Any]) -> None:
    root = bytes.fromhex(vectors.load("macaroons")["root_key"])

    def text(case: dict[str, Any]) -> str:
        return f"mc_v1_{b64(bytes.fromhex(case['data']))}"

    for case in vectors.cases("macaroons", "valid"):
        parts = [bytes.fromhex(caveat) for caveat in case["caveats"]]
        own = bytes.fromhex(case.get("root_key", root.hex()))
        assert page["proved_caveats"](text(case), own) == parts
    for group in ("unauthentic", "invalid"):
        for case in vectors.cases("macaroons", group):
            with pytest.raises(ValueError):
                page["proved_caveats"](text(case), root)
                pytest.fail(case["name"])


def test_narrowing(page: dict[str, Any]) -> None:
    token = macaroon.mint(CLAIMS, BASE)
    for caveat in ({"scp": ["read"]}, {"exp": EXPIRES_S - 9, "acl": ["10.1.0.0/16"]}, {}):
        token = page["narrowed"](token, caveat)
    left = verify_token(macaroon, token, BASE, NOW_NS)
    assert (left.scp, left.exp_s, left.acl) == (("read",), EXPIRES_S - 9, ("10.1.0.0/16",))
    with pytest.raises(TokenRejected):
        verify_token(macaroon, page["narrowed"](token, {"scp": ["write"]}), BASE, NOW_NS)
    # A caveat long enough for a length of two bytes.
    long = {"acl": ["10.1.2.3/32"] * 20}
    assert verify_token(macaroon, page["narrowed"](token, long), BASE, NOW_NS).acl == tuple(
        long["acl"]
    )


def test_the_example_for_a_colleague(page: dict[str, Any]) -> None:
    token = fresh()
    narrowed = page["example"](macaroon.mint(token, BASE))
    assert token.iat_s is not None
    left = verify_token(macaroon, narrowed, BASE, token.iat_s * 10**9)
    assert left.scp == ("read",)
    assert left.exp_s is not None
    assert token.iat_s + 60 <= left.exp_s < token.iat_s + 3600


def test_the_page_names_every_claim() -> None:
    for name in sorted(RESERVED_CLAIMS):
        assert f"`{name}`" in PAGE
    assert str(claims.MAX_TOKEN_BYTES) in PAGE


def test_the_keys_of_the_page_are_those_of_the_contract(page: dict[str, Any]) -> None:
    root = page["root_key"](SECRET)
    assert root.hex() == "d88a20e89d10d9c5a449a2d65a0e53f175bacd367e356a28a641a6dc947a6e86"
    key = hmac.digest(b"macaroons-key-generator", root, "sha256")
    assert key.hex() == "9833f7698f64c4e7ed5c074636d09b0c70fc8459cc063a0d25b9545ca77ec4d4"
