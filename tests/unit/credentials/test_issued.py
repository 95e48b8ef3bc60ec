import pytest

from talos import _core
from talos.credentials import issued
from talos.credentials.secrets import Retired, Secret, SecretRing
from talos.credentials.settings import CredentialSettings
from talos.domain.keys import KeyVisibility
from talos.errors import InvalidRequest
from tests.support.issued_keys import KEY_ID, MADE_S, ROTATED, VECTOR_A, VECTOR_B
from tests.unit.credentials.material import NS, SECRET, settings


def parse(text: str) -> _core.UnverifiedIssuedKey:
    parsed = _core.parse_issued_key(text)
    assert parsed is not None
    return parsed


def accepted(key: _core.UnverifiedIssuedKey, current: CredentialSettings, now_ns: int) -> bool:
    """The three checks, as ``services.gates`` has them."""
    return (
        issued.checksum_valid(key, current, now_ns)
        and issued.age_valid(key, current, now_ns)
        and issued.prefix_allowed(key, current)
    )


def test_the_vectors_of_the_contract_are_minted_and_accepted() -> None:
    now_ns = MADE_S * NS + 123
    a = settings()
    b = settings(hmac=SecretRing(Secret(ROTATED)), public_prefix="pk_test")
    assert issued.mint(a, KeyVisibility.SECRET, KEY_ID, now_ns) == VECTOR_A
    assert issued.mint(a, KeyVisibility.UNSPECIFIED, KEY_ID, now_ns) == VECTOR_A
    assert issued.mint(b, KeyVisibility.PUBLIC, KEY_ID, now_ns) == VECTOR_B
    assert accepted(parse(VECTOR_A), a, now_ns)
    assert accepted(parse(VECTOR_B), b, now_ns)
    assert not accepted(parse(VECTOR_A), b, now_ns)
    assert not accepted(parse(VECTOR_B), a, now_ns)


@pytest.mark.parametrize("prefix", [None, ""])
def test_a_public_key_needs_a_public_prefix(prefix: str | None) -> None:
    with pytest.raises(InvalidRequest, match=r"credentials\.api_keys\.prefix\.public_current"):
        issued.mint(settings(public_prefix=prefix), KeyVisibility.PUBLIC, KEY_ID, 0)


def test_retired_secrets_prove_old_keys_until_they_expire() -> None:
    ring = SecretRing(Secret(ROTATED), (Retired(Secret("x" * 32)), Retired(Secret(SECRET), 1000)))
    key = parse(VECTOR_A)
    assert issued.checksum_valid(key, settings(hmac=ring), 999)
    assert not issued.checksum_valid(key, settings(hmac=ring), 1000)


def test_age_counts_from_the_embedded_time() -> None:
    limit = settings(max_ttl_ns=3600 * NS)
    key, made_ns = parse(VECTOR_A), MADE_S * NS
    assert issued.age_valid(key, limit, made_ns + 3600 * NS)
    assert not issued.age_valid(key, limit, made_ns + 3600 * NS + 1)
    assert issued.age_valid(key, settings(max_ttl_ns=0), made_ns + 10**18)


def test_the_future_is_allowed_as_far_as_the_skew_and_no_further_than_ten_minutes() -> None:
    key, made_ns = parse(VECTOR_A), MADE_S * NS
    for skew_s, allowed_s in ((300, 300), (0, 0), (600, 600), (601, 600), (86_400, 600)):
        current = settings(clock_skew_ns=skew_s * NS)
        assert issued.age_valid(key, current, made_ns - allowed_s * NS)
        assert not issued.age_valid(key, current, made_ns - allowed_s * NS - 1)


def test_embedded_times_at_the_edge_of_64_bits_are_only_too_old_or_too_new() -> None:
    for timestamp_s in (-(2**63), 2**63 - 1):
        key = parse(_core.mint_issued_key("ory_ak", timestamp_s, KEY_ID, SECRET.encode()))
        assert not issued.age_valid(key, settings(max_ttl_ns=NS), MADE_S * NS)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"prefix": "ory_ak"}, True),
        ({"prefix": "new"}, False),
        ({"prefix": "new", "public_prefix": "ory_ak"}, True),
        ({"prefix": "new", "prefixes_retired": ("old", "ory_ak")}, True),
        ({"prefix": "new", "public_prefixes_retired": ("ory_ak",)}, True),
        ({"prefix": "ory_a"}, False),
        ({"prefix": "ory_akk"}, False),
        ({"prefix": "ORY_AK"}, False),
    ],
)
def test_prefixes_of_either_visibility_count(changes: dict[str, object], allowed: bool) -> None:
    current = settings(**changes)
    assert issued.prefix_allowed(parse(VECTOR_A), current) is allowed
    assert accepted(parse(VECTOR_A), current, MADE_S * NS) is allowed


def test_all_three_checks_count() -> None:
    key, now_ns = parse(VECTOR_A), MADE_S * NS
    assert accepted(key, settings(), now_ns)
    assert not accepted(key, settings(hmac=SecretRing(Secret(ROTATED))), now_ns)
    assert not accepted(key, settings(max_ttl_ns=1), now_ns + 2)
    assert not accepted(key, settings(prefix="other"), now_ns)
