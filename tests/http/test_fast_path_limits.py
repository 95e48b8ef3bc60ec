"""Limited and imported keys are answered for from memory as the application answers for them."""

import hmac
import json
import re
import time
from typing import Any

import pytest

from talos import _core
from talos.credentials.imported import imported_key_id
from talos.domain.keys import KeyKind, KeyRef
from tests.http.shared_memory import HotSurface, Limits, asking
from tests.support.verify_requests import BATCH_START, request

S = 1_000_000_000
CHANGING = re.compile(rb"\r\n(Date|X-Request-Id): [^\r]*")
HOSTILE = {
    ',"visibility":"': ',"visibility":"',
    "rate_limit_policy": {"quota": "1", "window": "1s", "unit": "requests"},
    'a","visibility":"x': ',"rate_limit_policy":{"quota":"',
    "is_valid": True,
}
MEMBERS: tuple[dict[str, Any], ...] = (
    {},
    {"metadata": HOSTILE},
    {"metadata": {"rate_limit_policy": {"quota": "1"}}, "scopes": [',"visibility":"', "read"]},
    {"actor_id": ',"rate_limit_policy":{"quota":"9","visibility":"', "ttl": "1h"},
)


def key(surface: HotSurface, *, imported: bool, **members: Any) -> str:
    """Make a key; its credential."""
    if imported:
        raw_key = "sk-test.an imported/key+1="
        surface.import_key(raw_key, **members)
        return raw_key
    secret: str = surface.issue(**members)["secret"]
    return secret


def agree(surface: HotSurface, credential: str) -> bytes:
    """Ask both for the credential; the answer of both, Date and id taken out."""
    fast = surface.by_fast_path(asking(credential))
    assert fast is not None
    answer = CHANGING.sub(rb"\r\n\1:", fast)
    assert answer == CHANGING.sub(rb"\r\n\1:", surface.by_application(asking(credential)))
    return answer


def published(surface: HotSurface, credential: str) -> None:
    """Have the application publish the key: a call that both limits count."""
    surface.by_application(asking(credential))
    assert surface.warm_limits is None or surface.fast_path_limits is not None
    surface.by_fast_path(asking(credential))


@pytest.mark.parametrize("imported", [False, True], ids=["issued", "imported"])
@pytest.mark.parametrize("members", MEMBERS, ids=range(len(MEMBERS)))
@pytest.mark.parametrize(("quota", "window_s"), [(1, 1), (3, 60), (4, 7), (1000, 3600)])
def test_every_call_is_told_of_alike(
    imported: bool, members: dict[str, Any], quota: int, window_s: int
) -> None:
    surface = HotSurface()
    policy = {"quota": str(quota), "window": f"{window_s}s"}
    credential = key(surface, imported=imported, rate_limit_policy=policy, **members)
    published(surface, credential)
    refused = 0
    for step_ns in (0, 0, 1, 999, 0, 10**6, 0, 0, S, 0, 7 * S + 120, 0, 59 * S, 0, 0, 0, 61 * S):
        surface.advance(step_ns)
        refused += b"RATE_LIMITED" in agree(surface, credential)
    assert refused > 0 or quota == 1000


@pytest.mark.parametrize("imported", [False, True], ids=["issued", "imported"])
def test_calls_count_whichever_way_they_are_answered(imported: bool) -> None:
    surface = HotSurface(together=True)
    policy = {"quota": "10", "window": "60s"}
    credential = key(surface, imported=imported, rate_limit_policy=policy)
    told = []
    for turn in range(14):
        by_fast_path = surface.by_fast_path(asking(credential)) if turn % 3 else None
        answer = by_fast_path or surface.by_application(asking(credential))
        told.append(json.loads(answer.partition(b"\r\n\r\n")[2]))
    assert [answer["is_valid"] for answer in told] == [True] * 10 + [False] * 4
    remaining = [int(answer["rate_limit_remaining"]) for answer in told]
    assert remaining == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0]


