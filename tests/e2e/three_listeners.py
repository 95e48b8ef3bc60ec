"""A site of three applications, a listener for each: a program to run.

``python -m tests.e2e.three_listeners PORT METRICS_PORT PATH WORKER_CLASS``; the third listens
on the Unix socket at ``PATH``.
"""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from talos.adapters.observability import logs
from talos.http.served import ServedApplication
from talos.serving.process.application import WORKER_CLASSES, Server
from talos.serving.process.listeners import Address, open_listeners
from talos.serving.process.options import (
    ListenerOptions,
    Options,
    main_listener,
    metrics_listener,
)
from tests.e2e.plain_site import BODY_LIMIT, Site

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def third_application(
    _environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"third"]


class ThreeSite(Site):
    applications = Site.applications | {  # type: ignore[operator]
        "third": ServedApplication(third_application, lambda _environ: BODY_LIMIT)
    }


def main(port: str, metrics_port: str, path: str, worker_class: str) -> int:
    logs.configure("info", "json")
    listeners = open_listeners(
        (
            Address("HTTP", "127.0.0.1", int(port)),
            Address("Metrics", "127.0.0.1", int(metrics_port)),
            Address("Third", f"unix:{path}", 0),
        )
    )
    options = Options(
        workers=1,
        listeners=(
            main_listener("HTTP", 2),
            metrics_listener("Metrics"),
            ListenerOptions("Third", "third", threads=1, capacity=16),
        ),
        close_timeout_s=5,
        worker_class=WORKER_CLASSES[worker_class],
    )
    return Server(listeners, options, ThreeSite).serve()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
