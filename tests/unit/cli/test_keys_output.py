"""What the keys commands print, and the code they leave with."""

import json
from typing import Any

import pytest

from talos.cli.keys.rows import LIST_COLUMNS
from tests.support.cli import Run
from tests.unit.cli.answers import KEY_ID, SECRET, invalid, key, verification
from tests.unit.cli.fake_server import FakeServer

ISSUED = {"issued_api_key": key(), "secret": SECRET}


@pytest.mark.parametrize(
    ("line", "done"),
    [("issue n --actor a", "API key issued.\n"), ("issued rotate k1", "API key rotated.\n")],
)
def test_a_new_secret_is_a_row_and_comes_with_a_warning(
    server: FakeServer, ask: Run, line: str, done: str
) -> None:
    server.answer(ISSUED, status=201)
    result = ask("keys", *line.split())
    assert result.exit_code == 0
    assert result.stdout == (
        f"KEY ID\t\t{KEY_ID}\t\n"
        "NAME\t\tbilling\t\t\t\t\t\n"
        "ACTOR ID\tuser:1\t\t\t\t\t\n"
        "STATUS\t\tKEY_STATUS_ACTIVE\t\t\t\n"
        "SCOPES\t\tread, write\t\t\t\t\n"
        f"SECRET\t\t{SECRET}\t\t\n"
    )
    assert result.stderr == done + (
        "Save the secret now: it is shown this once and cannot be had again.\n"
    )


def test_the_secret_can_be_taken_from_the_json(server: FakeServer, ask: Run) -> None:
    server.answer(ISSUED, status=201)
    result = ask("keys", "issue", "n", "--actor", "a", "--format", "json")
    assert json.loads(result.stdout)["secret"] == SECRET
    assert result.stdout.count("\n") == 1
    server.answer(ISSUED, status=201)
    result = ask("keys", "issue", "n", "--actor", "a", "--format", "jsonpointer=/secret")
    assert result.stdout == f'"{SECRET}"\n'


def test_quiet_leaves_the_notes(server: FakeServer, ask: Run) -> None:
    server.answer(ISSUED, status=201)
    result = ask("keys", "issue", "n", "--actor", "a", "-q")
    assert result.stdout == KEY_ID + "\n"
    assert "Save the secret now" in result.stderr


def test_a_list_is_a_table_with_one_header(server: FakeServer, ask: Run) -> None:
    used = key(name="b", scopes=[], last_used_time="2026-01-01T01:02:03.123456789Z")
    server.answer({"issued_api_keys": [key(), used], "next_page_token": "t-1"})
    result = ask("keys", "issued", "list")
    assert result.stdout == (
        "KEY ID\t\t\t\t\tNAME\tACTOR ID\tSTATUS\t\t\tSCOPES\t\t"
        "EXPIRES\t\t\tCREATED\t\t\tLAST USED\t\t\n"
        f"{KEY_ID}\tbilling\tuser:1\t\tKEY_STATUS_ACTIVE\tread, write\t"
        "2026-01-02T00:00:00Z\t2026-01-01T00:00:00Z\t\t\t\t\n"
        f"{KEY_ID}\tb\tuser:1\t\tKEY_STATUS_ACTIVE\t\t\t"
        "2026-01-02T00:00:00Z\t2026-01-01T00:00:00Z\t2026-01-01T01:02:03Z\t\n"
    )
    assert result.stderr == "Next page token: t-1\n"


def test_a_list_as_json_is_the_answer(server: FakeServer, ask: Run) -> None:
    server.answer({"imported_api_keys": [], "next_page_token": ""})
    result = ask("keys", "imported", "list", "--format", "json")
    assert result.stdout == '{"imported_api_keys":[],"next_page_token":""}\n'
    assert result.stderr == ""


def test_an_empty_list(server: FakeServer, ask: Run) -> None:
    server.answer({"issued_api_keys": [], "next_page_token": ""})
    assert ask("keys", "issued", "list").stdout == "\t".join([*LIST_COLUMNS, "\n"])
    server.answer({"issued_api_keys": [], "next_page_token": ""})
    assert ask("keys", "issued", "list", "-q").stdout == "\n"


