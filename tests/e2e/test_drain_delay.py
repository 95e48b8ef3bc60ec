"""``serve.http.drain_delay``: not ready first, and only then gone."""

import os
import signal
import threading
from http.client import HTTPConnection

import pytest

from tests.e2e.load import Load
from tests.e2e.processes import eventually, free_ports, session, try_get
from tests.support.talos_server import Serve, Talos

WORKER_CLASSES = pytest.mark.parametrize("worker_class", ["talos", "gthread", "sync"])


def delayed(serve: Serve, delay: str, *arguments: str) -> Talos:
    return serve(*arguments, over={"serve": {"http": {"drain_delay": delay}}})


class Balancer:
    """Sends requests while the server says that it is ready, and no longer."""

    def __init__(self, talos: Talos) -> None:
        self.talos = talos
        self.told_off = threading.Event()

    def work(self, connection: HTTPConnection) -> None:
        if self.told_off.is_set():
            return
        connection.request("GET", "/version")
        response = connection.getresponse()
        response.read()
        assert response.status == 200

    def watch(self) -> None:
        """Wait until readiness is refused on both ports."""
        metrics_port = self.talos.server.metrics_port or 0
        for port in (metrics_port, self.talos.server.port):
            eventually(lambda port=port: try_get(port, "/health/ready") == 503, "503")  # type: ignore[misc]
        assert try_get(metrics_port, "/health/alive") == 200


@WORKER_CLASSES
def test_a_balancer_that_watches_readiness_loses_nothing(serve: Serve, worker_class: str) -> None:
    talos = delayed(serve, "5s", "--worker-class", worker_class)
    balancer = Balancer(talos)
    with Load(talos.server.port, balancer.work, clients=4) as load:
        load.wait_for_more(50)
        talos.server.signal(signal.SIGTERM)
        balancer.watch()
        # New connections and kept ones are served on.
        load.wait_for_more(50)
        balancer.told_off.set()
        load.stop()
    assert load.failures == []
    assert talos.server.wait() == 0
    assert "SIGKILL" not in talos.server.log


def test_further_signals_change_nothing(serve: Serve) -> None:
    talos = delayed(serve, "1h")
    workers = eventually(lambda: both(talos), "both workers")
    talos.server.signal(signal.SIGTERM)
    eventually(lambda: try_get(talos.server.port, "/health/ready") == 503, "503")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        talos.server.signal(number)
    eventually(lambda: "Handling signal: hup" in talos.server.log, "the last of them")
    assert talos.server.workers == workers
    assert try_get(talos.server.port, "/version") == 200
    assert talos.server.log.count("not ready any more") == 1
    talos.server.signal(signal.SIGQUIT)
    assert talos.server.wait() == 0
    assert session(talos.server.pid) == []


def both(talos: Talos) -> set[int] | None:
    """The workers, once there are two."""
    workers = talos.server.workers
    return workers if len(workers) == 2 else None


def test_who_wants_it_at_once_gets_it_at_once(serve: Serve) -> None:
    talos = delayed(serve, "1h")
    talos.server.signal(signal.SIGTERM)
    eventually(lambda: try_get(talos.server.port, "/health/ready") == 503, "503")
    talos.server.signal(signal.SIGQUIT)
    assert talos.server.wait() == 0


def test_a_worker_that_dies_while_the_server_is_not_ready_is_replaced(serve: Serve) -> None:
    talos = delayed(serve, "1h")
    victim = min(eventually(lambda: both(talos), "both workers"))
    talos.server.signal(signal.SIGTERM)
    eventually(lambda: try_get(talos.server.port, "/health/ready") == 503, "503")
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in (both(talos) or {victim}), "another")
    assert try_get(talos.server.port, "/health/ready") == 503


def test_without_a_delay_the_end_begins_at_once(serve: Serve) -> None:
    talos = serve()
    assert talos.server.stop() == 0
    assert "not ready any more" not in talos.server.log


def test_a_delay_that_is_none_is_a_fault(serve: Serve) -> None:
    talos = serve(
        over={"serve": {"http": {"drain_delay": "-1s", "idle_timeout": "0s"}}},
        ready=False,
        ports=tuple(free_ports(2)),  # type: ignore[arg-type]
    )
    assert talos.server.wait() == 1
    assert "serve.http.drain_delay" in talos.server.log
    assert "serve.http.idle_timeout" in talos.server.log
