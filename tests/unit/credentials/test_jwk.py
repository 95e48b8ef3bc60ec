import base64
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.credentials.jwk import SigningKeys
from talos.errors import InternalError
from tests.unit.credentials.material import (
    ED25519_JWK,
    KID,
    b64,
    compact,
    large_rsa,
    load,
    private_jwk,
    public_part,
    url,
    without,
)

ALGORITHMS = [
    ("Ed25519", "EdDSA"),
    ("P-256", "ES256"),
    ("P-384", "ES384"),
    ("P-521", "ES512"),
    ("RSA", "RS256"),
]
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
OCT: dict[str, Any] = {"kty": "oct", "k": "dGVzdC1zeW1tZXRyaWMta2V5", "kid": "symmetric"}


def named(kind: str, **members: object) -> dict[str, Any]:
    return {**private_jwk(kind), **members}


# --- reading ---------------------------------------------------------------------------------


def test_a_set_and_a_single_key_are_read_in_order() -> None:
    keys, faults = SigningKeys.load(
        [
            url({"keys": [named("P-256", kid="a"), named("Ed25519", kid="b")]}),
            url(named("RSA", kid="c")),
        ]
    )
    assert faults == ()
    assert [key.kid for key in keys.keys] == ["a", "b", "c"]


@pytest.mark.parametrize(("kind", "alg"), ALGORITHMS)
def test_a_missing_kid_and_alg_are_filled_in(kind: str, alg: str) -> None:
    [jwk] = load(named(kind)).public_jwks()
    assert jwk["alg"] == alg
    # RFC 7638: the required members, sorted, compact, SHA-256.
    required = {name: jwk[name] for name in ("crv", "kty", "x", "y", "e", "n") if name in jwk}
    digest = sha256(compact(required)).digest()
    assert jwk["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_thumbprint_is_that_of_the_contract() -> None:
    [key] = load(without(ED25519_JWK, ["kid", "alg"])).keys
    assert (key.kid, key.alg) == (KID, "EdDSA")


def test_empty_members_count_as_absent() -> None:
    [key] = load({**ED25519_JWK, "kid": "", "alg": "", "use": ""}).keys
    assert (key.kid, key.alg, key.use) == (KID, "EdDSA", None)
    assert key.signs


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_an_rsa_key_keeps_its_own_algorithm(alg: str) -> None:
    [key] = load(named("RSA", alg=alg)).keys
    assert key.alg == alg
    token = key.sign({"alg": alg, "kid": key.kid}, b"{}")
    assert key.signature_valid(token)


def test_padding_and_line_breaks_in_base64_are_optional() -> None:
    text = base64.b64encode(compact(ED25519_JWK) + b" ").decode()
    assert text.endswith("=")
    wrapped = "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    for spelling in (text, text.rstrip("="), wrapped + "\n"):
        keys, faults = SigningKeys.load(["base64://" + spelling])
        assert faults == ()
        assert len(keys.keys) == 1


PEM = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("", "must start with base64://"),
        ("https://example.com/jwks.json", "must start with base64://"),
        ("file:///etc/keys.json", "must start with base64://"),
        ("BASE64://e30", "must start with base64://"),
        ("base64://e30!", "not valid Base64"),
        ("base64://e3 0", "not valid Base64"),
        ("base64://e30=e30=", "not valid Base64"),
        ("base64://e30===", "not valid Base64"),
        ("base64://_-_-", "not valid Base64"),
        ("base64://A", "not valid Base64"),
        ("base64://\ud800", "not valid Base64"),
        ("base64://", "not a valid JSON object"),
        (url(b"[]"), "not a valid JSON object"),
        (url(b"nonsense"), "not a valid JSON object"),
        (url(b'{"kty":"oct","kty":"oct","k":"AA"}'), "not a valid JSON object"),
        (url(PEM), "not a valid JSON object"),
        (url({"keys": []}), "the key set holds no keys"),
        (url({"keys": {}}), "the key set holds no keys"),
        (url({"keys": None}), "the key set holds no keys"),
        (url({}), "kty is required"),
        (url({"kty": ""}), "kty is required"),
        (url({"kty": 1}), "kty must be text"),
        (url({"kty": "AKP"}), "unknown kty"),
        (url({"kty": "OKP", "x": "AA"}), "unknown crv"),
        (url({"kty": "OKP", "crv": "Ed448", "x": "AA"}), "unknown crv"),
        (url({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}), "unknown crv"),
        (url({"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"}), "unknown crv"),
        (url({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}), "not a valid key"),
        (url({"kty": "EC", "crv": "P-256", "x": "AA"}), "not a valid key"),
        (url({"kty": "OKP", "crv": "Ed25519", "x": "AA"}), "not a valid key"),
        (url({"kty": "OKP", "crv": "Ed25519", "x": 1}), "not a valid key"),
        (url({"kty": "RSA", "n": "", "e": "AQAB"}), "not a valid key"),
        (url({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), "not a valid key"),
        (url({"kty": "oct"}), "k is required"),
        (url({"kty": "oct", "k": 1}), "k must be text"),
        (url({**ED25519_JWK, "kid": 7}), "kid must be text"),
        (url({**ED25519_JWK, "use": ["sig"]}), "use must be text"),
        (url({**ED25519_JWK, "alg": "RS256"}), "alg does not fit the key"),
        (url({**ED25519_JWK, "alg": "none"}), "alg does not fit the key"),
        (url({**ED25519_JWK, "alg": "HS256"}), "alg does not fit the key"),
        (url({**ED25519_JWK, "d": "AAAA"}), "not a valid key"),
        (
            url({**ED25519_JWK, "d": "A" * 43}),
            "the public and private halves do not match",
        ),
    ],
)
def test_a_bad_entry_is_named_by_index_and_the_others_work(entry: str, fault: str) -> None:
    good = url(ED25519_JWK)
    keys, faults = SigningKeys.load([good, entry, good])
    assert faults == (f"urls[1]: {fault}",)
    assert [key.kid for key in keys.keys] == [KID, KID]
    assert keys.signer("").signs


