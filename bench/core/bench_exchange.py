"""What surrounds an application: a whole request in, a whole answer out, no socket."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import create

from bench.core.conftest import Measure
from bench.servers.wire import verify_request
from talos.http.middleware.security_headers import SECURITY_HEADERS
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.exchange import exchange
from talos.serving.http.framing import examine, head_end

if TYPE_CHECKING:
    import socket

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CASE = "around an application"
TWIN = "tests/unit/serving/test_wsgi_response.py"

ENDS = Endpoints(peer=("127.0.0.1", 50000), server=("127.0.0.1", 4420))
BODY = b'{"is_valid":true}'


@pytest.fixture
def data(issued_key: str) -> bytes:
    """What comes over the wire."""
    return verify_request(issued_key).encode("127.0.0.1:4420")


def test_ours(measure: Measure, data: bytes) -> None:
    """Strict framing, llhttp, and an answer written in one piece."""
    assert measure(_ours, data).endswith(BODY)


def test_gunicorn(measure: Measure, data: bytes) -> None:
    """gunicorn's parser in Python and its Response, as its workers use them."""
    config = Config()
    config.set("http_parser", "python")
    assert measure(_gunicorn, config, data).endswith(BODY)


def _application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    environ["wsgi.input"].read()
    length = ("Content-Length", str(len(BODY)))
    start_response("200 OK", [*SECURITY_HEADERS, ("Content-Type", "application/json"), length])
    return [BODY]


def _ours(data: bytes) -> bytes:
    end = head_end(bytearray(data), 0)
    examine(data[:end])
    reply = exchange(_application, data[:end], data[end:], ENDS, must_close=lambda: False)
    return reply.data


def _gunicorn(config: Config, data: bytes) -> bytes:
    sent = bytearray()
    sink = cast("socket.socket", SimpleNamespace(sendall=sent.extend))
    request = Request(config, IterUnreader([data]), ENDS.peer)
    response, environ = create(request, sink, ENDS.peer, ENDS.server, config)
    for chunk in _application(environ, response.start_response):
        response.write(chunk)
    response.close()
    return bytes(sent)
