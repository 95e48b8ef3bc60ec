"""The verify resource of our Falcon application, called as a WSGI server would call it.

There is no socket and no HTTP parser: this is what the application itself costs.
"""

import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import falcon
import pytest

from bench.core.conftest import Measure
from bench.servers import wire
from bench.servers.talos import configuration, fresh_sqlite
from talos.serving.wsgi import admin

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

CASE = "verify through WSGI"
TWIN = "tests/http/test_verify.py"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[WSGIApplication]":
    """The admin application on a SQLite database."""
    folder = tmp_path_factory.mktemp("wsgi")
    path = configuration(folder, fresh_sqlite(folder), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALOS_CONFIG", str(path))
        yield admin()


class _Constant:
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        req.bounded_stream.read()
        resp.data = b'{"is_valid":true}'


def test_ours(measure: Measure, ours: "WSGIApplication") -> None:
    """Verify an issued key that has been verified before."""
    issued = json.loads(_call(ours, f"{wire.ADMIN}/issuedApiKeys", {**wire.TYPICAL_KEY}))
    body = {"credential": issued["secret"]}
    assert json.loads(measure(_call, ours, wire.VERIFY, body))["is_valid"] is True


def test_constant(measure: Measure) -> None:
    """A Falcon resource with a constant answer."""
    app = falcon.App()
    app.add_route(wire.VERIFY, _Constant())
    body = {"credential": "any"}
    assert json.loads(measure(_call, app, wire.VERIFY, body))["is_valid"] is True


def _call(app: "WSGIApplication", path: str, body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "RAW_URI": path,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(data)),
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(data),
    }
    setup_testing_defaults(environ)
    return b"".join(app(environ, _start_response))


def _start_response(status: str, headers: object, fault: object = None) -> Any:
    assert status.startswith("2"), status