def test_a_refusal_spends_nothing_and_ends() -> None:
    surface = HotSurface()
    credential = key(surface, imported=False, rate_limit_policy={"quota": "2", "window": "60s"})
    published(surface, credential)
    assert b'"rate_limit_remaining":"0"' in agree(surface, credential)
    for _ in range(20):
        answer = agree(surface, credential)
        assert b"\r\nRetry-After: 60\r\n" in answer
        assert b'{"is_valid":false,' in answer
    surface.advance(30 * S)
    assert b'{"is_valid":true,' in agree(surface, credential)


@pytest.mark.parametrize("imported", [False, True], ids=["issued", "imported"])
@pytest.mark.parametrize("counted", [False, True])
def test_limits_that_are_not_enforced_are_shown(imported: bool, counted: bool) -> None:
    surface = HotSurface(counted=counted)
    surface.configure(rate_limit_enabled=not counted)
    credential = key(surface, imported=imported, rate_limit_policy={"quota": "1", "window": "60s"})
    published(surface, credential)
    for _ in range(3):
        answer = agree(surface, credential)
        assert b'Ratelimit-Policy: "default";q=1;w=60\r\n' in answer
        assert (b"Cache-Control: no-store" in answer) is counted
        assert b"rate_limit_remaining" not in answer


def test_limits_are_switched_on_and_off_while_the_server_runs() -> None:
    surface = HotSurface()
    credential = key(surface, imported=False, rate_limit_policy={"quota": "1", "window": "60s"})
    published(surface, credential)
    for enabled in (True, False, True):
        surface.configure(rate_limit_enabled=enabled)
        assert (b"RATE_LIMITED" in agree(surface, credential)) is enabled


def test_calls_that_find_no_room_to_be_counted_pass() -> None:
    surface = HotSurface()
    credential = key(surface, imported=False, rate_limit_policy={"quota": "1", "window": "60s"})
    published(surface, credential)
    surface.advance(60 * S)
    for limits in (surface.warm_limits, surface.fast_path_limits):
        assert isinstance(limits, Limits)
        others = 0
        while limits.table.admit("a network", f"another {others}", 1, 60) is not None or (
            others < 2 * limits.table.capacity
        ):
            others += 1
    for _ in range(2):
        assert b"rate_limit_remaining" not in agree(surface, credential)


@pytest.mark.parametrize(
    "raw_key",
    [
        "sk_live_51Hx",
        "sk-proj-a.b.c",
        "eyJhbGciOiJIUzI1NiJ9.e30",
        "AKIA/x+y==",
        " leading and trailing ",
        "mc_v2_x",
        "ory_ak_v1_abc",
        "[{",
        "x" * 8192,
    ],
)
def test_imported_keys_of_every_look_are_answered_for(raw_key: str) -> None:
    surface = HotSurface()
    surface.import_key(raw_key)
    assert surface.by_fast_path(asking(raw_key)) is None
    published(surface, raw_key)
    assert b'"is_valid":true' in agree(surface, raw_key)
    for other in (raw_key + "x", raw_key[:-1], raw_key.upper() + "1", " " + raw_key):
        assert surface.by_fast_path(asking(other)) is None


@pytest.mark.parametrize("raw_key", ["caf\u00e9", 'quo"ted', "back\\slash", "tab\t"])
def test_imported_keys_that_need_an_escape_are_left_to_the_application(raw_key: str) -> None:
    surface = HotSurface()
    surface.import_key(raw_key)
    published(surface, raw_key)
    assert surface.by_fast_path(asking(raw_key)) is None
    assert b"Ory-Talos-Cache: HIT" in surface.by_application(asking(raw_key))


@pytest.mark.parametrize("raw_key", ["mc_v1_abc", "mc_v1_", "eyJh.e30.abc", "eyJ-.-._"])
def test_what_looks_like_a_derived_token_is_never_an_imported_key(raw_key: str) -> None:
    surface = HotSurface()
    surface.import_key("sk_one")
    published(surface, "sk_one")
    tenant = surface.configuration.tenant
    kind, generation = KeyKind.IMPORTED, tenant.credentials.generation
    known = imported_key_id(tenant.network_id, "sk_one")
    answer = surface.cache.get(
        KeyRef(tenant.network_id, kind, known),
        generation=generation,
        max_age_ns=tenant.cache_ttl_ns,
    )
    assert answer is not None
    # No application publishes that; if it were there, it would not be looked for.
    for text in (raw_key, "mc_v2_abc"):
        key_id = imported_key_id(tenant.network_id, text)
        lease = surface.cache.lease(KeyRef(tenant.network_id, kind, key_id))
        lease.publish(
            answer,
            generation=generation,
            published_at_ns=time.time_ns(),
            expires_at_ns=2**62,
        )
    assert surface.by_fast_path(asking("mc_v2_abc")) is not None
    assert surface.by_fast_path(asking(raw_key)) is None


