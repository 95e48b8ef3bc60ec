"""Verify of derived tokens: what is left to the service, in its order (contract 6.4, 6.5)."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest

from talos.credentials import claims, jwt, macaroon
from talos.credentials.claims import TokenClaims
from talos.credentials.secrets import Secret, SecretRing
from talos.domain.addresses import Caller
from talos.domain.keys import KeyStatus, KeyVisibility, Metadata
from talos.domain.verification import CredentialType, Verification
from talos.domain.verification import VerificationErrorCode as Code
from talos.services.tenant import Tenant
from tests.support.fakes.harness import DRAFT, ServiceHarness
from tests.support.fakes.tenants import OTHER_NETWORK, SETTINGS, TENANT, tenant

S = 1_000_000_000
FORMATS = ["jwt", "macaroon"]
TYPES = {"jwt": CredentialType.JWT, "macaroon": CredentialType.MACAROON}


def token_claims(harness: ServiceHarness, **changes: object) -> TokenClaims:
    key, _ = harness.issue(replace(DRAFT, metadata=Metadata('{"plan":"pro","n":9007199254740993}')))
    made = claims.derive(
        key,
        issuer=SETTINGS.issuer,
        scopes=("read",),
        audiences=(),
        custom_claims={"tier": "gold", "plan": "custom", "nothing": None},
        now_ns=harness.clock.now_ns(),
        ttl_ns=3_600 * S,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def mint(format_: str, made: TokenClaims) -> str:
    if format_ == "jwt":
        return jwt.sign(made, SETTINGS.signing_keys.signer(""))
    return macaroon.mint(made, SETTINGS)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_good_token_is_described(harness: ServiceHarness, format_: str) -> None:
    made = token_claims(harness, acl=("192.0.2.0/24",), aud=("billing", "shop"))
    answer = harness.verified(mint(format_, made), audiences=("shop",))
    assert answer.type is TYPES[format_]
    assert answer.cache.value == "SKIP"
    found = answer.verification
    # Member order is not part of the contract: claims are written sorted.
    metadata = found.metadata
    assert replace(found, metadata=None) == Verification(
        error=None,
        key_id=made.sub,
        actor_id="user_1",
        issuer=SETTINGS.issuer,
        scopes=("read",),
        expires_at_ns=(harness.clock.now_ns() // S + 3_600) * S,
        visibility=KeyVisibility.SECRET,
        status=KeyStatus.ACTIVE,
        audiences=("billing", "shop"),
        restricted=True,
    )
    assert metadata is not None
    assert '"plan":"pro"' in metadata
    assert '"tier":"gold"' in metadata
    assert '"nothing":null' in metadata
    assert '"n":9007199254740993' in metadata


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_of_the_parent_counts_any_more(harness: ServiceHarness, format_: str) -> None:
    token = mint(format_, token_claims(harness))
    harness.keys.rows.clear()
    assert harness.verdict(token) is None
    assert harness.keys.reads == 0
    assert harness.limiter.calls == []
    assert harness.marks.asked == []


def forged(world: dict[str, object]) -> None:
    ring = SecretRing(Secret("another-secret-for-hmac-01234567"))
    world["tenant"] = tenant(issuer="https://other.example.com", hmac=ring)


FAULTS: list[tuple[dict[str, object], Callable[[dict[str, object]], None] | None, Code]] = [
    ({}, forged, Code.SIGNATURE_INVALID),
    ({"tty": "session"}, None, Code.INVALID_FORMAT),
    ({"nid": OTHER_NETWORK}, None, Code.NOT_FOUND),
    ({"acl": ("10.0.0.0/8",)}, None, Code.IP_NOT_ALLOWED),
    ({"aud": ("billing",)}, None, Code.AUDIENCE_MISMATCH),
]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("size", range(1, len(FAULTS) + 1))
def test_the_first_fault_decides(format_: str, size: int) -> None:
    for faults in combinations(FAULTS, size):
        harness = ServiceHarness()
        members: dict[str, object] = {}
        for changes, _, _ in faults:
            members.update(changes)
        token_type = members.pop("tty", None)
        made = token_claims(harness, **members)
        token = mint(format_, made) if token_type is None else _typed(format_, made, token_type)
        world: dict[str, object] = {"tenant": TENANT}
        for _, break_it, _ in faults:
            if break_it is not None:
                break_it(world)
        seen_by = world["tenant"]
        assert isinstance(seen_by, Tenant)
        assert harness.verdict(token, tenant=seen_by) is faults[0][2]


def _typed(format_: str, made: TokenClaims, token_type: object) -> str:
    """A token of ours with a ``tty``, which this server never writes."""

    class Typed(TokenClaims):
        def encode(self) -> bytes:
            return TokenClaims.encode(self)[:-1] + f',"tty":"{token_type}"}}'.encode()

    fields = {name: getattr(made, name) for name in TokenClaims.__dataclass_fields__}
    return mint(format_, Typed(**fields))


@pytest.mark.parametrize("format_", FORMATS)
def test_a_missing_network_is_another_network(harness: ServiceHarness, format_: str) -> None:
    answer = harness.verified(mint(format_, token_claims(harness, nid=""))).verification
    assert (answer.error, answer.message) == (Code.NOT_FOUND, "token not valid for this network")


@pytest.mark.parametrize("format_", FORMATS)
def test_an_expired_token_is_a_signature_that_fails(harness: ServiceHarness, format_: str) -> None:
    token = mint(format_, token_claims(harness))
    harness.clock.advance(s=3_601)
    answer = harness.verified(token).verification
    assert answer.error is Code.SIGNATURE_INVALID
    assert answer.message == "Signature verification failed."


@pytest.mark.parametrize("format_", FORMATS)
def test_a_list_that_cannot_be_read_is_an_internal_fault(
    harness: ServiceHarness, format_: str
) -> None:
    token = mint(format_, token_claims(harness, acl=("nonsense", "192.0.2.0/24")))
    answer = harness.verified(token).verification
    assert (answer.error, answer.message) == (Code.INTERNAL, "invalid CIDR configuration")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("named", "expected", "error"),
    [
        ((), (), None),
        ((), ("a",), Code.AUDIENCE_MISMATCH),
        (("a",), (), Code.AUDIENCE_MISMATCH),
        (("a",), ("a",), None),
        (("a", "b"), ("c", "b"), None),
        (("a",), ("A",), Code.AUDIENCE_MISMATCH),
        (("a",), ("a ",), Code.AUDIENCE_MISMATCH),
    ],
)
def test_audiences(
    harness: ServiceHarness,
    format_: str,
    named: tuple[str, ...],
    expected: tuple[str, ...],
    error: Code | None,
) -> None:
    token = mint(format_, token_claims(harness, aud=named))
    assert harness.verdict(token, audiences=expected) is error


@pytest.mark.parametrize("format_", FORMATS)
def test_the_list_travels_with_the_token(harness: ServiceHarness, format_: str) -> None:
    token = mint(format_, token_claims(harness, acl=("10.0.0.0/8",)))
    assert harness.verdict(token, caller=Caller("10.0.0.1")) is None
    assert harness.verdict(token, caller=Caller("")) is Code.IP_NOT_ALLOWED
