"""Stock workers under the master of ``talos serve``."""

import signal

import pytest

from tests.e2e.processes import PYTHON, Server, eventually, free_ports, session, try_get
from tests.support.talos_server import ADMIN, Serve


@pytest.mark.parametrize(
    "arguments",
    [("--worker-class", "gthread"), ("--worker-class", "sync", "admin")],
    ids=["gthread", "sync"],
)
def test_a_key_lives_its_life_under_a_stock_worker(
    serve: Serve, arguments: tuple[str, ...]
) -> None:
    talos = serve(*arguments)
    issued = talos.issue()
    assert talos.verify(issued["secret"])["is_valid"] is True
    path = f"{ADMIN}/issuedApiKeys/{issued['issued_api_key']['key_id']}"
    assert talos.ask("POST", f"{path}:revoke", {})[0] == 204
    assert talos.verify(issued["secret"])["is_valid"] is False
    # Each listener has its own application.
    assert talos.server.metrics_port is not None
    assert try_get(talos.server.metrics_port, "/health/alive") == 200
    assert try_get(talos.server.metrics_port, path) == 404
    assert talos.server.stop() == 0
    assert [r["msg"] for r in talos.server.records].count("database closed") == 2


def test_the_last_worker_class_counts(serve: Serve) -> None:
    talos = serve("--worker-class", "sync", "public", "--worker-class", "gthread")
    assert "Using worker: ThreadWorker" in talos.server.log


@pytest.mark.parametrize("name", ["gthread", "sync"])
def test_stock_workers_are_replaced_and_drained(serve: Serve, name: str) -> None:
    talos = serve("--worker-class", name)
    old = talos.server.workers
    talos.server.signal(signal.SIGHUP)
    eventually(lambda: not old & set(session(talos.server.pid)), "workers to be replaced")
    assert talos.ask("GET", "/health/alive")[0] == 200
    talos.server.signal(signal.SIGINT)
    assert talos.server.wait() == 0


def test_an_unknown_worker_class_ends_the_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    command = [PYTHON, "-m", "talos", "serve", "--worker-class", "gevent"]
    folder = tmp_path_factory.mktemp("unknown")
    with Server(command, folder, port=free_ports(1)[0], metrics_port=None) as server:
        assert server.wait() == 1
        assert "gthread" in server.log


@pytest.mark.parametrize("name", ["talos", "gthread"])
def test_settings_that_a_stock_worker_ignores_are_named_at_the_start(
    serve: Serve, name: str
) -> None:
    over = {"serve": {"http": {"idle_timeout": "90s", "max_connections_per_peer": 5}}}
    talos = serve("--worker-class", name, over=over)
    said = [
        (record["setting"], record["worker_class"])
        for record in talos.server.records
        if record["msg"] == "a setting has no effect with this worker class"
    ]
    ignored = ["serve.http.max_connections_per_peer", "serve.http.idle_timeout"]
    assert said == ([] if name == "talos" else [(setting, name) for setting in ignored])
