"""Macaroons as minted, and what is turned away before any holder's caveat is looked at."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.credentials import macaroon
from talos.credentials.claims import MAX_TOKEN_BYTES, TokenClaims
from talos.credentials.rejection import TokenRejected
from talos.credentials.secrets import Retired, Secret, SecretRing
from talos.domain.verification import VerificationErrorCode
from talos.errors import InvalidRequest
from tests.reference import macaroon as reference
from tests.unit.credentials import material
from tests.unit.credentials.material import (
    BASE,
    CLAIMS,
    EXPIRES_S,
    ISSUED_S,
    ISSUER,
    NOW_NS,
    NS,
    PAYLOAD,
    SECRET,
    b64,
    compact,
    settings,
    unb64,
    verify_token,
)

VECTOR_D = (
    "mc_v1_AgEXaHR0cHM6Ly9hcGkuZXhhbXBsZS5jb20CLnsianRpIjoiOWIyZDZhMWUtNWMzZi00ZTdhLThkMTAtMmY2Yj"
    "djOGQ5ZTBmIn0AAssCeyJhY2wiOlsiMTAuMC4wLjAvOCJdLCJhY3QiOiJ1c2VyXzEyMyIsImV4cCI6MTc1MDAwMzYwMC"
    "wiaWF0IjoxNzUwMDAwMDAwLCJpc3MiOiJodHRwczovL2FwaS5leGFtcGxlLmNvbSIsImp0aSI6IjliMmQ2YTFlLTVjM2"
    "YtNGU3YS04ZDEwLTJmNmI3YzhkOWUwZiIsIm1ldGEiOnsiZW52IjoicHJvZCJ9LCJuYmYiOjE3NTAwMDAwMDAsIm5pZC"
    "I6IjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCIsInNjcCI6WyJyZWFkIiwid3JpdGUiXSwic3ViIj"
    "oiM2YyNTA0ZTAtNGY4OS00MWQzLTlhMGMtMDMwNWU4MmMzMzAxIiwidGllciI6ImdvbGQiLCJ2aXMiOiJzZWNyZXQifQ"
    "AABiBZ3jn0s9pcLctxpnuFN2WfUFtBZuxDZvgQ4dIC-z0SFQ"
)
INVALID = VerificationErrorCode.SIGNATURE_INVALID
GENUINE = material.macaroon(PAYLOAD)


def code(token: str, now_ns: int = NOW_NS, **changes: Any) -> VerificationErrorCode | None:
    try:
        verify_token(macaroon, token, settings(**changes), now_ns)
    except TokenRejected as rejected:
        return rejected.code
    return None


def test_vector_d_of_the_contract_bit_for_bit() -> None:
    assert macaroon.mint(CLAIMS, BASE) == VECTOR_D == GENUINE
    assert verify_token(macaroon, VECTOR_D, BASE, NOW_NS) == CLAIMS


def test_a_token_that_verify_would_refuse_for_its_length_is_not_made() -> None:
    length = len(macaroon.mint(replace(CLAIMS, custom={"x": ""}), BASE))
    room = (MAX_TOKEN_BYTES - length) * 3 // 4
    token = macaroon.mint(replace(CLAIMS, custom={"x": "x" * room}), BASE)
    assert MAX_TOKEN_BYTES - 6 < len(token) <= MAX_TOKEN_BYTES
    assert code(token) is None
    for beyond in (room + 6, 8192, 100_000):
        with pytest.raises(InvalidRequest, match="longer than 8192 bytes"):
            macaroon.mint(replace(CLAIMS, custom={"x": "x" * beyond}), BASE)


def test_prefixes_that_are_current_or_retired_are_accepted() -> None:
    token = macaroon.mint(CLAIMS, settings(macaroon_prefix="old_1"))
    assert token.startswith("old_1_v1_")
    assert code(token) is INVALID
    assert code(token, macaroon_prefixes_retired=("older", "old_1")) is None
    assert code(token, macaroon_prefix="old_1") is None
    # An empty prefix would make every text with _v1_ in front a macaroon.
    assert code("_v1_" + GENUINE[6:], macaroon_prefixes_retired=("",)) is INVALID


def test_retired_secrets_prove_old_tokens_until_they_expire() -> None:
    ring = SecretRing(
        Secret("x" * 32), (Retired(Secret("y" * 32)), Retired(Secret(SECRET), NOW_NS))
    )
    assert code(GENUINE, NOW_NS - 1, hmac=ring) is None
    assert code(GENUINE, NOW_NS, hmac=ring) is INVALID
    assert code(GENUINE, hmac=SecretRing(Secret("x" * 32))) is INVALID


def test_expiry_has_no_leeway_and_the_instant_itself_still_counts() -> None:
    assert code(GENUINE, EXPIRES_S * NS) is None
    assert code(GENUINE, EXPIRES_S * NS + 1) is INVALID
    assert code(GENUINE, EXPIRES_S * NS + 1, clock_skew_ns=3600 * NS) is INVALID


def test_the_beginning_has_the_clock_skew_as_leeway_and_iat_is_not_looked_at() -> None:
    token = material.macaroon({**PAYLOAD, "nbf": ISSUED_S + 100, "iat": ISSUED_S + 10**6})
    for skew_s in (0, 1, 300):
        begins_ns = (ISSUED_S + 100 - skew_s) * NS
        assert code(token, begins_ns, clock_skew_ns=skew_s * NS) is None
        assert code(token, begins_ns - 1, clock_skew_ns=skew_s * NS) is INVALID


@pytest.mark.parametrize("iss", [None, "", "https://other.example.com", 1, ["x"]])
def test_the_issuer_must_be_ours(iss: object) -> None:
    assert code(material.macaroon({**PAYLOAD, "iss": iss})) is INVALID
    assert code(material.macaroon({k: v for k, v in PAYLOAD.items() if k != "iss"})) is INVALID


def test_retired_issuers_count_until_they_expire() -> None:
    changes: dict[str, Any] = {
        "issuer": "https://new.example.com",
        "issuers_retired": (Retired(ISSUER, NOW_NS + 1),),
    }
    assert code(GENUINE, NOW_NS, **changes) is None
    assert code(GENUINE, NOW_NS + 1, **changes) is INVALID


def test_the_type_is_looked_at_last() -> None:
    other = material.macaroon({**PAYLOAD, "tty": "session"})
    assert code(other) is VerificationErrorCode.INVALID_FORMAT
    assert code(other, EXPIRES_S * NS + 1) is INVALID
    assert code(material.macaroon({**PAYLOAD, "tty": "derived"})) is None
    assert code(material.macaroon({**PAYLOAD, "tty": None})) is None


def test_a_null_custom_claim_is_kept() -> None:
    token = material.macaroon({**PAYLOAD, "note": None})
    assert verify_token(macaroon, token, BASE, NOW_NS).custom["note"] is None


def test_the_location_is_a_hint_that_proves_nothing() -> None:
    """Contract 5.5: it is outside the signature, so it must not matter."""
    for location in (b"", b"elsewhere", b"\xff"):
        assert code(material.macaroon(PAYLOAD, location=location)) is None


def test_the_identifier_names_the_token() -> None:
    token = material.macaroon({**PAYLOAD, "jti": "ignored"}, identifier=b'{"jti":"x","more":[1]}')
    assert verify_token(macaroon, token, BASE, NOW_NS).jti == "x"


@pytest.mark.parametrize(
    "identifier",
    [
        b"",
        b"x",
        b"{}",
        b"null",
        b'"x"',
        b'{"jti":""}',
        b'{"jti":null}',
        b'{"jti":1}',
        b'{"jti":["x"]}',
        b'{"jti":"x","jti":"x"}',
        b'{"jti":"x"} {}',
        b'{"jti":"x"}\0',
        b'{"jti":"\\ud800"}',
        b'{"jti":"\xff"}',
    ],
)
def test_an_identifier_that_names_none_is_refused(identifier: bytes) -> None:
    assert code(material.macaroon(PAYLOAD, identifier=identifier)) is INVALID


GOOD = compact(PAYLOAD)


@pytest.mark.parametrize(
    "claims",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"time < 2030",
        GOOD + b"{}",
        GOOD + b"\0",
        GOOD[:-1],
        GOOD[:-1] + b',"scp":["admin"]}',
        GOOD[:-1] + b',"\\u0073cp":["admin"]}',
        GOOD[:-1] + b',"x":NaN}',
        GOOD[:-1] + b',"x":1e999}',
        GOOD[:-1] + b',"x":' + b"9" * 4500 + b"}",
        GOOD[:-1] + b',"x":"\\udead"}',
        GOOD[:-1] + b',"x":"\xff"}',
        GOOD[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
def test_claims_that_cannot_be_read_one_way_are_refused(claims: bytes) -> None:
    assert code(material.macaroon(claims)) is INVALID


@pytest.mark.parametrize("value", [1750003600.0, "1750003600", True, [], 2**63, 253402300800])
def test_times_are_integers_within_the_calendar(value: object) -> None:
    for name in ("exp", "nbf", "iat"):
        assert code(material.macaroon({**PAYLOAD, name: value})) is INVALID


def test_without_claims_there_is_no_token() -> None:
    assert code(material.macaroon()) is INVALID


def test_signatures_of_other_keys_are_refused() -> None:
    root = reference.root_key(SECRET.encode())
    parts = (ISSUER.encode(), material.IDENTIFIER, (GOOD,))
    # The secret itself, and the derived root without the derivation, in place of the root.
    for wrong in (SECRET.encode(), reference.mac(b"macaroons-key-generator", root), b""):
        assert code(f"mc_v1_{b64(reference.mint(*parts, wrong))}") is INVALID
    assert code(f"mc_v1_{b64(reference.mint(*parts, root))}") is None


BODY = GENUINE.removeprefix("mc_v1_")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "mc_v1_",
        "mc_v1",
        "MC_v1_" + BODY,
        "mc_v2_" + BODY,
        "mcmc_v1_" + BODY,
        " mc_v1_" + BODY,
        BODY,
        GENUINE + "=",
        GENUINE + "==",
        GENUINE + "\n",
        GENUINE + "A",
        GENUINE + "AAAA",
        GENUINE[:40] + "\n" + GENUINE[40:],
        GENUINE[:-1],
        GENUINE[:-4],
        GENUINE.replace("-", "+").replace("_z0", "/z0"),
        "mc_v1_" + GENUINE,
        GENUINE + "\ud800",
        "mc_v1_" + "A" * 8187,
        GENUINE + "A" * 8192,
    ],
)
def test_texts_that_are_almost_tokens_are_refused(token: str) -> None:
    assert code(token) is INVALID


def test_the_v1_packet_form_is_refused() -> None:
    packet = f"{4 + 9 + 3:04x}location x\n".encode()
    assert code(f"mc_v1_{b64(packet)}") is INVALID


def signed_part() -> range:
    """Positions in the binary form after the location, which no signature covers."""
    return range(2 + 1 + len(ISSUER), len(unb64(BODY)))


def test_no_byte_that_matters_can_be_changed() -> None:
    body = unb64(BODY)
    for position in signed_part():
        for change in (0x01, 0x80, 0xFF):
            changed = bytearray(body)
            changed[position] ^= change
            assert code(f"mc_v1_{b64(bytes(changed))}") is INVALID, position
    # The frame of the location: its type and its length.
    for position in (0, 1, 2):
        changed = bytearray(body)
        changed[position] ^= 0x01
        assert code(f"mc_v1_{b64(bytes(changed))}") is INVALID, position


@given(st.integers(0, len(GENUINE) - 1), st.characters(codec="utf-8"))
def test_no_character_after_the_location_can_be_replaced(position: int, character: str) -> None:
    changed = GENUINE[:position] + character + GENUINE[position + 1 :]
    if changed == GENUINE:
        return
    if code(changed) is None:
        # Only what differs in the location may still pass.
        read, genuine = (reference.decode(unb64(text[6:])) for text in (changed, GENUINE))
        assert replace(read, location=genuine.location) == genuine


@given(st.binary(max_size=300))
def test_no_bytes_can_be_cut_or_added(junk: bytes) -> None:
    body = unb64(BODY)
    if junk:
        assert code(f"mc_v1_{b64(body + junk)}") is INVALID
        assert code(f"mc_v1_{b64(junk + body)}") is INVALID
    assert code(f"mc_v1_{b64(body[: -1 - len(junk)])}") is INVALID


def only_a_verdict(token: str) -> TokenClaims | VerificationErrorCode:
    """``verify`` returns claims or raises TokenRejected; anything else fails the test."""
    try:
        return verify_token(macaroon, token, BASE, NOW_NS)
    except TokenRejected as rejection:
        return rejection.code


@given(st.text())
def test_any_text_gets_a_verdict(text: str) -> None:
    assert only_a_verdict(text) is INVALID
    assert only_a_verdict("mc_v1_" + text) is INVALID


@given(st.binary())
def test_any_bytes_get_a_verdict(data: bytes) -> None:
    assert only_a_verdict("mc_v1_" + b64(data)) is INVALID
    assert only_a_verdict("mc_v1_" + b64(b"\x02" + data)) is INVALID


@given(st.binary(max_size=60), st.lists(st.binary(max_size=60), max_size=4))
def test_any_signed_parts_get_a_verdict(identifier: bytes, caveats: list[bytes]) -> None:
    assert only_a_verdict(material.macaroon(*caveats, identifier=identifier)) is INVALID
    assert only_a_verdict(material.macaroon(*caveats)) is INVALID
