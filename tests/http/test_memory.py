"""What a request took is free when it has been answered, without the garbage collector."""

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from falcon import testing

from talos.domain.hosts import AllowedHosts
from talos.http.request import Request
from tests.http.surface import API_KEYS, IMPORTED, ISSUED, SELF_REVOKE, Surface

VERIFY = f"{API_KEYS}:verify"
HOST = "keys.example.com"
KEY = {"name": "a", "actor_id": "b"}
BATCH = f"{IMPORTED}:batchCreate"


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def requests_in_memory() -> int:
    # Not ``isinstance``, which asks objects for their class: somebody's lazy ones do work then.
    return sum(issubclass(type(item), Request) for item in gc.get_objects())


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "status"),
    [
        ("POST", ISSUED, KEY, {}, 201),
        ("POST", VERIFY, {"credential": "unknown"}, {}, 200),
        ("POST", VERIFY, "{", {}, 400),
        ("POST", VERIFY, "[]", {}, 400),
        ("POST", VERIFY, {"nothing": 1}, {}, 400),
        ("POST", VERIFY, b"\xff", {}, 400),
        ("POST", VERIFY, "x" * 200_000, {}, 400),
        ("POST", BATCH, '{"requests":[' + "{}," * 300_000 + "{}]}", {}, 400),
        ("POST", BATCH, json.dumps([[]] * 600), {}, 400),
        ("POST", IMPORTED, {"raw_key": "sk_there", **KEY}, {}, 409),
        ("POST", SELF_REVOKE, {"credential": "unknown"}, {}, 404),
        ("GET", f"{ISSUED}/nobody", None, {}, 404),
        ("GET", f"{ISSUED}?page_token=broken", None, {}, 400),
        ("GET", f"{ISSUED}?filter=((", None, {}, 400),
        ("GET", "/nowhere", None, {}, 404),
        ("DELETE", VERIFY, None, {}, 404),
        ("GET", "//version", None, {}, 307),
        ("POST", VERIFY, {"credential": "x"}, {"Origin": "https://elsewhere.example"}, 403),
        ("GET", "/version", None, {"Host": "elsewhere.example"}, 421),
    ],
)
def test_no_request_refers_to_itself(
    surface: Surface, method: str, target: str, body: Any, headers: dict[str, str], status: int
) -> None:
    surface.import_key("sk_there")
    surface.configuration.change(allowed_hosts=AllowedHosts([HOST]))
    before = requests_in_memory()
    result = surface.send(method, target, body, {"Host": HOST, **headers})
    assert result.status_code == status, result.text
    assert requests_in_memory() == before


def test_asking_for_the_limit_of_a_body_leaves_nothing(surface: Surface) -> None:
    environ = testing.create_environ(method="POST", path=ISSUED)
    surface.app.body_limit(dict(environ))
    gc.collect()
    surface.app.body_limit(dict(environ))
    assert gc.collect() == 0
