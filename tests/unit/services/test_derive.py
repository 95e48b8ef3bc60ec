"""Deriving tokens (contract 4.13, 16 (18), 16 (19), 16 (22))."""

from dataclasses import replace
from typing import Any

import pytest

from talos.credentials.jwk import SigningKeys
from talos.domain.addresses import Caller
from talos.domain.drafts import DeriveDraft, RateLimitDraft
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import NIL_NETWORK, KeyStatus, Metadata
from talos.domain.verification import CacheDirective
from talos.errors import (
    FailedPrecondition,
    Forbidden,
    GatewayTimeout,
    InternalError,
    InvalidRequest,
    ServiceUnavailable,
    TalosError,
    Unauthorized,
)
from talos.services.derive import DerivedToken
from talos.services.tenant import Tenant
from tests.support.fakes.clock import START_NS
from tests.support.fakes.harness import CALLER, DRAFT, ServiceHarness
from tests.support.fakes.tenants import TENANT, tenant

S = 1_000_000_000
HOUR_NS = 3_600 * S
JWT, MACAROON = 1, 2
ALGORITHMS = [JWT, MACAROON]
NO_SIGNER = tenant(signing_keys=SigningKeys())


def derive(
    harness: ServiceHarness,
    credential: str,
    *,
    by: Tenant = TENANT,
    caller: Caller = CALLER,
    **fields: object,
) -> DerivedToken:
    draft = DeriveDraft(credential, **fields)  # type: ignore[arg-type]
    return harness.services.derive.derive(by, draft, caller, CacheDirective.DEFAULT)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_says_what_its_parent_says(harness: ServiceHarness, algorithm: int) -> None:
    key, secret = harness.issue(
        replace(
            DRAFT,
            scopes=("a", "b", "c"),
            metadata=Metadata('{"plan":"pro","n":1}'),
            allowed_cidrs=("192.0.2.0/24",),
        )
    )
    made = derive(
        harness,
        secret,
        algorithm=algorithm,
        ttl_ns=90 * S,
        scopes=("c", "a", "c"),
        audiences=("shop", "billing"),
        custom_claims={"plan": "custom", "tier": "gold", "act": "mallory", "sub": "x", "oid": "y"},
    )
    assert made.expires_at_ns == START_NS + 90 * S
    assert made.scopes == ("c", "a", "c")
    assert made.audiences == ("shop", "billing")
    assert made.claims == {"plan": "custom", "n": 1, "tier": "gold"}
    assert made.token not in repr(made)
    assert made.token.startswith("mc_v1_" if algorithm == MACAROON else "eyJ")
    found = harness.verified(made.token, audiences=("billing",)).verification
    assert found.is_valid
    assert (found.key_id, found.actor_id) == (key.key_id, "user_1")
    assert found.scopes == ("c", "a", "c")
    assert found.expires_at_ns == (START_NS + 90 * S) // S * S
    assert found.restricted
    # On verify the parent's metadata wins over custom claims.
    assert found.metadata is not None
    assert '"plan":"pro"' in found.metadata
    elsewhere = harness.verified(made.token, caller=Caller("10.0.0.1"), audiences=("billing",))
    assert not elsewhere.verification.is_valid


def test_unspecified_means_jwt(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    assert derive(harness, secret).token.startswith("eyJ")


def test_the_least_a_draft_can_hold(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, scopes=("a", "b", "a")))
    made = derive(harness, secret)
    assert made.scopes == ("a", "b", "a")
    assert made.claims == {}
    assert made.audiences == ()
    assert made.expires_at_ns == START_NS + HOUR_NS


def test_imported_and_public_parents(harness: ServiceHarness) -> None:
    harness.services.imports.import_key(
        TENANT, replace(DRAFT, raw_key="test-raw-key", visibility=2)
    )
    made = derive(harness, "test-raw-key")
    assert harness.verified(made.token).verification.visibility.name == "PUBLIC"


def test_nothing_is_stored_and_the_parent_is_marked(harness: ServiceHarness) -> None:
    key, secret = harness.issue(replace(DRAFT, rate_limit=RateLimitDraft(1, S)))
    rows = dict(harness.keys.rows)
    derive(harness, secret)
    derive(harness, secret)
    assert harness.keys.rows == rows
    assert harness.marks.marked == [key.key_id] * 2
    assert harness.limiter.calls == []


