"""``talos serve`` from its start to its end (contract 1.1, 13.5, 14.1, 16.1, 16.2)."""

import json
import signal
import socket
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml

from talos.adapters.sql import migrate
from talos.adapters.sql.dsn import parse_dsn
from tests.e2e.load import Load, get
from tests.e2e.processes import (
    PYTHON,
    Server,
    eventually,
    free_ports,
    say,
    session,
    try_get,
)
from tests.support.talos_server import ADMIN, HMAC_SECRET, Serve, Talos
from tests.support.worker_class import start_with


def messages(talos: Talos) -> list[str]:
    return [record["msg"] for record in talos.server.records]


def test_a_key_is_issued_verified_and_revoked(serve: Serve) -> None:
    talos = serve()
    issued = talos.issue(scopes=["read"])
    assert talos.verify(issued["secret"])["is_valid"] is True
    path = f"{ADMIN}/issuedApiKeys/{issued['issued_api_key']['key_id']}:revoke"
    assert talos.ask("POST", path, {"reason": "REVOCATION_REASON_SUPERSEDED"}) == (204, None)
    verdict = talos.verify(issued["secret"])
    assert verdict["is_valid"] is False
    assert verdict["error_code"] == "VERIFICATION_ERROR_REVOKED"
    assert talos.server.stop() == 0


def test_what_was_issued_outlives_the_server(serve: Serve) -> None:
    first = serve()
    secret = first.issue()["secret"]
    assert first.server.stop() == 0
    assert serve().verify(secret)["is_valid"] is True


def test_a_use_is_written_down_at_the_latest_when_the_server_ends(serve: Serve) -> None:
    first = serve()
    issued = first.issue()
    first.verify(issued["secret"])
    assert first.server.stop() == 0
    _, key = serve().ask("GET", f"{ADMIN}/issuedApiKeys/{issued['issued_api_key']['key_id']}")
    assert "last_used_time" in key


SPELLINGS = [
    "/v2alpha1/admin/issuedApiKeys",
    "/V2alpha1/Admin/issuedApiKeys",
    "//v2alpha1/admin/issuedApiKeys",
    "/v2alpha1//admin/issuedApiKeys",
    "/v2alpha1/./admin/issuedApiKeys",
    "/x/../v2alpha1/admin/issuedApiKeys",
    "/v2alpha1/derivedKeys/../admin/issuedApiKeys",
    "/v2alpha1/derivedKeys/%2e%2e/admin/issuedApiKeys",
    "/v2alpha1%2Fadmin%2FissuedApiKeys",
    "/v2alpha1/%61dmin/issuedApiKeys",
    "/v2alpha1/admin/%69ssuedApiKeys",
    "/v2alpha1/admin;x/issuedApiKeys",
    "/v2alpha1\\admin\\issuedApiKeys",
    "/v2alpha1/admin/issuedApiKeys/",
    "/v2alpha1/admin/issuedApiKeys?x",
    "/v2alpha1/admin/issuedApiKeys%00",
    "/v2alpha1/admin/issuedApiKeys%20",
    "/v2alpha1/admin/apiKeys:verify",
    "/v2alpha1/admin/apiKeys%3Averify",
    "/v2alpha1/apiKeys:selfRevoke/../../admin/issuedApiKeys",
    "http://h/v2alpha1/admin/issuedApiKeys",
    "http://h//v2alpha1/admin/issuedApiKeys",
    "*",
]