def test_a_valid_key(server: FakeServer, ask: Run) -> None:
    server.answer(verification())
    result = ask("keys", "verify", "c1")
    assert result.stdout == (
        f"KEY ID\t\t{KEY_ID}\t\n"
        "IS VALID\ttrue\t\t\t\t\t\n"
        "STATUS\t\tKEY_STATUS_ACTIVE\t\t\t\n"
        "ACTOR ID\tuser:1\t\t\t\t\t\n"
        "SCOPES\t\tread\t\t\t\t\t\n"
    )
    assert (result.stderr, result.exit_code) == ("API key is VALID\n", 0)


def test_an_invalid_key_is_a_result_and_exit_code_1(server: FakeServer, ask: Run) -> None:
    server.answer(invalid("REVOKED", "key is revoked"))
    result = ask("keys", "verify", "c1", "--format", "jsonpath=error_code")
    assert result.stdout == '"VERIFICATION_ERROR_REVOKED"\n'
    assert result.stderr == "API key is INVALID (VERIFICATION_ERROR_REVOKED: key is revoked)\n"
    assert result.exit_code == 1


def test_a_malformed_credential_is_an_error_line_only(server: FakeServer, ask: Run) -> None:
    server.answer(invalid("INVALID_FORMAT", "bad API key format"))
    result = ask("keys", "verify", "c1", "--format", "json")
    assert result.stdout == ""
    assert result.stderr == "Error: verify API key: bad API key format\n"
    assert result.exit_code == 1


def test_a_batch_verification_succeeds_whatever_the_verdicts(server: FakeServer, ask: Run) -> None:
    answer = {"results": [verification(), invalid("EXPIRED")]}
    server.answer(answer)
    result = ask("keys", "batch-verify", "c1", "c2")
    assert result.exit_code == 0
    assert result.stdout == (
        "KEY ID\t\t\t\t\tIS VALID\tSTATUS\t\t\tACTOR ID\tSCOPES\tERROR\t\t\t\t\n"
        f"{KEY_ID}\ttrue\t\tKEY_STATUS_ACTIVE\tuser:1\t\tread\t\t\t\t\t\n"
        "\t\t\t\t\tfalse\t\tKEY_STATUS_UNSPECIFIED\t\t\t\tVERIFICATION_ERROR_EXPIRED\t\n"
    )
    server.answer(answer)
    result = ask("keys", "batch-verify", "c1", "c2", "--format", "jsonpath=results.1.error_code")
    assert result.stdout == '"VERIFICATION_ERROR_EXPIRED"\n'


def test_a_derived_token(server: FakeServer, ask: Run) -> None:
    answer = {
        "token": {"token": "aaa.bbb.ccc", "expire_time": "2026-01-01T00:00:00Z", "claims": {}}
    }
    server.answer(answer)
    result = ask("keys", "derive-token", "c1")
    assert result.stdout == "TOKEN\t\taaa.bbb.ccc\t\t\nEXPIRE TIME\t2026-01-01T00:00:00Z\t\n"
    assert result.stderr == "Token derived.\n"
    server.answer(answer)
    assert ask("keys", "derive-token", "c1", "-q").stdout == "aaa.bbb.ccc\n"
    server.answer(answer)
    result = ask("keys", "derive-token", "c1", "--format", "jsonpath=token.token")
    assert result.stdout == '"aaa.bbb.ccc"\n'


def test_a_deletion(server: FakeServer, ask: Run) -> None:
    server.answer(status=204)
    result = ask("keys", "imported", "delete", "k1")
    assert result.stdout == "ID\tk1\t\nDeleted\ttrue\t\n"
    server.answer(status=204)
    result = ask("keys", "imported", "delete", "k1", "--format", "json")
    assert result.stdout == '{"id":"k1","deleted":true}\n'
    server.answer(status=204)
    result = ask("keys", "imported", "delete", "k1", "--format", "yaml")
    assert result.stdout == "id: k1\ndeleted: true\n"
    server.answer(status=204)
    assert ask("keys", "imported", "delete", "k1", "-q").stdout == "k1\n"