@pytest.mark.parametrize(("algorithm", "name"), [(JWT, "jwt"), (MACAROON, "macaroon")])
def test_the_event(harness: ServiceHarness, algorithm: int, name: str) -> None:
    key, secret = harness.issue()
    derive(harness, secret, algorithm=algorithm, ttl_ns=HOUR_NS)
    assert harness.events.logged() == AuditEvent(
        EventName.DERIVED_TOKEN,
        NIL_NETWORK,
        {"APIKeyID": key.key_id, "metadata.algorithm": name, "metadata.ttl": "1h0m0s"},
    )


# Lifetimes


@pytest.mark.parametrize(
    ("parent_ns", "ttl_ns", "default_ns", "life_ns"),
    [
        (2 * HOUR_NS, None, HOUR_NS, HOUR_NS),
        (HOUR_NS, None, HOUR_NS, HOUR_NS),
        (60 * S, None, HOUR_NS, 60 * S),
        (60 * S, 60 * S, HOUR_NS, 60 * S),
        (1, None, HOUR_NS, 1),
        (None, None, HOUR_NS, HOUR_NS),
        (None, 2 * HOUR_NS, HOUR_NS, 2 * HOUR_NS),
    ],
)
def test_a_default_lifetime_ends_with_the_parent(
    harness: ServiceHarness,
    parent_ns: int | None,
    ttl_ns: int | None,
    default_ns: int,
    life_ns: int,
) -> None:
    key, secret = harness.issue()
    expires_at_ns = None if parent_ns is None else START_NS + parent_ns
    harness.keys.put(replace(key, expires_at_ns=expires_at_ns))
    made = derive(harness, secret, by=tenant(token_ttl_ns=default_ns), ttl_ns=ttl_ns)
    assert made.expires_at_ns == START_NS + life_ns


def test_an_explicit_lifetime_beyond_the_parent_is_refused(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, ttl_ns=60 * S))
    with pytest.raises(InvalidRequest, match=r"1m1s.*1m0s"):
        derive(harness, secret, ttl_ns=61 * S)


# Which refusal comes first


def revoked(harness: ServiceHarness) -> None:
    _change(harness, status=KeyStatus.REVOKED)


def gone(harness: ServiceHarness) -> None:
    harness.keys.rows.clear()


def elsewhere(harness: ServiceHarness) -> None:
    _change(harness, allowed_cidrs=("10.0.0.0/8",))


def expired(harness: ServiceHarness) -> None:
    _change(harness, expires_at_ns=START_NS - 1)


def expiring(harness: ServiceHarness) -> None:
    _change(harness, expires_at_ns=START_NS)


def intact(harness: ServiceHarness) -> None:
    pass


def _change(harness: ServiceHarness, **changes: object) -> None:
    (key,) = harness.keys.rows.values()
    harness.keys.put(replace(key, **changes))  # type: ignore[arg-type]


HUGE = {"custom": "x" * 8_192}


@pytest.mark.parametrize(
    ("state", "by", "fields", "error", "words"),
    [
        (revoked, TENANT, {"algorithm": 9}, InvalidRequest, "algorithm"),
        (revoked, TENANT, {"ttl_ns": 0}, InvalidRequest, "ttl"),
        (revoked, tenant(max_ttl_ns=HOUR_NS), {"ttl_ns": HOUR_NS + 1}, InvalidRequest, "maximum"),
        (revoked, tenant(max_ttl_ns=HOUR_NS - 1), {}, InvalidRequest, "maximum"),
        (revoked, tenant(token_ttl_ns=0), {}, InvalidRequest, "ttl"),
        (revoked, NO_SIGNER, {"scopes": ("x",)}, Forbidden, "key is revoked"),
        (gone, NO_SIGNER, {"scopes": ("x",)}, Unauthorized, "verify API key"),
        (elsewhere, NO_SIGNER, {"scopes": ("x",)}, Unauthorized, "verify API key"),
        (expired, NO_SIGNER, {"scopes": ("x",)}, Unauthorized, "verify API key"),
        (expiring, NO_SIGNER, {"scopes": ("x",)}, FailedPrecondition, "expired"),
        (intact, NO_SIGNER, {"scopes": ("x",), "ttl_ns": 31 * 24 * HOUR_NS}, InvalidRequest, "ttl"),
        (intact, NO_SIGNER, {"scopes": ("x",)}, InternalError, "get signing key"),
        (
            intact,
            tenant(signing_key_id="absent"),
            {"scopes": ("x",)},
            InternalError,
            "get signing key",
        ),
        (intact, TENANT, {"scopes": ("read", "x"), "custom_claims": HUGE}, Forbidden, '"x"'),
        (intact, TENANT, {"scopes": ("rea",), "custom_claims": HUGE}, Forbidden, '"rea"'),
        (intact, TENANT, {"custom_claims": HUGE}, InvalidRequest, "8192"),
        (intact, NO_SIGNER, {"algorithm": 2, "scopes": ("x",)}, Forbidden, '"x"'),
        (intact, NO_SIGNER, {"algorithm": 2, "custom_claims": HUGE}, InvalidRequest, "8192"),
    ],
)
def test_the_order_of_checks(
    harness: ServiceHarness,
    state: object,
    by: Tenant,
    fields: dict[str, Any],
    error: type[TalosError],
    words: str,
) -> None:
    _, secret = harness.issue()
    state(harness)  # type: ignore[operator]
    with pytest.raises(error, match=words) as caught:
        derive(harness, secret, by=by, **fields)
    assert type(caught.value) is error
    told = [EventName.VERIFICATION_FAILED] if words in ("key is revoked", "verify API key") else []
    assert harness.events.names == told