EXTRA_HEADERS = [
    "",
    "SCRIPT_NAME: /x\r\n",
    "X-Original-URL: /v2alpha1/admin/issuedApiKeys\r\n",
    "X-Rewrite-URL: /v2alpha1/admin/issuedApiKeys\r\n",
    "X-HTTP-Method-Override: POST\r\n",
    "X-Forwarded-Prefix: /x\r\n",
]


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS", "PATCH"])
def test_no_spelling_of_a_path_reaches_the_admin_operations(serve: Serve, method: str) -> None:
    talos = serve("public")
    body = b'{"name":"n","actor_id":"a","credential":"x"}'
    for target in SPELLINGS:
        for extra in EXTRA_HEADERS:
            head = (
                f"{method} {target} HTTP/1.1\r\nHost: h\r\n{extra}"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            answer = say(talos.server.port, head.encode() + body)
            status = int(answer.split()[1])
            assert status in (307, 400, 404), (target, answer)
            if status == 307:
                location = next(
                    line for line in answer.split(b"\r\n") if line.lower().startswith(b"location:")
                )
                assert location.split()[1].startswith(b"/")
                assert not location.split()[1].startswith(b"//")
            assert b"secret" not in answer
    assert talos.ask("GET", "/v2alpha1/derivedKeys/jwks.json")[0] == 200


def test_the_admin_surface_lacks_self_revocation(serve: Serve) -> None:
    talos = serve("admin")
    assert talos.ask("POST", "/v2alpha1/apiKeys:selfRevoke", {"credential": "x"})[0] == 404
    assert talos.verify(talos.issue()["secret"])["is_valid"] is True


def answers_beyond_loopback(port: int) -> bool:
    """Whether the port is open on another address of this host than 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.2", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("arguments", "everywhere", "warned"),
    [((), False, False), (("admin",), False, True), (("public",), True, False)],
)
def test_where_each_surface_listens_by_itself(
    serve: Serve, arguments: tuple[str, ...], everywhere: bool, warned: bool
) -> None:
    talos = serve(*arguments)
    assert answers_beyond_loopback(talos.server.port) is everywhere
    said = " ".join(messages(talos))
    assert ("serve.http.host is not set" in said) is not everywhere
    assert ("every caller that reaches them is trusted" in said) is warned


def test_a_host_that_is_set_is_obeyed(serve: Serve) -> None:
    talos = serve(over={"serve": {"http": {"host": "0.0.0.0"}}})
    assert answers_beyond_loopback(talos.server.port)
    assert "every caller that reaches them is trusted" in " ".join(messages(talos))


def test_the_start_says_what_is_served(serve: Serve) -> None:
    talos = serve()
    records = {record["msg"]: record for record in talos.server.records}
    assert {"version", "commit", "build_time", "log_level"} <= set(records["starting"])
    assert "Configuration validated" in records
    assert records["database"]["driver"] == "sqlite"
    listening = [r["addr"] for r in talos.server.records if r["msg"] == "listening"]
    assert listening == [
        f"127.0.0.1:{talos.server.port}",
        f"127.0.0.1:{talos.server.metrics_port}",
    ]


def test_the_end_says_what_is_stopped(serve: Serve) -> None:
    talos = serve(over={"serve": {"http": {"workers": 1}}})
    assert talos.server.stop() == 0
    said = messages(talos)
    stages = [
        "Handling signal: term",
        "HTTP server stopped",
        "Metrics server stopped",
        "database closed",
        "stopped",
    ]
    assert [message for message in said if message in stages] == stages


def test_a_configuration_fault_ends_the_start(serve: Serve) -> None:
    talos = serve(over={"serve": {"http": {"port": 0}}, "secrets": {"x": 1}}, ready=False)
    assert talos.server.wait() == 1
    assert "serve.http.port" in talos.server.log
    assert "secrets" in talos.server.log
    assert HMAC_SECRET not in talos.server.log


def test_a_missing_dsn_ends_the_start(serve: Serve) -> None:
    talos = serve(dsn=None, ready=False)
    assert talos.server.wait() == 1
    assert "db.dsn" in talos.server.last_line


def test_a_missing_configuration_file_ends_the_start(tmp_path: Path) -> None:
    command = [PYTHON, "-m", "talos", "serve", "--config", "nowhere.yaml"]
    with Server(command, tmp_path, port=free_ports(1)[0], metrics_port=None) as server:
        assert server.wait() == 1
        assert "nowhere.yaml" in server.log


def test_the_last_configuration_file_counts(serve: Serve) -> None:
    assert serve("--config", "nowhere.yaml").server.stop() == 0


@pytest.mark.parametrize(("busy", "server"), [(0, "HTTP"), (1, "Metrics")])
def test_a_busy_port_ends_the_start(serve: Serve, busy: int, server: str) -> None:
    ports = free_ports(2)
    with socket.create_server(("127.0.0.1", ports[busy])):
        talos = serve(ports=(ports[0], ports[1]), ready=False)
        assert talos.server.wait() == 1
    expected = f"{server} server error: listen tcp 127.0.0.1:{ports[busy]}: "
    assert talos.server.last_line.startswith(expected)
    assert try_get(ports[1 - busy], "/health/alive") is None


def test_a_schema_that_is_behind_ends_the_start_with_the_command(
    serve: Serve, tmp_path: Path
) -> None:
    dsn = f"sqlite://{tmp_path}/fresh.db"
    missing = serve(dsn=dsn, ready=False)
    assert missing.server.wait() == 1
    assert "talos migrate up" in missing.server.last_line
    migrate.up(parse_dsn(dsn))
    migrate.down(parse_dsn(dsn), 100)
    behind = serve(dsn=dsn, ready=False)
    assert behind.server.wait() == 1
    assert "talos migrate up" in behind.server.last_line


def test_two_starts_on_one_database_both_succeed(serve: Serve) -> None:
    first, second = serve(ready=False), serve(ready=False)
    first.server.wait_ready()
    second.server.wait_ready()
    assert second.verify(first.issue()["secret"])["is_valid"] is True


def test_reloads_under_load_fail_no_verification(serve: Serve) -> None:
    talos = serve()
    credential = talos.issue()["secret"]

    def verify(connection: HTTPConnection) -> None:
        connection.request(
            "POST", f"{ADMIN}/apiKeys:verify", json.dumps({"credential": credential})
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        assert answer["is_valid"] is True, answer

    with Load(talos.server.port, verify, clients=4) as load:
        for _ in range(3):
            load.wait_for_more(50)
            old = talos.server.workers
            talos.server.signal(signal.SIGHUP)
            eventually(
                lambda old=old: not old & set(session(talos.server.pid)),  # type: ignore[misc]
                "workers to be replaced",
            )
        load.wait_for_more(50)
    assert load.failures == []
    assert talos.server.stop() == 0


def issuers(talos: Talos, credential: str) -> set[str]:
    """The issuer that each of several connections is told."""
    return {talos.verify(credential)["issuer"] for _ in range(10)}


def test_an_edit_takes_effect_in_every_worker(serve: Serve) -> None:
    talos = serve()
    credential = talos.issue()["secret"]
    talos.edit({"credentials": {"issuer": "https://moved.example.com"}})
    eventually(
        lambda: issuers(talos, credential) == {"https://moved.example.com"}, "the new issuer"
    )
    assert messages(talos).count("configuration reloaded") == 1


def test_a_broken_file_changes_nothing_even_for_new_workers(serve: Serve) -> None:
    talos = serve()
    credential = talos.issue()["secret"]
    talos.edit({"credentials": {"issuer": "https://moved.example.com"}})
    eventually(lambda: "configuration reloaded" in messages(talos), "a reload")
    talos.configuration.write_text("secrets: {hmac: {current: canary-5d1c}}\n")
    old = talos.server.workers
    talos.server.signal(signal.SIGHUP)
    eventually(lambda: not old & set(session(talos.server.pid)), "workers to be replaced")
    assert issuers(talos, credential) == {"https://moved.example.com"}
    assert "canary-5d1c" not in talos.server.log


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_secret_is_logged(serve: Serve, style: str) -> None:
    talos = serve(over={"log": {"level": "debug", "format": style}})
    raw_key = "canary-raw-key-71ac"
    imported = {"name": "n", "actor_id": "a", "ttl": "1h", "raw_key": raw_key}
    assert talos.ask("POST", f"{ADMIN}/importedApiKeys", imported)[0] == 201
    assert talos.ask("POST", f"{ADMIN}/importedApiKeys", imported)[0] == 409
    issued = talos.issue()["secret"]
    tokens = []
    for algorithm in ("JWT", "MACAROON"):
        body = {"credential": issued, "algorithm": f"TOKEN_ALGORITHM_{algorithm}"}
        status, answer = talos.ask("POST", f"{ADMIN}/apiKeys:derive", body)
        assert status == 200, answer
        tokens.append(answer["token"]["token"])
    secrets = [raw_key, issued, *tokens, issued + "1", tokens[0] + "x", tokens[1] + "x"]
    for secret in secrets:
        talos.verify(secret)
        talos.ask("GET", f"{ADMIN}/issuedApiKeys?filter={secret}")
        talos.ask("POST", "/v2alpha1/apiKeys:selfRevoke", {"credential": secret, "reason": 99})
        ask_with_headers(talos, secret)
    for secret in (issued, *tokens):
        talos.ask("GET", f"{ADMIN}/issuedApiKeys/{secret}")
        talos.ask("POST", f"{ADMIN}/apiKeys/{secret}:revoke", {})
        say(talos.server.port, f"GET /{secret} HTTP/1.1\r\nHost: {secret}\nX: y\r\n\r\n".encode())
    assert talos.server.stop() == 0
    log = talos.server.log
    configured = yaml.safe_load(talos.configuration.read_text())
    [keys] = configured["credentials"]["derived_tokens"]["jwt"]["signing_keys"]["urls"]
    for secret in [*secrets, HMAC_SECRET, keys.removeprefix("base64://")]:
        # Not even the telling part: of a key its checksum, of a token its signature.
        for part in (secret, secret[-20:], secret[20:60] if len(secret) > 60 else secret):
            assert part not in log
    assert log.count("HTTP request completed") > len(secrets)


def ask_with_headers(talos: Talos, secret: str) -> None:
    connection = HTTPConnection("127.0.0.1", talos.server.port)
    names = ("Authorization", "X-API-Key", "Cookie", "X-Session-Token", "Proxy-Authorization")
    connection.request(
        "GET", "/version", headers={**dict.fromkeys(names, secret), "Connection": "close"}
    )
    connection.getresponse().read()
    connection.close()


def test_http_through_the_whole_server(serve: Serve) -> None:
    """What the worker and the applications have to agree on."""
    talos = serve()
    port = talos.server.port
    status, answer = talos.ask("POST", f"{ADMIN}/issuedApiKeys", {"name": "n" * 5_000_000})
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    body = b'{"name":"chunked","actor_id":"a"}'
    chunked = say(
        port,
        b"POST /v2alpha1/admin/issuedApiKeys HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
    )
    assert chunked.startswith(b"HTTP/1.1 201 ")
    twice = say(
        port,
        b"GET /health/alive HTTP/1.1\r\nHost: h\r\nX-Request-Id: one\r\nX-Request-Id: two\r\n"
        b"Connection: close\r\n\r\n",
    ).lower()
    assert b"x-request-id: one\r\n" in twice
    assert b"server:" not in twice


def test_a_restart_on_handed_over_listeners_fails_no_request(serve: Serve, tmp_path: Path) -> None:
    configuration = serve().configuration
    with (
        socket.create_server(("127.0.0.1", 0), backlog=100) as main,
        socket.create_server(("127.0.0.1", 0), backlog=100) as metrics,
    ):
        listeners = [main, metrics]
        old = start_with(listeners, configuration, tmp_path).wait_ready()
        with old, Load(old.port, get("/health/alive")) as load:
            load.wait_for_more()
            assert old.stop() == 0
            with start_with(listeners, configuration, tmp_path).wait_ready() as new:
                load.wait_for_more()
                assert new.pid != old.pid
                load.stop()
        assert load.failures == []
        with start_with(listeners, configuration, tmp_path, count=1) as lonely:
            assert lonely.wait() == 1
            assert "two are needed" in lonely.last_line
