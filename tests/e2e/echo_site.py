"""A site that tells what it was asked, under any server: a program to run, or an application.

``python -m tests.e2e.echo_site PORT METRICS_PORT`` serves it on our worker;
``gunicorn tests.e2e.echo_site:application`` on a stock one.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from talos.adapters.observability import logs
from talos.http.served import MAIN, METRICS, ServedApplication
from talos.serving.process.application import Server
from talos.serving.process.listeners import Address, open_listeners
from talos.serving.process.options import Options, main_listener, metrics_listener
from talos.serving.process.worker import TalosWorker
from tests.e2e.plain_site import BODY_LIMIT, Site, metrics_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TOLD = (
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "SERVER_PROTOCOL",
    "CONTENT_TYPE",
    "wsgi.url_scheme",
)
"""And the headers, but for what framed the body: here it has a length and no coding any more,
whatever it had on the wire; under a stock gunicorn it keeps its coding.
"""


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    told = {name: environ.get(name) for name in TOLD}
    headers = sorted(name for name in environ if name.startswith("HTTP_"))
    told |= {name: environ[name] for name in headers if name != "HTTP_TRANSFER_ENCODING"}
    told["body"] = environ["wsgi.input"].read().decode("latin-1")
    answer = json.dumps(told).encode()
    if environ["REQUEST_METHOD"] == "HEAD":
        # So that whoever reads the answers sees without context that none has a body.
        start_response("200 OK", [("X-Told", answer.decode())])
        return []
    start_response("200 OK", [("X-One", "1"), ("Content-Length", str(len(answer)))])
    return [answer]


class EchoSite(Site):
    applications: Mapping[str, ServedApplication] = {
        MAIN: ServedApplication(application, lambda _environ: BODY_LIMIT),
        METRICS: ServedApplication(metrics_application),
    }


def main(port: str, metrics_port: str) -> int:
    logs.configure("info", "json")
    listeners = open_listeners(
        (
            Address("HTTP", "127.0.0.1", int(port)),
            Address("Metrics", "127.0.0.1", int(metrics_port)),
        )
    )
    options = Options(
        workers=1,
        listeners=(main_listener("HTTP", 2), metrics_listener("Metrics")),
        worker_class=TalosWorker,
        close_timeout_s=5,
    )
    return Server(listeners, options, EchoSite).serve()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
