"""``keys verify``: yes, no, and nobody knows are three things."""

import json
from typing import Any

import pytest

from talos.cli.client import Client
from tests.support.cli import Run
from tests.unit.cli.answers import invalid, verification
from tests.unit.cli.fake_server import FakeServer

STORAGE_ERRORS = invalid("INTERNAL", "the database does not answer")


def test_a_server_that_cannot_decide(server: FakeServer, ask: Run) -> None:
    server.answer(STORAGE_ERRORS)
    result = ask("keys", "verify", "c1")
    assert result.exit_code == 3
    assert "IS VALID\tUNKNOWN\t" in result.stdout
    assert "INVALID" not in result.output
    assert result.stderr == (
        "API key is UNKNOWN (VERIFICATION_ERROR_INTERNAL: the database does not answer)\n"
    )
    server.answer(STORAGE_ERRORS)
    result = ask("keys", "verify", "c1", "--format", "json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error_code"] == "VERIFICATION_ERROR_INTERNAL"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"error": {"message": "oh"}}),
        (503, {"error": {"message": "down"}}),
        (504, b""),
        (502, b"<html>Bad Gateway</html>"),
        (401, b"<html>who are you</html>"),
        (403, {"error": {"message": "no"}}),
        (404, {"error": {"message": "no such route"}}),
        (400, b"<html>Bad Request</html>"),
        (400, {"message": "not our envelope"}),
        (429, b"slow down"),
        (307, b""),
        (204, b""),
        (200, b"<html>please log in</html>"),
        (200, []),
        (200, {}),
        (200, {"status": "ok"}),
        (200, {"is_valid": None}),
        (200, {"is_valid": "true"}),
        (200, {"is_valid": 1}),
    ],
)
def test_trouble_is_no_verdict(server: FakeServer, ask: Run, status: int, body: Any) -> None:
    server.answer(body, status)
    result = ask("keys", "verify", "c1")
    assert result.exit_code == 3
    assert "API key is UNKNOWN" in result.stderr.splitlines()
    assert "INVALID" not in result.output
    assert "IS VALID\ttrue" not in result.stdout
    assert "IS VALID\tfalse" not in result.stdout


@pytest.mark.parametrize(
    "flags",
    [
        ("-e", "http://127.0.0.1:1"),
        ("-e", "unix:/nowhere/talos.sock"),
        ("-e", "nonsense"),
        ("--token-file", "/nowhere/token"),
        ("-e", "https://127.0.0.1:1", "--cacert", "/nowhere/ca.pem"),
    ],
)
def test_a_server_that_is_not_reached(talos: Run, flags: tuple[str, ...]) -> None:
    result = talos("keys", "verify", "c1", *flags)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.splitlines()[-1] == "API key is UNKNOWN"
    assert len(result.stderr.splitlines()) == 2


def test_an_interrupt(talos: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "send", interrupt)
    result = talos("keys", "verify", "c1")
    assert (result.exit_code, result.stderr) == (3, "interrupted\nAPI key is UNKNOWN\n")


def test_a_verdict_that_nobody_can_read(server: FakeServer, ask: Run) -> None:
    """A path that is not there is an error of the output, and says nothing about the key."""
    server.answer(verification())
    result = ask("keys", "verify", "c1", "--format", "jsonpointer=/nothing")
    assert (result.exit_code, result.stdout) == (3, "")


@pytest.mark.parametrize(
    "answer",
    [
        (200, invalid("REVOKED")),
        (200, invalid("NOT_FOUND")),
        (200, invalid("RATE_LIMITED")),
        (200, invalid("INVALID_FORMAT")),
        (200, {"error_code": "VERIFICATION_ERROR_REVOKED"}),
        (200, {"is_valid": False}),
        (400, {"error": {"code": 400, "message": "validation error: credential: too long"}}),
    ],
)
def test_no_is_exit_code_1(server: FakeServer, ask: Run, answer: tuple[int, Any]) -> None:
    status, body = answer
    server.answer(body, status)
    result = ask("keys", "verify", "c1")
    assert result.exit_code == 1
    assert "UNKNOWN" not in result.output.replace("STATUS_UNKNOWN", "")


@pytest.mark.parametrize("line", ["keys verify", "keys verify c1 --nonsense", "keys verify -"])
def test_mistakes_on_the_command_line_are_exit_code_1(talos: Run, line: str) -> None:
    assert talos(*line.split(), stdin="").exit_code == 1


def test_a_batch_shows_what_could_not_be_decided(server: FakeServer, ask: Run) -> None:
    server.answer({"results": [verification(), invalid("REVOKED"), STORAGE_ERRORS]})
    result = ask("keys", "batch-verify", "c1", "c2", "c3")
    assert result.exit_code == 0
    shown = [line.split("\t") for line in result.stdout.splitlines()[1:]]
    assert ["true" in shown[0], "false" in shown[1], "UNKNOWN" in shown[2]] == [True] * 3


@pytest.mark.parametrize("results", [[], [verification()], [verification()] * 3, None, [1, 2]])
def test_a_batch_with_another_number_of_verdicts_is_an_error(
    server: FakeServer, ask: Run, results: Any
) -> None:
    server.answer({"results": results})
    result = ask("keys", "batch-verify", "c1", "c2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "2 credentials were sent" in result.stderr