@pytest.mark.parametrize("kind", ["P-256", "RSA"])
def test_halves_that_do_not_match_are_refused(kind: str) -> None:
    other = private_jwk("RSA2056" if kind == "RSA" else "Ed25519")
    keys, faults = SigningKeys.load([url(named(kind, d=other["d"]))])
    assert faults == ("urls[0]: not a valid key",)
    assert keys.empty


def test_every_bad_key_of_a_set_is_named() -> None:
    document = {"keys": [None, ED25519_JWK, {"kty": "RSA"}, 5, {"kty": "x"}]}
    keys, faults = SigningKeys.load(["nonsense", url(document)])
    assert faults == (
        "urls[0]: must start with base64://",
        "urls[1].keys[0]: not a JSON object",
        "urls[1].keys[2]: not a valid key",
        "urls[1].keys[3]: not a JSON object",
        "urls[1].keys[4]: unknown kty",
    )
    assert [key.kid for key in keys.keys] == [KID]


def test_nothing_at_all_is_an_empty_set() -> None:
    keys, faults = SigningKeys.load([])
    assert faults == ()
    assert keys.empty
    assert SigningKeys().empty
    assert not load(OCT).empty


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
hostile_jwks = st.fixed_dictionaries(
    {},
    optional={
        "kty": st.sampled_from(["OKP", "EC", "RSA", "oct", "AKP"]) | json_values,
        "crv": st.sampled_from(["Ed25519", "X25519", "P-256", "Ed448"]) | json_values,
        "x": st.just(ED25519_JWK["x"]) | json_values,
        "y": st.just(ED25519_JWK["x"]) | json_values,
        "n": st.just(ED25519_JWK["x"]) | json_values,
        "e": st.just("AQAB") | json_values,
        "d": st.just(ED25519_JWK["d"]) | json_values,
        "k": json_values,
        "p": json_values,
        "kid": json_values,
        "use": st.just("sig") | json_values,
        "alg": st.sampled_from(["EdDSA", "ES256", "RS256"]) | json_values,
        "oth": json_values,
    },
)


