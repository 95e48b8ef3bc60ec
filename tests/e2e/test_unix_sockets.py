"""``talos serve`` on Unix sockets (contract 16 (48)), by its own worker and gunicorn's."""

import json
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import PYTHON, clean_environment, eventually
from tests.support.talos_server import ADMIN, Serve, Talos
from tests.support.unix_sockets import WORKER_CLASSES, ask
from tests.support.worker_class import start_with


def serve_on(serve: Serve, path: Path, *arguments: str, **http: object) -> Talos:
    return serve(*arguments, over={"serve": {"http": {"host": f"unix:{path}", **http}}})


@WORKER_CLASSES
def test_a_key_lives_its_life_over_a_unix_socket(
    serve: Serve, tmp_path: Path, worker_class: str
) -> None:
    path = tmp_path / "admin.sock"
    talos = serve_on(serve, path, "--worker-class", worker_class)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    listed = {"name": "n", "actor_id": "a", "ip_restriction": {"allowed_cidrs": ["127.0.0.0/8"]}}
    elsewhere = listed | {"ip_restriction": {"allowed_cidrs": ["192.0.2.0/24"]}}
    for fields, good in ((listed, True), (elsewhere, False)):
        status, issued = ask(path, "POST", f"{ADMIN}/issuedApiKeys", fields)
        assert status == 201
        credential = {"credential": issued["secret"]}
        # The peer counts as loopback, whether memory answers or not.
        for _ in range(3):
            status, verdict = ask(path, "POST", f"{ADMIN}/apiKeys:verify", credential)
            assert (status, verdict["is_valid"]) == (200, good)
    remotes = [
        record["http_request"]["remote"]
        for record in talos.server.records
        if record["msg"] == "HTTP request completed" and "http_request" in record
    ]
    assert remotes
    assert set(remotes) == {"unix:"}
    addresses = [r["addr"] for r in talos.server.records if r["msg"] == "listening"]
    assert addresses == [f"unix:{path}", f"127.0.0.1:{talos.server.metrics_port}"]
    assert talos.server.stop() == 0
    assert not path.exists()


@WORKER_CLASSES
def test_no_host_leads_to_the_application_of_the_other_listener(
    serve: Serve, tmp_path: Path, worker_class: str
) -> None:
    path = tmp_path / "admin.sock"
    talos = serve_on(serve, path, "--worker-class", worker_class)
    for host in (f"127.0.0.1:{talos.server.metrics_port}", "127.0.0.1", "h", "localhost"):
        assert ask(path, "GET", "/version", Host=host)[0] == 200


@WORKER_CLASSES
def test_both_listeners_may_be_unix_sockets(
    serve: Serve, tmp_path: Path, worker_class: str
) -> None:
    main, metrics = tmp_path / "main.sock", tmp_path / "metrics.sock"
    over = {
        "serve": {
            "http": {"host": f"unix:{main}"},
            "metrics": {"host": f"unix:{metrics}", "socket_mode": "0600"},
        }
    }
    talos = serve("--worker-class", worker_class, over=over, ready=False)
    eventually(metrics.exists, "the last listener")
    assert stat.S_IMODE(metrics.stat().st_mode) == 0o600
    assert ask(main, "GET", "/version")[0] == 200
    assert ask(metrics, "GET", "/health/ready")[0] == 200
    assert ask(metrics, "GET", "/version")[0] == 404
    assert talos.server.stop() == 0
    assert not main.exists()
    assert not metrics.exists()


def test_a_killed_server_leaves_a_file_that_the_next_one_replaces(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "admin.sock"
    first = serve_on(serve, path)
    second = serve(over={"serve": {"http": {"host": f"unix:{path}"}}}, ready=False)
    assert second.server.wait() == 1
    assert second.server.last_line.startswith(f"HTTP server error: listen unix {path}: ")
    first.server.destroy()
    assert path.is_socket()
    serve_on(serve, path)
    assert ask(path, "GET", "/version")[0] == 200


@pytest.mark.parametrize(
    ("http", "setting"),
    [
        ({"host": "unix:relative"}, "serve.http.host"),
        ({"host": "unix:"}, "serve.http.host"),
        ({"socket_mode": "rw"}, "serve.http.socket_mode"),
        ({"socket_mode": 660}, "serve.http.socket_mode"),
        ({"socket_mode": "0888"}, "serve.http.socket_mode"),
    ],
)
def test_what_is_no_socket_is_a_fault(serve: Serve, http: dict[str, object], setting: str) -> None:
    talos = serve(over={"serve": {"http": http}}, ready=False)
    assert talos.server.wait() == 1
    assert setting in talos.server.log


def test_the_admin_operations_over_a_unix_socket_are_no_reason_to_warn(
    serve: Serve, tmp_path: Path
) -> None:
    talos = serve_on(serve, tmp_path / "admin.sock")
    assert "every caller that reaches them is trusted" not in talos.server.log


def test_unix_sockets_of_a_service_manager_stay(serve: Serve, tmp_path: Path) -> None:
    configuration = serve().configuration
    path = tmp_path / "admin.sock"
    with (
        socket.socket(socket.AF_UNIX) as main,
        socket.create_server(("127.0.0.1", 0)) as metrics,
    ):
        main.bind(str(path))
        main.listen()
        for _ in range(2):
            with start_with([main, metrics], configuration, tmp_path).wait_ready() as server:
                assert ask(path, "GET", "/version")[0] == 200
                assert server.stop() == 0
            # Its clients wait for the next server.
            assert path.is_socket()


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", "talos", *arguments],
        env=clean_environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_reaches_a_server_by_its_socket(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    metrics = tmp_path / "metrics.sock"
    over = {"serve": {"http": {"host": f"unix:{path}"}, "metrics": {"host": f"unix:{metrics}"}}}
    talos = serve(over=over, ready=False)
    eventually(metrics.exists, "the last listener")
    endpoint = ("-e", f"unix:{path}")
    issued = run(*endpoint, "keys", "issue", "n", "--actor", "a", "--format", "json")
    assert issued.returncode == 0, issued.stderr
    answer = json.loads(issued.stdout)
    key_id, secret = answer["issued_api_key"]["key_id"], answer["secret"]
    good = run(*endpoint, "keys", "verify", "-", stdin=secret)
    assert (good.returncode, "API key is VALID" in good.stderr) == (0, True)
    assert run(*endpoint, "keys", "revoke", key_id).returncode == 0
    bad = run(*endpoint, "keys", "verify", "-", stdin=secret)
    assert (bad.returncode, "VERIFICATION_ERROR_REVOKED" in bad.stderr) == (1, True)
    listed = run(*endpoint, "keys", "issued", "list", "-q")
    assert listed.stdout.split() == [key_id]
    # The health check finds the metrics listener by itself.
    health = ("health", "--config", str(talos.configuration))
    assert run(*health).returncode == 0
    assert talos.server.stop() == 0
    assert run(*health).returncode == 1
    gone = run(*endpoint, "keys", "verify", "-", stdin=secret)
    assert (gone.returncode, "API key is UNKNOWN" in gone.stderr) == (3, True)
    assert f"unix:{path}" in gone.stderr
    assert secret not in gone.stderr
