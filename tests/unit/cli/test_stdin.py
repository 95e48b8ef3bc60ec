"""Secrets from standard input."""

import pytest

from tests.support.cli import Run
from tests.unit.cli.answers import key, verification
from tests.unit.cli.fake_server import FakeServer

CALLS = [
    ("keys verify -", verification(), "credential"),
    ("keys derive-token -", {"token": {"token": "t"}}, "credential"),
    ("keys self-revoke -", {}, "credential"),
    ("keys imported import n --actor a --raw-key -", key(), "raw_key"),
]


@pytest.mark.parametrize(("line", "answer", "member"), CALLS)
@pytest.mark.parametrize(
    ("stdin", "secret"),
    [
        ("test-secret", "test-secret"),
        ("test-secret\n", "test-secret"),
        ("test-secret\r\n", "test-secret"),
        ("test-secret\n\n", "test-secret\n"),
        (" test secret \n", " test secret "),
        ("é\u2028x", "é\u2028x"),
        ("-\n", "-"),
    ],
)
def test_a_dash_reads_the_secret(
    server: FakeServer, ask: Run, line: str, answer: object, member: str, stdin: str, secret: str
) -> None:
    server.answer(answer)
    result = ask(*line.split(), stdin=stdin)
    assert result.exit_code == 0, result.stderr
    assert server.only.json[member] == secret


@pytest.mark.parametrize("line", [line for line, _, _ in CALLS] + ["keys batch-verify -"])
@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "holds no"),
        (b"\n", "holds no"),
        (b"\xff", "not UTF-8"),
        (b"x" * 2**20 + b"x", "too long"),
    ],
)
def test_unusable_input_is_refused_before_any_call(
    server: FakeServer,
    ask: Run,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    stdin: bytes,
    said: str,
) -> None:
    monkeypatch.setattr("talos.cli.stdin._LONGEST_LIST", 2**20)
    result = ask(*line.split(), stdin=stdin)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert server.requests == []


def test_a_batch_reads_a_credential_a_line(server: FakeServer, ask: Run) -> None:
    server.answer({"results": [verification()] * 5})
    result = ask("keys", "batch-verify", "first", "-", "last", stdin="a\n\nb\u2028c\r\nd")
    assert result.exit_code == 0
    sent = [item["credential"] for item in server.only.json["requests"]]
    assert sent == ["first", "a", "b\u2028c", "d", "last"]


def test_standard_input_can_be_named_once(server: FakeServer, ask: Run) -> None:
    result = ask("keys", "batch-verify", "-", "-", stdin="a\n")
    assert result.exit_code == 1
    assert result.stderr == '"-" stands for standard input and can be given once\n'


def test_a_terminal_is_asked_without_echo(
    server: FakeServer, ask: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talos.cli.stdin._is_terminal", lambda: True)
    server.answer(verification())
    result = ask("keys", "verify", "-", "-q", stdin="test-secret\n")
    assert result.exit_code == 0
    assert server.only.json == {"credential": "test-secret"}
    assert "test-secret" not in result.output
    assert "credential: " in result.stderr