@given(st.lists(hostile_jwks | json_values, max_size=3))
def test_any_document_is_read_or_named(entries: list[object]) -> None:
    keys, faults = SigningKeys.load([url({"keys": entries})])
    assert len(keys.keys) + len(faults) == max(1, len(entries))
    for jwk in keys.public_jwks():
        assert not PRIVATE_MEMBERS & set(jwk)
        json.dumps(jwk)


@given(st.text())
def test_any_text_is_read_or_named(entry: str) -> None:
    for text in (entry, "base64://" + entry):
        keys, faults = SigningKeys.load([text])
        assert keys.empty
        assert len(faults) == 1


def test_private_material_is_never_printed() -> None:
    [key] = load(ED25519_JWK).keys
    keys, faults = SigningKeys.load([url({**ED25519_JWK, "x": ED25519_JWK["d"]})])
    for text in (repr(key), repr(load(ED25519_JWK)), repr(keys), *faults):
        assert ED25519_JWK["d"] not in text
        assert base64.b64encode(compact(ED25519_JWK)).decode()[:40] not in text


def test_two_sets_are_equal_when_their_keys_are() -> None:
    other = {**private_jwk("Ed25519"), "kid": KID, "alg": "EdDSA", "use": "sig"}
    assert load(ED25519_JWK) == load(ED25519_JWK)
    assert load(ED25519_JWK) != load(other)


# --- publishing ------------------------------------------------------------------------------


def test_only_public_members_are_published_and_symmetric_keys_are_not() -> None:
    document = {
        "keys": [
            named("RSA", kid="r", use="sig", key_ops=["sign"], x5t="AA", comment="not for you"),
            OCT,
            named("P-256", kid="e"),
            public_part(named("X25519", kid="x", use="enc", alg="ECDH-ES")),
        ]
    }
    published = load(document).public_jwks()
    assert [sorted(jwk) for jwk in published] == [
        ["alg", "e", "kid", "kty", "n", "use"],
        ["alg", "crv", "kid", "kty", "x", "y"],
        ["alg", "crv", "kid", "kty", "use", "x"],
    ]
    assert [jwk["kid"] for jwk in published] == ["r", "e", "x"]
    assert published[2]["alg"] == "ECDH-ES"


def test_keys_listed_twice_are_published_twice() -> None:
    assert len(load(ED25519_JWK, {"keys": [ED25519_JWK]}).public_jwks()) == 2


def test_symmetric_keys_alone_publish_an_empty_list() -> None:
    assert load(OCT).public_jwks() == []


def test_what_is_published_is_spelled_canonically() -> None:
    jwk = public_part(private_jwk("RSA"))
    number = base64.urlsafe_b64decode(jwk["n"] + "==")
    spelled = base64.urlsafe_b64encode(b"\0" + number).rstrip(b"=").decode()
    assert load({**jwk, "n": spelled}).public_jwks() == load(jwk).public_jwks()


# --- choosing --------------------------------------------------------------------------------


def test_the_signer_is_the_one_named() -> None:
    keys = load({"keys": [named("P-256", kid="a", use="sig"), named("Ed25519", kid="b")]})
    assert keys.signer("b").kid == "b"


def test_without_a_name_the_signer_is_the_first_for_signatures() -> None:
    first = {"keys": [named("P-256", kid="a"), named("Ed25519", kid="b", use="sig")]}
    second = named("RSA", kid="c", use="sig")
    assert load(first, second).signer("").kid == "b"


def test_without_a_use_the_signer_is_the_first_that_names_none() -> None:
    keys = load({"keys": [named("RSA", kid="a", use="enc"), named("Ed25519", kid="b")]})
    assert keys.signer("").kid == "b"


