"""Reading an HTTP request to verify, whole in one piece."""

import pytest

from bench.core.conftest import Measure
from bench.servers.wire import verify_request
from talos import _core

CASE = "reading a request"
TWIN = "tests/core/test_recogniser.py"


@pytest.fixture
def data(issued_key: str) -> bytes:
    """What comes over the wire."""
    return verify_request(issued_key).encode("127.0.0.1:4420")


def test_ours(measure: Measure, data: bytes) -> None:
    """The recogniser."""
    assert measure(_core.recognise_verify, data) is not None


def test_httptools(measure: Measure, data: bytes) -> None:
    """httptools, callbacks in Python."""
    httptools = pytest.importorskip("httptools")
    message = _Message()
    assert measure(_parse, httptools.HttpRequestParser, message, data) == b"127.0.0.1:4420"


class _Message:
    """Keeps what a server has to know."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def on_body(self, body: bytes) -> None:
        self.body = body


def _parse(parser: type, message: _Message, data: bytes) -> bytes:
    parser(message).feed_data(data)
    return message.headers[b"Host"]