@pytest.mark.parametrize("flags", [[], ["--format", "json"], ["-q"]])
def test_self_revoke_prints_a_note_in_every_format(
    server: FakeServer, ask: Run, flags: list[str]
) -> None:
    server.answer({})
    result = ask("keys", "self-revoke", "c1", *flags)
    assert (result.stdout, result.stderr, result.exit_code) == ("", "API key revoked.\n", 0)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, {"error": {"code": 404, "message": "API key not found"}}, "API key not found"),
        (
            404,
            {
                "error": {
                    "code": 404,
                    "status": "Not Found",
                    "reason": "gone",
                    "message": "not found",
                }
            },
            "not found (reason: gone)",
        ),
        (404, {"error": {"reason": "gone"}}, "reason: gone"),
        (400, {"error": "bad thing"}, "bad thing"),
        (400, {"message": "bad thing"}, "bad thing"),
        (503, b"no healthy upstream", "no healthy upstream"),
        (502, b"<html>\n<b>Bad Gateway</b>\n</html>\n", "502 Bad Gateway from HOST"),
        (502, b"first line\nsecond line", "502 Bad Gateway from HOST"),
        (502, b"x" * 201, "502 Bad Gateway from HOST"),
        (503, b"", "503 Service Unavailable from HOST"),
        (500, {"error": {}}, "500 Internal Server Error from HOST"),
        (500, [1], "500 Internal Server Error from HOST"),
        (500, b"\xff\xfe\x1b[2J", "500 Internal Server Error from HOST"),
        (500, b"\x1b[2J", "500 Internal Server Error from HOST"),
        (500, b"[" * 100_000, "500 Internal Server Error from HOST"),
        (599, b"", "599 from HOST"),
        (500, {"error": {"message": "oh\n" * 3000}}, "oh " * 1365 + "o ..."),
        (400, {"error": {"message": "bad\nAPI key is VALID"}}, "bad API key is VALID"),
        (
            400,
            {"error": {"message": "validation errors:\n - name: too long\n - ttl: too long"}},
            "validation errors:\n - name: too long\n - ttl: too long",
        ),
    ],
)
def test_a_refusal_is_one_error_line(
    server: FakeServer, ask: Run, status: int, body: Any, said: str
) -> None:
    server.answer(body, status)
    result = ask("keys", "issued", "get", "k1")
    assert result.stdout == ""
    said = said.replace("HOST", server.url.removeprefix("http://"))
    assert result.stderr == f"Error: get issued API key: {said}\n"
    assert result.exit_code == 1


def test_a_redirect_is_not_followed(server: FakeServer, ask: Run) -> None:
    server.answer(status=307, headers={"Location": "https://elsewhere.example/"})
    result = ask("keys", "self-revoke", "c1")
    assert result.exit_code == 1
    host = server.url.removeprefix("http://")
    assert result.stderr == (
        f"Error: self-revoke API key: 307 Temporary Redirect from {host} "
        "(the server points to https://elsewhere.example/)\n"
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b'"x"', b"\xff", b"[" * 100_000])
def test_a_success_that_is_no_object_is_an_error(server: FakeServer, ask: Run, body: bytes) -> None:
    server.answer(body)
    result = ask("keys", "self-revoke", "c1")
    assert (result.stdout, result.exit_code) == ("", 1)
    assert result.stderr == (
        "Error: self-revoke API key: the answer is no JSON object; is this a Talos server?\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        "keys verify test-secret-credential",
        "keys batch-verify test-secret-credential other",
        "keys derive-token test-secret-credential",
        "keys self-revoke test-secret-credential",
        "keys imported import n --actor a --raw-key test-secret-credential",
    ],
)
def test_an_echoed_credential_does_not_reach_the_terminal(
    server: FakeServer, ask: Run, line: str
) -> None:
    server.answer(b"cannot route test-secret-credential", status=502)
    result = ask(*line.split())
    assert "cannot route [redacted]" in result.stderr
    assert "test-secret-credential" not in result.output


def test_answers_with_members_missing_leave_cells_empty(server: FakeServer, ask: Run) -> None:
    server.answer({"issued_api_keys": [{"key_id": "k1"}, None, 5]})
    result = ask("keys", "issued", "list")
    assert result.stdout == "\t".join([*LIST_COLUMNS, "\n"]) + "k1\t\t\t\t\t\t\t\t\t\t\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("issue n --actor a", "issue API key: the answer holds no secret"),
        ("issued rotate k1", "rotate issued API key: the answer holds no secret"),
        ("derive-token c1", "derive token: the answer holds no token"),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", {}, {"status": "ok"}, {"secret": "", "token": {"token": ""}}]
)
def test_a_success_of_something_else_is_an_error(
    server: FakeServer, ask: Run, line: str, said: str, body: Any
) -> None:
    server.answer(body)
    result = ask("keys", *line.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {said}; is this a Talos server?\n"
