"""A site of two tiny applications on the real master, worker and listeners: a program to run.

``python -m tests.e2e.plain_site PORT METRICS_PORT WORKERS THREADS [quick|unhurried|broken]``;
with ``quick`` clients get a second where they would get several, with ``unhurried`` ten minutes,
with ``broken`` no worker can start.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from talos.adapters.observability import logs
from talos.http.served import MAIN, METRICS, ServedApplication
from talos.serving.http.connection import Timeouts
from talos.serving.process.application import Server
from talos.serving.process.listeners import Address, open_listeners
from talos.serving.process.options import Options, main_listener, metrics_listener
from talos.serving.process.worker import TalosWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY_LIMIT = 4 * 1024 * 1024
BIG_BYTES = 64 * 1024 * 1024


class QuickWorker(TalosWorker):
    grace_s = 1


QUICK = Timeouts(head_s=1, read_s=1.5, write_s=1, idle_s=1, linger_s=0.5)
UNHURRIED = Timeouts(head_s=600, read_s=600, write_s=600, idle_s=600, linger_s=600)


def main_application(
    environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    path, body = environ["PATH_INFO"], environ["wsgi.input"].read()
    answer = f"{os.getpid()} {environ['REQUEST_METHOD']} {path} {len(body)}".encode()
    if path == "/hold":
        # Blocks until the test opens the other end of the pipe.
        Path(environ["QUERY_STRING"]).read_bytes()
    elif path == "/big":
        answer = b"x" * BIG_BYTES
    elif path == "/fail":
        raise RuntimeError("as asked")
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


def metrics_application(
    environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"probe"]


class Site:
    applications: Mapping[str, ServedApplication] = {
        MAIN: ServedApplication(main_application, lambda _environ: BODY_LIMIT),
        METRICS: ServedApplication(metrics_application),
    }
    fast_path = None
    configuration_revision = None

    def configure_fast_path(self) -> None:
        """Nothing is answered from memory."""

    def close(self) -> None:
        print("site closed", flush=True)


def no_site() -> Site:
    raise RuntimeError("there is no site")


def main(port: str, metrics_port: str, workers: str, threads: str, how: str = "") -> int:
    logs.configure("info", "json")
    listeners = open_listeners(
        (
            Address("HTTP", "127.0.0.1", int(port)),
            Address("Metrics", "127.0.0.1", int(metrics_port)),
        )
    )
    options = Options(
        workers=int(workers),
        listeners=(main_listener("HTTP", int(threads)), metrics_listener("Metrics")),
        close_timeout_s=5,
        worker_class=QuickWorker if how == "quick" else TalosWorker,
        timeouts={"quick": QUICK, "unhurried": UNHURRIED}.get(how, Timeouts()),
    )
    code = Server(listeners, options, no_site if how == "broken" else Site).serve()
    print("server ended", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
