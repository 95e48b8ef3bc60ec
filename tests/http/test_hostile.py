"""Whatever the bytes: never a 5xx, always the envelope, never a partial write."""

from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from talos.domain.proxies import TrustedProxies
from talos.http.operation import Operation
from talos.http.operations import OPERATIONS
from tests.http.surface import ISSUED, PEER, Surface, assert_envelope
from tests.support.hostile_bodies import GREAT_BODIES, NASTY_TEXT, bodies, text_of

WRITES = [op for op in OPERATIONS if op.request is not None]
OTHERS = [op for op in OPERATIONS if op.request is None]


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
