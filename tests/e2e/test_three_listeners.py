"""As many listeners as are declared, under each kind of worker."""

import socket
from pathlib import Path

import pytest

from talos.serving.process.application import WORKER_CLASSES
from tests.e2e.processes import PYTHON, Server, free_ports, read_all, say

REQUEST = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_each_listener_has_its_application(tmp_path: Path, worker_class: str) -> None:
    port, metrics_port = free_ports(2)
    path = tmp_path / "third"
    command = [PYTHON, "-m", "tests.e2e.three_listeners", str(port), str(metrics_port)]
    command += [str(path), worker_class]
    with Server(command, tmp_path, port=port, metrics_port=metrics_port) as server:
        server.wait_ready()
        assert b"GET /x 0" in say(port, REQUEST)
        assert say(metrics_port, REQUEST).endswith(b"probe")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(REQUEST)
            assert read_all(client).endswith(b"third")
        assert server.stop() == 0
        stopped = [r["msg"] for r in server.records if "server stopped" in r["msg"]]
        names = ["HTTP", "Metrics", "Third"] if worker_class == "talos" else []
        assert stopped == [f"{name} server stopped" for name in names]