@pytest.mark.parametrize(
    ("document", "signing_key_id"),
    [
        (ED25519_JWK, "unknown"),
        (ED25519_JWK, KID.lower()),
        (OCT, ""),
        (OCT, "symmetric"),
        ({"keys": [{**OCT, "use": "sig"}, ED25519_JWK]}, ""),
        (public_part(ED25519_JWK), ""),
        (public_part(ED25519_JWK), KID),
        ({**ED25519_JWK, "use": "enc"}, ""),
        ({**ED25519_JWK, "use": "enc"}, KID),
        ({**ED25519_JWK, "use": "SIG"}, ""),
    ],
)
def test_without_a_usable_signer_there_is_one_error(document: object, signing_key_id: str) -> None:
    with pytest.raises(InternalError) as caught:
        load(document).signer(signing_key_id)
    assert caught.value.message == "get signing key"


@pytest.mark.parametrize("private", [True, False])
def test_x25519_neither_signs_nor_verifies(private: bool) -> None:
    jwk = named("X25519", kid="x")
    keys = load(jwk if private else public_part(jwk))
    assert keys.verifier("x") is None
    with pytest.raises(InternalError, match="get signing key"):
        keys.signer("x")
    [key] = keys.keys
    assert not key.signature_valid("a.b.c")
    with pytest.raises(InternalError, match="get signing key"):
        key.sign({"alg": "EdDSA"}, b"{}")


def test_an_empty_set_has_no_signer() -> None:
    with pytest.raises(InternalError, match="get signing key"):
        SigningKeys().signer("")


def test_of_two_keys_with_one_kid_the_first_that_can_verify_verifies() -> None:
    keys = load(
        {**OCT, "kid": "same"},
        named("RSA", kid="same", use="enc"),
        named("P-256", kid="same"),
        named("Ed25519", kid="same"),
    )
    verifier = keys.verifier("same")
    assert verifier is not None
    assert verifier.alg == "ES256"
    assert keys.verifier("other") is None
    assert keys.verifier("") is None


def test_key_operations_are_not_looked_at() -> None:
    [key] = load({**ED25519_JWK, "key_ops": ["deriveKey"]}).keys
    assert key.signs
    assert key.verifies


def test_a_public_key_verifies_what_its_private_half_signed() -> None:
    for kind, alg in ALGORITHMS:
        [signer] = load(named(kind)).keys
        [verifier] = load(public_part(named(kind))).keys
        token = signer.sign({"alg": alg, "kid": signer.kid}, b"{}")
        assert verifier.signature_valid(token)
        assert not verifier.signs


def test_a_key_has_one_algorithm_whatever_a_header_says() -> None:
    [key] = load(named("RSA", alg="RS256", kid="k")).keys
    [other] = load(named("RSA", alg="PS256", kid="k")).keys
    token = other.sign({"alg": "PS256", "kid": "k"}, b"{}")
    assert other.signature_valid(token)
    assert not key.signature_valid(token)
    with pytest.raises(InternalError, match="sign token"):
        key.sign({"alg": "PS256", "kid": "k"}, b"{}")


def test_large_keys_and_long_ids_fit() -> None:
    jwk, sign = large_rsa()
    [key] = load({**jwk, "kid": "k" * 2000}).keys
    signed = f"{b64(compact({'alg': 'RS256', 'kid': key.kid}))}.{b64(b'{}')}"
    assert key.signature_valid(f"{signed}.{b64(sign(signed.encode()))}")
    assert not key.signature_valid(f"{signed}.{b64(sign(b'something else'))}")


def test_a_key_too_small_for_its_algorithm_is_an_error_of_ours() -> None:
    [key] = load(named("RSA1024", alg="PS512")).keys
    with pytest.raises(InternalError, match="sign token"):
        key.sign({"alg": "PS512", "kid": key.kid}, b"{}")
    assert not key.signature_valid("e30.e30." + "A" * 171 + "A")
