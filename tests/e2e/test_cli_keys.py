"""The command line against a real server: every keys command, as a script would use it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml
from click.testing import CliRunner, Result

from talos.cli.app import app
from tests.e2e.processes import PYTHON, Server, clean_environment, eventually, free_ports
from tests.support.servers.postgres import dsn_of, postgres_process
from tests.support.talos_server import Serve, settings


class Program:
    """The program ``talos``, pointed at one server."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}/"

    def run(self, *args: str, stdin: str = "", code: int = 0) -> Result:
        """Run a command that leaves with ``code``."""
        result = CliRunner().invoke(app, ["-e", self.endpoint, *args], input=stdin)
        assert result.exit_code == code, result.stderr
        assert isinstance(result.exception, SystemExit | None)
        return result

    def json(self, *args: str, stdin: str = "", code: int = 0) -> Any:
        """Run a command of keys and decode what it prints."""
        return json.loads(
            self.run("keys", *args, "--format", "json", stdin=stdin, code=code).stdout
        )

    def issue(self, *flags: str) -> tuple[str, str]:
        """Issue a key; return its id and its secret."""
        answer = self.json("issue", "a key", "--actor", "user:1", *flags)
        return answer["issued_api_key"]["key_id"], answer["secret"]

    def verdict(self, credential: str) -> str:
        """Verify a credential; return "" or the code that says why not, and hold the exit code."""
        answer = self.json("batch-verify", "-", stdin=credential)["results"][0]
        code = str(answer.get("error_code", ""))
        finished = self.run("keys", "verify", "-", stdin=credential, code=1 if code else 0)
        assert ("INVALID" in finished.stderr) == bool(code)
        return code.removeprefix("VERIFICATION_ERROR_")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program with a server that all tests of this file share."""
    folder = tmp_path_factory.mktemp("cli")
    port, metrics_port = free_ports(2)
    configuration = folder / "talos.yaml"
    configuration.write_text(
        yaml.safe_dump(settings(f"sqlite://{folder}/talos.db", port, metrics_port))
    )
    migrated = CliRunner().invoke(app, ["migrate", "up", "--config", str(configuration)])
    assert migrated.exit_code == 0, migrated.stderr
    command = [PYTHON, "-m", "talos", "serve", "--config", str(configuration)]
    with Server(command, folder, port=port, metrics_port=metrics_port) as server:
        server.wait_ready()
        yield Program(port)


def test_a_pipeline_of_processes(program: Program, tmp_path: Path) -> None:
    """As in the README: issue into a file, verify from it; warnings would be errors."""
    talos = f"{PYTHON} -W error -m talos -e {program.endpoint} keys"
    script = (
        f"{talos} issue n --actor a --format jsonpath=secret | tr -d '\"' > key.txt && "
        f"{talos} verify - -q < key.txt && {talos} self-revoke - < key.txt && "
        f"! {talos} verify - < key.txt"
    )
    finished = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.splitlines() == [
        "API key issued.",
        "Save the secret now: it is shown this once and cannot be had again.",
        "API key is VALID",
        "API key revoked.",
        "API key is INVALID (VERIFICATION_ERROR_REVOKED: The API key has been revoked.)",
    ]


def test_the_life_of_an_issued_key(program: Program) -> None:
    key_id, secret = program.issue("--scopes", "read, write", "--ttl", "2h")
    assert program.verdict(secret) == ""
    row = program.run("keys", "issued", "get", key_id).stdout
    assert f"KEY ID\t\t{key_id}\t\n" in row
    assert "SCOPES\t\tread, write\t" in row

    program.run(
        *("keys", "issued", "update", key_id, "--name", "new", "--metadata", '{"plan": [1, null]}'),
        *(
            "--rate-limit-quota",
            "10",
            "--rate-limit-window",
            "1m",
            "--allowed-cidrs",
            "127.0.0.0/8",
        ),
    )
    key = program.json("issued", "get", key_id)
    assert (key["name"], key["scopes"], key["metadata"]) == (
        "new",
        ["read", "write"],
        {"plan": [1, None]},
    )
    assert key["rate_limit_policy"] == {"quota": "10", "unit": "requests", "window": "60s"}
    assert key["ip_restriction"] == {"allowed_cidrs": ["127.0.0.0/8"]}
    cleared = ("--update-mask", "rate_limit_policy,scopes", "--allowed-cidrs", "")
    key = program.json("issued", "update", key_id, *cleared[:2])
    assert "rate_limit_policy" not in key
    assert key["scopes"] == []
    key = program.json("issued", "update", key_id, *cleared[2:])
    assert "ip_restriction" not in key

    rotated = program.json("issued", "rotate", key_id, "--scopes", "read")
    successor = rotated["issued_api_key"]
    assert rotated["old_issued_api_key"]["status"] == "KEY_STATUS_REVOKED"
    assert (successor["name"], successor["scopes"]) == ("new", ["read"])
    assert program.verdict(secret) == "REVOKED"
    assert program.verdict(rotated["secret"]) == ""

    revoked = program.json("issued", "revoke", successor["key_id"], "--reason", "superseded")
    assert revoked["status"] == "KEY_STATUS_REVOKED"
    assert revoked["revocation_reason"] == "REVOCATION_REASON_SUPERSEDED"
    assert program.verdict(rotated["secret"]) == "REVOKED"
    again = program.run("keys", "issued", "revoke", successor["key_id"], code=1)
    assert again.stdout == ""
    assert again.stderr == "Error: revoke issued API key: key is already revoked\n"


def test_the_life_of_an_imported_key(program: Program) -> None:
    raw_key = "test-partner-key-0123456789"
    flags = ("--actor", "partner:7", "--ttl", "90m", "--scopes", "read")
    key = program.json("imported", "import", "partner", "--raw-key", "-", *flags, stdin=raw_key)
    key_id = key["key_id"]
    assert program.verdict(raw_key) == ""
    duplicate = program.run(
        *("keys", "imported", "import", "partner", "--raw-key", "-", *flags), stdin=raw_key, code=1
    )
    assert duplicate.stderr.startswith("Error: import API key: key already imported")
    updated = program.json("imported", "update", key_id, "--name", "new")
    assert updated["name"] == "new"
    reason = ("--reason", "privilege_withdrawn", "--reason-text", "left")
    revoked = program.json("imported", "revoke", key_id, *reason)
    assert revoked["revocation_description"] == "left"
    assert program.verdict(raw_key) == "REVOKED"
    deleted = program.run("keys", "imported", "delete", key_id)
    assert deleted.stdout.startswith("ID\t")
    assert program.verdict(raw_key) == "NOT_FOUND"
    gone = program.run("keys", "imported", "get", key_id, code=1)
    assert gone.stderr == "Error: get imported API key: imported key not found\n"


def test_lists_page_and_filter(program: Program) -> None:
    actor = ("--actor", "the lister")
    mine = {program.json("issue", "n", *actor)["issued_api_key"]["key_id"] for _ in range(3)}
    other = program.json("issue", "n", "--actor", "other one")["issued_api_key"]["key_id"]
    program.run("keys", "revoke", other)
    found: list[str] = []
    token: tuple[str, ...] = ()
    while True:
        page = program.run("keys", "issued", "list", "-q", "--page-size", "2", *token)
        found += page.stdout.split()
        if not page.stderr:
            break
        token = ("--page-token", page.stderr.removeprefix("Next page token: ").strip())
    assert found == sorted(set(found), reverse=True)
    assert mine | {other} <= set(found)
    listed = program.run("keys", "issued", "list", *actor, "-q").stdout
    assert set(listed.split()) == mine
    listed = program.run("keys", "issued", "list", "--status", "KEY_STATUS_REVOKED", "-q").stdout
    assert other in listed.split()
    assert mine.isdisjoint(listed.split())
    both = ("--status", "KEY_STATUS_ACTIVE", "--actor", "other one")
    assert program.run("keys", "issued", "list", *both, "-q").stdout == "\n"


def test_derived_tokens(program: Program) -> None:
    _, secret = program.issue("--scopes", "read")
    claims = ("--claims", '{"session": "s-1"}', "--ttl", "5m")
    token = program.run("keys", "derive-token", "-", *claims, "-q", stdin=secret).stdout.strip()
    key_set = jwt.PyJWKSet.from_dict(json.loads(program.run("jwk", "get").stdout))
    (key,) = key_set.keys
    decoded = jwt.decode(token, key, algorithms=["EdDSA"])
    assert decoded["session"] == "s-1"
    assert decoded["exp"] - decoded["iat"] == 300
    assert program.verdict(token) == ""
    macaroon = program.json("derive-token", "-", "--algorithm", "macaroon", stdin=secret)
    assert program.verdict(macaroon["token"]["token"]) == ""
    refused = program.run("keys", "derive-token", "-", stdin="ory_ak_nothing", code=1)
    assert refused.stderr == "Error: derive token: verify API key\n"


def test_revocations_without_a_kind(program: Program) -> None:
    key_id, secret = program.issue()
    program.run("keys", "self-revoke", "-", "--reason", "key_compromise", stdin=secret)
    key = program.json("issued", "get", key_id)
    assert key["revocation_reason"] == "REVOCATION_REASON_KEY_COMPROMISE"
    imported = program.json("imported", "import", "n", "--raw-key", "test-raw", "--actor", "a")
    revoked = program.json("revoke", imported["key_id"])
    assert revoked["status"] == "KEY_STATUS_REVOKED"
    assert program.run("keys", "revoke", "nothing", code=1).stdout == ""


def test_batch_import_in_several_requests(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"

    def keys(numbers: range) -> list[dict[str, object]]:
        return [
            {"raw_key": f"test-batch-{number}", "name": f"n{number}", "actor_id": "a"}
            for number in numbers
        ]

    items = keys(range(2300))
    items[1500]["name"] = ""
    file.write_text(json.dumps(items, indent=1))
    command = ("imported", "batch-import", "--file", str(file))
    answer = program.json(*command)
    assert (answer["success_count"], answer["failure_count"]) == (2299, 1)
    assert [result["index"] for result in answer["results"]] == list(range(2300))
    assert answer["results"][1500]["error_code"].endswith("_INVALID_ARGUMENT")
    assert answer["results"][2299]["imported_api_key"]["name"] == "n2299"
    assert program.verdict("test-batch-0") == ""
    assert program.verdict("test-batch-2299") == ""

    again = program.json(*command, code=1)
    assert [again[f"{state}_count"] for state in ("success", "exists", "failure")] == [0, 2299, 1]
    file.write_text(json.dumps(keys(range(2200, 2400))))
    answer = program.json(*command)
    assert [answer[f"{state}_count"] for state in ("success", "exists", "failure")] == [100, 100, 0]
    file.write_text(json.dumps(keys(range(10)), indent=0))
    refused = program.run("keys", *command, code=1)
    assert refused.stderr == "Imported 0 of 10 API keys; 10 exist already.\n"
    assert refused.stdout.count("key already imported") == 10
    skipped = program.run("keys", *command, "--skip-existing", "-q")
    assert skipped.stdout == "\n"


def test_batch_import_of_rows_that_only_the_server_refuses(
    program: Program, tmp_path: Path
) -> None:
    """As NDJSON and CSV; each row has its own result under its line."""
    _, secret = program.issue()
    file = tmp_path / "keys"
    rows = [
        {"raw_key": "test-forms-1", "name": "n", "actor_id": "a", "scopes": ["r", "w"]},
        {"raw_key": secret, "name": "n", "actor_id": "a"},
        {"raw_key": "test-forms-2", "name": "n", "actor_id": "a", "ttl": "never"},
    ]
    file.write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)))
    answer = program.json("imported", "batch-import", "--file", str(file))
    assert [(row["line"], row["status"]) for row in answer["results"]] == [
        (1, "success"),
        (3, "failed"),
        (5, "failed"),
    ]
    assert answer["results"][0]["imported_api_key"]["scopes"] == ["r", "w"]
    # Now every key of the request is refused, for different reasons.
    again = program.json("imported", "batch-import", "--file", str(file), code=1)
    assert [row["status"] for row in again["results"]] == ["exists", "failed", "failed"]
    assert "issued api key pattern" in again["results"][1]["error_message"]
    file.write_text(
        "raw_key;name;actor_id;scopes;ttl;metadata;rate_limit_quota;rate_limit_window;allowed_cidrs\n"
        'test-forms-3;"a name;\nof two lines";a;r,w;30d;"{""plan"": 1}";10;1m;127.0.0.0/8\n'
        "test-forms-4;n;a;;;;;;nonsense\n"
    )
    answer = program.json("imported", "batch-import", "--file", str(file))
    imported, failed = answer["results"]
    key = imported["imported_api_key"]
    assert key["name"] == "a name;\nof two lines"
    assert (key["scopes"], key["metadata"]) == (["r", "w"], {"plan": 1})
    assert key["rate_limit_policy"] == {"quota": "10", "unit": "requests", "window": "60s"}
    assert (failed["line"], failed["status"]) == (4, "failed")
    assert "CIDR" in failed["error_message"]
    assert program.verdict("test-forms-3") == ""
    assert program.verdict("test-forms-4") == "NOT_FOUND"


def test_faults_that_the_server_finds(program: Program) -> None:
    for line, said in (
        ("issue n --actor a --scopes a,,b", "scopes"),
        ("issue n --actor a --ttl 1ns", "ttl"),
        ("issue n --actor a --allowed-cidrs 10.0.0.0", "cidr"),
        ("issued update k1 --update-mask status", "status"),
        ("issued list --page-token nonsense", "page"),
        ("issued get nothing", "API key not found"),
    ):
        finished = program.run("keys", *line.split(), code=1)
        assert finished.stdout == ""
        assert finished.stderr.startswith("Error: ")
        assert said.lower() in finished.stderr.lower()


def test_the_public_surface_has_self_revocation_only(serve: Serve, sqlite_dsn: str) -> None:
    secret = serve(dsn=sqlite_dsn).issue()["secret"]
    public = Program(serve("public", dsn=sqlite_dsn).server.port)
    refused = public.run("keys", "verify", "-", stdin=secret, code=3)
    assert refused.stderr.startswith("Error: verify API key: ")
    public.run("keys", "self-revoke", "-", stdin=secret)
    public.run("jwk", "get")


def test_a_database_that_is_down_is_no_verdict(serve: Serve) -> None:
    with postgres_process() as process:
        process.start()
        dsn = dsn_of(process)
        migrated = CliRunner().invoke(app, ["migrate", "up", "--database", dsn])
        assert migrated.exit_code == 0, migrated.stderr
        talos = serve(dsn=dsn, over={"cache": {"enabled": False}})
        program = Program(talos.server.port)
        secret = talos.issue()["secret"]
        program.run("keys", "verify", "-", stdin=secret)
        process.stop()
        down = program.run("keys", "verify", "-", stdin=secret, code=3)
        assert "API key is UNKNOWN (VERIFICATION_ERROR_INTERNAL" in down.stderr
        assert "INVALID" not in down.output
        answer = program.run("keys", "derive-token", "-", stdin=secret, code=1)
        assert answer.stdout == ""
        process.start()
        eventually(lambda: talos.verify(secret)["is_valid"], "the database")
        program.run("keys", "verify", "-", stdin=secret)
        program.run("keys", "self-revoke", "-", stdin=secret)
        program.run("keys", "verify", "-", stdin=secret, code=1)