@pytest.mark.parametrize(
    "claim",
    [
        "{time}:{upper}",
        "{time}:{bare}",
        "{time}:{{{id}}}",
        "{time}:urn:uuid:{id}",
        "+{time}:{id}",
        "000{time}:{id}",
        "-{time}:{id}",
        "0:{id}",
        "{time}:{id}:",
        "{time}: {id}",
        "{time}9999999999:{id}",
        ":{id}",
        "{time}:URN:UUID:{id}",
    ],
)
def test_other_spellings_of_a_claim_are_read_as_the_application_reads_them(claim: str) -> None:
    surface = HotSurface()
    issued = surface.issue()
    key_id = issued["issued_api_key"]["key_id"]
    published(surface, issued["secret"])
    made_s = surface.harness.clock.now_ns() // S
    text = claim.format(time=made_s, id=key_id, upper=key_id.upper(), bare=key_id.replace("-", ""))
    settings = surface.configuration.tenant.credentials
    signed = f"{settings.prefix}_v1_{_core.base58_encode(text.encode())}_"
    secret = settings.hmac.current.reveal()
    digest = hmac.digest(secret, signed.encode(), "sha256")
    for checksum in (digest, digest[::-1], b"\0" + digest, digest[1:]):
        data = asking(signed + _core.base58_encode(checksum))
        fast, by_application = surface.by_fast_path(data), surface.by_application(data)
        assert (fast is not None) is (b'{"is_valid":true' in by_application)
        if fast is not None:
            assert CHANGING.sub(rb"\r\n\1:", fast) == CHANGING.sub(rb"\r\n\1:", by_application)
        if checksum is not digest:
            assert fast is None


def test_a_deleted_imported_key_is_not_answered_for() -> None:
    surface = HotSurface()
    key_id = surface.import_key("sk_one")["key_id"]
    published(surface, "sk_one")
    assert surface.by_fast_path(asking("sk_one")) is not None
    surface.cache.evict(KeyRef(surface.configuration.tenant.network_id, KeyKind.IMPORTED, key_id))
    assert surface.by_fast_path(asking("sk_one")) is None


def test_a_key_with_an_address_list_is_left_to_the_application() -> None:
    surface = HotSurface()
    credential = key(
        surface,
        imported=False,
        rate_limit_policy={"quota": "9", "window": "60s"},
        ip_restriction={"allowed_cidrs": ["192.0.2.0/24"]},
    )
    published(surface, credential)
    assert surface.by_fast_path(asking(credential)) is None


def test_a_batch_of_imported_and_issued_keys_is_answered_alike() -> None:
    surface = HotSurface()
    credentials = [key(surface, imported=kind, **MEMBERS[1]) for kind in (False, True)]
    for credential in credentials:
        published(surface, credential)
    items = [{"credential": credential} for credential in (*credentials, *credentials)]
    data = request(start=BATCH_START, body=json.dumps({"requests": items}).encode())
    fast = surface.by_fast_path(data)
    assert fast is not None
    by_application = surface.by_application(data)
    assert CHANGING.sub(rb"\r\n\1:", fast) == CHANGING.sub(rb"\r\n\1:", by_application)


def test_a_batch_with_a_limited_key_is_left_and_counts_nothing() -> None:
    surface = HotSurface()
    limited = key(surface, imported=False, rate_limit_policy={"quota": "3", "window": "60s"})
    plain = key(surface, imported=True)
    for credential in (limited, plain):
        published(surface, credential)
    items = [{"credential": credential} for credential in (plain, limited, plain)]
    data = request(start=BATCH_START, body=json.dumps({"requests": items}).encode())
    for _ in range(5):
        assert surface.by_fast_path(data) is None
    assert b'"rate_limit_remaining":"1"' in agree(surface, limited)
