"""Whatever the bytes: never a 5xx, always the envelope, never a partial write."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from talos.domain.proxies import TrustedProxies
from talos.http.fields import Message, camel_case
from talos.http.operation import Operation
from talos.http.operations import OPERATIONS
from tests.http.surface import ISSUED, PEER, Surface, assert_envelope

WRITES = [op for op in OPERATIONS if op.request is not None]
OTHERS = [op for op in OPERATIONS if op.request is None]
# Text that has broken somebody's parser, database or log before.
NASTY_TEXT = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ufeff",
    "\u202e",
    "\U0010ffff",
    "\ud800",
    "é",
    "e\u0301",
    "x" * 256,
    "😀" * 8193,
    "../../etc/passwd",
    "' OR 1=1 --",
    "%00%ff%s%n",
    "{{7*7}}",
    "10.0.0.1/33",
    "10.0.0.1/-1",
    "fe80::1%eth0/64",
    "[::1]/128",
    "9223372036854775808s",
    "-1s",
    "1e9s",
    "99999999999999999999999999y",
    "KEY_STATUS_ACTIVE",
    "eyJ.a.b",
    "eyJhbGciOiJub25lIn0.e30.AA",
    "mc_v1_",
    "mc_v1_AgEX",
    "ory_ak_v1_" + "1" * 40 + "_" + "1" * 44,
    "ory_ak_v1_" + "z" * 4000 + "_" + "z" * 4000,
]
SCALARS: Any = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(NASTY_TEXT)
    | st.sampled_from([2**31, 2**63, -(2**63) - 1, 2**64, 10**400, -1, 0])
)
VALUES: Any = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


def bodies(message: Message[Any]) -> Any:
    """Objects whose members are those of the message, or nearly so, with any values."""
    names = [member.name for member in message.members]
    spellings = [*names, *map(camel_case, names), *map(str.upper, names)]
    nested = ["requests", "quota", "window", "unit", "allowed_cidrs", "issued_api_key"]
    named = st.dictionaries(st.sampled_from([*spellings, *nested]), VALUES, max_size=6)
    return named | st.dictionaries(st.sampled_from(spellings), VALUES | named | st.lists(named))


def text_of(value: Any, is_ascii: bool) -> bytes:
    """JSON as careless clients write it: NaN, infinities and lone surrogates included."""
    text = json.dumps(value, ensure_ascii=is_ascii)
    return text.encode("utf-8", "surrogatepass")


@cache
def surface_with_keys() -> tuple[Surface, dict[str, str]]:
    """One surface for all examples, and the ids and credentials of keys that are there."""
    surface = Surface()
    issued = surface.issue(scopes=["a"])
    return surface, {
        "issued": issued["issued_api_key"]["key_id"],
        "imported": surface.import_key()["key_id"],
        "secret": issued["secret"],
    }


def check(operation: Operation, body: bytes, key: str = "issued") -> None:
    surface, there = surface_with_keys()
    before = dict(surface.harness.keys.rows)
    path = operation.path.replace("{key_id}", there[key])
    result = surface.send(operation.method.upper(), path, body)
    if result.status_code in (200, 201, 204):
        assert result.status_code == operation.success
        return
    assert result.status_code < 500, result.text
    assert_envelope(result, result.status_code)
    assert surface.harness.keys.rows == before
    assert "Traceback" not in result.text


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.id)
class TestBodies:
    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_of_any_bytes(self, operation: Operation, data: st.DataObject) -> None:
        check(operation, data.draw(st.binary(max_size=60)))

    @settings(max_examples=50, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_of_nearly_the_right_shape(self, operation: Operation, data: st.DataObject) -> None:
        assert operation.request is not None
        body = text_of(data.draw(bodies(operation.request)), data.draw(st.booleans()))
        check(operation, body, data.draw(st.sampled_from(["issued", "imported"])))


GREAT_BODIES = [
    b"[" * 1_000_000,
    b'{"a":' * 1_000_000,
    b"{" + b'"name":"x",' * 100_000 + b'"name":"x"}',
    b'{"' + b"a" * 4_000_000 + b'":1}',
    b'{"name":"' + b"\\u0000" * 600_000 + b'"}',
    b'{"name":"' + b'\\"' * 2_000_000,
    b'{"scopes":[' + b"[]," * 1_000_000 + b"1]}",
    b'{"requests":[' + b"{}," * 1_000_000 + b"{}]}",
    b'{"metadata":{"a":' + b"9" * 4_000_000 + b"}}",
    b'{"metadata":{"a":0.' + b"9" * 4_000_000 + b"}}",
    b'{"rate_limit_policy":{"quota":' + b"9" * 4_000_000 + b',"window":"1s"}}',
    b'{"rate_limit_policy":{"quota":"1e' + b"9" * 4_000_000 + b'","window":"1s"}}',
    b'{"metadata":{' + b",".join(b'"%d":0' % n for n in range(300_000)) + b"}}",
    b'{"ttl":"' + b"1" * 4_000_000 + b's"}',
    b'{"ttl":"' + b"1h" * 2_000_000 + b'"}',
    b'{"credential":"' + b"a" * 4_000_000 + b'"}',
    b'{"credential":"eyJ' + b"." * 4_000_000 + b'"}',
    b'{"x":' * 200 + b"1" + b"}" * 200,
    b"\xff" * 4_000_000,
    b" " * 4_194_304,
    b"x" * 10_000_000,
]
GREAT = [op for op in WRITES if op.id in ("adminIssueApiKey", "adminBatchCreateImportedApiKeys")]


@pytest.mark.parametrize("operation", GREAT, ids=lambda operation: operation.id)
@pytest.mark.parametrize("body", GREAT_BODIES, ids=lambda body: repr(bytes(body[:14]))[2:-1])
def test_bodies_of_great_size(operation: Operation, body: bytes) -> None:
    check(operation, body)


@pytest.mark.parametrize("operation", OTHERS, ids=lambda operation: operation.id)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=60), query=st.text(st.characters(max_codepoint=255), max_size=30))
def test_operations_without_a_body_read_none(operation: Operation, body: bytes, query: str) -> None:
    surface, there = surface_with_keys()
    path = operation.path.replace("{key_id}", there["issued"])
    result = surface.send(operation.method.upper(), f"{path}?{query}", body)
    assert result.status_code < 500
    if result.status_code >= 400:
        assert_envelope(result, result.status_code)


KEY_IDS = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30
) | st.sampled_from([text for text in NASTY_TEXT if text and "\ud800" not in text])


@settings(max_examples=100)
@given(KEY_IDS, st.sampled_from([op for op in OPERATIONS if "{key_id}" in op.path]))
def test_any_key_id_is_looked_up_or_led_elsewhere(key_id: str, operation: Operation) -> None:
    surface, _ = surface_with_keys()
    escaped = "".join(f"%{byte:02X}" for byte in key_id.encode())
    result = surface.send(operation.method.upper(), operation.path.replace("{key_id}", escaped))
    assert result.status_code in (307, 400, 404)
    if result.status_code != 307:
        assert_envelope(result, result.status_code)


HEADERS = [
    "Host",
    "X-Forwarded-Host",
    "X-Request-ID",
    "Cache-Control",
    "Pragma",
    "Origin",
    "X-Forwarded-For",
    "X-Real-Ip",
    "Cf-Connecting-Ip",
    "Content-Type",
    "Cookie",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
]


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(HEADERS),
        st.text(st.characters(max_codepoint=255), max_size=40),
    ),
    st.sampled_from(["GET", "POST", "OPTIONS"]),
    st.sampled_from(["X_FORWARDED_FOR", "X_REAL_IP", "CF_CONNECTING_IP", "TRUE_CLIENT_IP"]),
    st.sampled_from([(), (PEER, "::/0"), ("unix:",)]),
)
def test_any_headers_are_borne(
    headers: dict[str, str], method: str, source: str, proxies: tuple[str, ...]
) -> None:
    surface = Surface()
    surface.configuration.change(
        cors_enabled=True,
        cors_allowed_origins=("https://*.example.com",),
        cors_allowed_headers=("*",),
        cors_allowed_methods=("GET", "POST"),
        client_ip_source=f"CLIENT_IP_SOURCE_{source}",
        trust_forwarded_host=True,
        trusted_proxies=TrustedProxies(proxies),
    )
    secret = surface.issue(ip_restriction={"allowed_cidrs": ["10.0.0.0/8"]})["secret"]
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    result = surface.send(
        method, "/v2alpha1/admin/apiKeys:verify", {"credential": secret}, **environ
    )
    assert result.status_code in (200, 204, 403, 404)
    for value in result.headers.values():
        assert not set(value) & {"\r", "\n", "\0"}


def test_a_hundred_thousand_headers(surface: Surface) -> None:
    environ = {f"HTTP_X_{number}": "v" for number in range(100_000)}
    assert surface.send("GET", ISSUED, **environ).status_code == 200


def test_a_deep_stack_above_does_not_make_a_deep_body_fail(surface: Surface) -> None:
    body = b'{"name":"n","actor_id":"a","metadata":' + b'{"a":' * 254 + b"{}" + b"}" * 255

    def call(frames: int) -> Any:
        return call(frames - 1) if frames else surface.send("POST", ISSUED, body)

    assert call(300).status_code == 201
