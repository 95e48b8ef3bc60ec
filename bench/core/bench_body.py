"""Taking the credential out of a request's body."""

import json

import msgspec

from bench.core.conftest import Measure
from bench.servers.wire import verify_request
from talos import _core

CASE = "credential of a body"
TWIN = "tests/core/test_recogniser.py"


class _Body(msgspec.Struct):
    credential: str


def test_ours(measure: Measure, issued_key: str) -> None:
    """The strict matcher."""
    assert measure(_core.match_verify, verify_request(issued_key).body) == issued_key.encode()


def test_msgspec(measure: Measure, issued_key: str) -> None:
    """msgspec, into a struct."""
    decoder = msgspec.json.Decoder(_Body)
    decoded = measure(decoder.decode, verify_request(issued_key).body)
    assert decoded.credential == issued_key


def test_json(measure: Measure, issued_key: str) -> None:
    """json.loads."""
    decoded = measure(json.loads, verify_request(issued_key).body)
    assert decoded == {"credential": issued_key}