@pytest.mark.parametrize("credential", ["", "k" * 8_193])
def test_the_credential_is_bounded(harness: ServiceHarness, credential: str) -> None:
    with pytest.raises(InvalidRequest, match="credential"):
        derive(harness, credential)


def test_a_wildcard_is_only_a_string(harness: ServiceHarness) -> None:
    _, secret = harness.issue(replace(DRAFT, scopes=("*", "read:*")))
    with pytest.raises(Forbidden):
        derive(harness, secret, scopes=("read:all",))
    assert derive(harness, secret, scopes=("read:*",)).scopes == ("read:*",)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tokens_mint_no_successors(harness: ServiceHarness, algorithm: int) -> None:
    _, secret = harness.issue()
    token = derive(harness, secret, algorithm=algorithm).token
    harness.events.clear()
    with pytest.raises(InvalidRequest, match="derived token"):
        derive(harness, token)
    assert harness.events.events == []
    harness.clock.advance(s=3_601)
    with pytest.raises(Unauthorized):
        derive(harness, token)
    assert harness.events.names == [EventName.VERIFICATION_FAILED]


def test_a_token_bound_to_an_audience_is_refused_as_a_parent_all_the_same(
    harness: ServiceHarness,
) -> None:
    _, secret = harness.issue()
    token = derive(harness, secret, audiences=("shop",)).token
    with pytest.raises(InvalidRequest, match="derived token"):
        derive(harness, token)


@pytest.mark.parametrize("trouble", [ServiceUnavailable(), GatewayTimeout(), InternalError("x")])
def test_an_outage_is_an_outage(harness: ServiceHarness, trouble: TalosError) -> None:
    _, secret = harness.issue()
    harness.keys.trouble = trouble
    with pytest.raises(type(trouble)):
        derive(harness, secret)
    assert harness.events.events == []


def test_a_list_that_cannot_be_read_is_a_server_fault(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    _change(harness, allowed_cidrs=("nonsense",))
    with pytest.raises(InternalError):
        derive(harness, secret)


def test_metadata_that_cannot_be_read_is_a_server_fault(harness: ServiceHarness) -> None:
    _, secret = harness.issue()
    _change(harness, metadata=Metadata("not json"))
    with pytest.raises(InternalError):
        derive(harness, secret)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_claims_that_json_cannot_say_are_refused(harness: ServiceHarness, algorithm: int) -> None:
    _, secret = harness.issue()
    with pytest.raises(InvalidRequest):
        derive(harness, secret, algorithm=algorithm, custom_claims={"x": float("inf")})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_largest_token_is_one_that_verifies(harness: ServiceHarness, algorithm: int) -> None:
    _, secret = harness.issue()

    def padded(size: int) -> DerivedToken:
        return derive(harness, secret, algorithm=algorithm, custom_claims={"x": "x" * size})

    low, high = 0, 8_192
    while high - low > 1:
        middle = (low + high) // 2
        try:
            padded(middle)
        except InvalidRequest:
            high = middle
        else:
            low = middle
    token = padded(low).token
    # Base64 grows by four characters for three bytes.
    assert 8_190 <= len(token) <= 8_192
    assert harness.verdict(token) is None
