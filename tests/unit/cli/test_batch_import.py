"""Batch import: one request as it is, many merged under the positions of the file."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from talos.cli.client import Answer, Client
from talos.cli.keys import batch_import as module
from tests.unit.cli.answers import key
from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_server import FakeServer

COMMAND = ("keys", "imported", "batch-import", "--file")


def item(number: int, **members: Any) -> dict[str, Any]:
    return {"raw_key": f"test-key-{number}", "name": f"k{number}", "actor_id": "a", **members}


def success(index: int, key_id: str) -> dict[str, Any]:
    return {"index": index, "imported_api_key": key(key_id=key_id, name=f"n-{key_id}")}


def failure(index: int, code: str, message: str) -> dict[str, Any]:
    return {
        "index": index,
        "imported_api_key": None,
        "error_code": f"BATCH_CREATE_IMPORTED_API_KEYS_ERROR_{code}",
        "error_message": message,
    }


def answer(*results: dict[str, Any]) -> dict[str, Any]:
    failed = sum("error_code" in result for result in results)
    return {
        "results": list(results),
        "success_count": len(results) - failed,
        "failure_count": failed,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def two_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of two items."""
    monkeypatch.setattr(module, "MOST_ITEMS", 2)


@pytest.mark.parametrize("name", ["batch-import", "import-batch"])
def test_a_small_file_is_one_request(server: FakeServer, ask: Run, file: Path, name: str) -> None:
    file.write_text(json.dumps([item(0, ttl="1h"), item(1)], indent=4))
    server.answer(answer(success(0, "id-0"), failure(1, "ALREADY_EXISTS", "there already")))
    result = ask("keys", "imported", name, "--file", str(file))
    assert result.exit_code == 0
    assert result.stdout == (
        "INDEX\tKEY ID\tNAME\tSTATUS\tERROR\t\t\n"
        "0\tid-0\tn-id-0\tsuccess\t\t\t\n"
        "1\t\t\tfailed\tthere already\t\n"
    )
    assert result.stderr == "Imported 1 of 2 API keys.\n"
    request = server.only
    assert (request.method, request.target) == (
        "POST",
        "/v2alpha1/admin/importedApiKeys:batchCreate",
    )
    assert request.json == {"requests": [item(0, ttl="1h"), item(1)]}


def test_the_json_of_one_request_is_its_answer(server: FakeServer, ask: Run, file: Path) -> None:
    file.write_text(json.dumps([item(0)]))
    server.answer(answer(success(0, "id-0")))
    result = ask(*COMMAND, str(file), "--format", "json")
    shown = json.loads(result.stdout)
    assert shown["success_count"] == 1
    assert shown["failure_count"] == 0
    assert shown["results"][0]["imported_api_key"]["key_id"] == "id-0"
    assert list(shown) == sorted(shown)


def test_a_refusal_of_the_only_request_is_an_error(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(0)]))
    server.refuse(409, "all keys already exist", "API_KEY_EXISTS")
    result = ask(*COMMAND, str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: batch import API keys: all keys already exist\n"


def test_an_answer_without_any_success_is_exit_code_1(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(0)]))
    server.answer(answer(failure(0, "INTERNAL", "oh")))
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n")
    assert result.stderr == "Imported 0 of 1 API keys.\n"


@pytest.mark.usefixtures("two_an_item")
def test_a_large_file_is_split_and_its_indexes_go_on(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(number) for number in range(5)]))
    server.answer(answer(success(0, "id-0"), success(1, "id-1")))
    server.answer(answer(failure(0, "INVALID_ARGUMENT", "bad"), success(1, "id-3")))
    server.answer(answer(success(0, "id-4")))
    result = ask(*COMMAND, str(file), "--format", "json")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert [entry["index"] for entry in shown["results"]] == [0, 1, 2, 3, 4]
    ids = [entry.get("imported_api_key", {}).get("key_id") for entry in shown["results"]]
    assert ids == ["id-0", "id-1", None, "id-3", "id-4"]
    assert (shown["success_count"], shown["failure_count"]) == (4, 1)
    assert [request.json["requests"] for request in server.requests] == [
        [item(0), item(1)],
        [item(2), item(3)],
        [item(4)],
    ]


def test_requests_hold_1000_items(server: FakeServer, ask: Run, file: Path) -> None:
    file.write_text(json.dumps([item(number) for number in range(2001)]))
    for size in (1000, 1000, 1):
        server.answer(answer(*(success(index, "x") for index in range(size))))
    result = ask(*COMMAND, str(file), "-q")
    assert result.stdout == "".join(f"{index}\n" for index in range(2001))
    assert [len(request.json["requests"]) for request in server.requests] == [1000, 1000, 1]


def test_requests_stay_below_the_servers_limit(
    server: FakeServer, ask: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_BODY", 300)
    items = [item(number, name="é" * 20) for number in range(4)] + [item(4, name="x" * 400)]
    file.write_text(json.dumps([*items, item(5)], ensure_ascii=False))
    for _ in range(6):
        server.answer(answer(success(0, "x"), success(1, "x")))
    ask(*COMMAND, str(file))
    sizes = [len(request.body) for request in server.requests]
    assert [number for request in server.requests for number in request.json["requests"]] == [
        *items,
        item(5),
    ]
    assert len([size for size in sizes if size > 300]) == 1
    assert len(sizes) < 6


@pytest.mark.usefixtures("two_an_item")
def test_a_refused_request_fails_its_items_and_no_others(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(number) for number in range(6)]))
    server.refuse(409, "keys already exist", "API_KEY_EXISTS")
    server.answer(answer(success(0, "id-2"), success(1, "id-3")))
    server.refuse(400, "unreadable ttl")
    result = ask(*COMMAND, str(file))
    assert result.exit_code == 0
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2", "3", "4", "5"]
    assert "request refused: keys already exist" in rows[1]
    assert "request refused: unreadable ttl" in rows[6]
    assert result.stderr == "Imported 2 of 6 API keys.\n"


@pytest.mark.usefixtures("two_an_item")
def test_refusals_of_every_request_are_exit_code_1(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(number) for number in range(4)]))
    server.refuse(409, "keys already exist", "API_KEY_EXISTS")
    server.refuse(402, "quota", "API_KEY_QUOTA_EXCEEDED")
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n1\n2\n3\n")


@pytest.mark.usefixtures("two_an_item")
def test_a_server_in_trouble_stops_the_import(server: FakeServer, ask: Run, file: Path) -> None:
    file.write_text(json.dumps([item(number) for number in range(8)]))
    server.answer(answer(success(0, "id-0"), success(1, "id-1")))
    server.refuse(503, "database connection failed", "SERVICE_UNAVAILABLE")
    result = ask(*COMMAND, str(file), "--format", "jsonpath=success_count")
    assert (result.exit_code, result.stdout) == (1, "2\n")
    assert result.stderr == (
        "Imported 2 of 2 API keys.\n"
        "Error: batch import API keys: database connection failed; "
        "items 2 to 3 may have been imported; items from 4 on were not sent\n"
    )
    assert len(server.requests) == 2


@pytest.mark.usefixtures("two_an_item")
def test_an_interrupt_still_shows_what_was_imported(
    server: FakeServer, ask: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(json.dumps([item(number) for number in range(6)]))
    server.answer(answer(success(0, "id-0"), success(1, "id-1")))
    send = Client.send

    def interrupted(*args: Any, **kwargs: Any) -> Answer:
        if server.requests:
            raise KeyboardInterrupt
        return send(*args, **kwargs)

    monkeypatch.setattr(Client, "send", interrupted)
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n1\n")
    assert result.stderr.endswith(
        "interrupted; items 2 to 3 may have been imported; items from 4 on were not sent\n"
    )


def test_standard_input_is_a_file_too(server: FakeServer, ask: Run) -> None:
    server.answer(answer(success(0, "id-0")))
    result = ask(*COMMAND, "-", "-q", stdin=json.dumps([item(0)]))
    assert (result.exit_code, result.stdout) == (0, "0\n")
    assert server.only.json == {"requests": [item(0)]}


@pytest.mark.usefixtures("two_an_item")
def test_input_that_cannot_be_read_twice_stops_where_it_breaks(
    server: FakeServer, ask: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talos.cli.keys.batch_import._count", lambda _source: None)
    text = json.dumps([item(number) for number in range(6)])[:-1] + ", 5]"
    for _ in range(2):
        server.answer(answer(success(0, "x"), success(1, "x")))
    result = ask(*COMMAND, "-", "-q", stdin=text)
    assert (result.exit_code, result.stdout) == (1, "0\n1\n2\n3\n")
    assert result.stderr == (
        "Imported 4 of 4 API keys.\n"
        "the input item 6 is no JSON object; items from 4 on were not sent\n"
    )


@pytest.mark.usefixtures("two_an_item")
def test_a_file_that_breaks_off_while_it_is_sent(
    server: FakeServer, ask: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_source: object) -> Iterator[str]:
        yield from map(json.dumps, map(item, range(5)))
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "_count", lambda _source: 5)
    monkeypatch.setattr(module, "read_items", failing)
    for _ in range(2):
        server.answer(answer(success(0, "x"), success(1, "x")))
    file.touch()
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n1\n2\n3\n")
    assert result.stderr.endswith(
        "the input cannot be read: Input/output error; items from 4 on were not sent\n"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must hold a JSON array of objects"),
        (b"{}", "must hold a JSON array of objects"),
        (b"[]", "holds no keys"),
        (b"  [ ]  ", "holds no keys"),
        (b"[{}", "item 0 is not followed by a comma or the array's end"),
        (b"[{},]", "item 1 is no JSON object"),
        (b"[{}, null]", "item 1 is no JSON object"),
        (b"[{} {}]", "item 0 is not followed by a comma"),
        (b"[{}] x", "goes on behind the end of the array"),
        (b'[{"a": NaN}]', "item 0 is no valid JSON"),
        (b'[{"a": ]', "item 0 is no valid JSON"),
        (b'[{"a": ' + b"[" * 100_000 + b"]", "item 0 is no valid JSON"),
        (b'[{"a": "\xff"}]', "is not UTF-8"),
        (b"\xef\xbb\xbf[{}]", "must hold a JSON array of objects"),
        (b'[{"raw_key": "test-secret-key", }]', "item 0 is no valid JSON"),
    ],
)
def test_a_broken_file_is_refused_before_any_call(
    server: FakeServer, ask: Run, file: Path, content: bytes, said: str
) -> None:
    file.write_bytes(content)
    result = ask(*COMMAND, str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert result.stderr.startswith(str(file))
    assert "test-secret-key" not in result.output
    assert server.requests == []


@pytest.mark.usefixtures("two_an_item")
def test_a_fault_at_the_end_of_a_large_file_is_found_first(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(number) for number in range(9)])[:-1] + ", 7]")
    result = ask(*COMMAND, str(file))
    assert result.exit_code == 1
    assert "item 9 is no JSON object" in result.stderr
    assert server.requests == []


def test_a_file_that_is_not_there(server: FakeServer, ask: Run, tmp_path: Path) -> None:
    result = ask(*COMMAND, str(tmp_path / "none"))
    assert result.stderr == f"cannot read {tmp_path / 'none'}: No such file or directory\n"
    assert result.exit_code == 1
    assert ask(*COMMAND, str(tmp_path)).exit_code == 1


@pytest.mark.usefixtures("two_an_item")
def test_a_progress_bar_is_shown_on_a_terminal(
    server: FakeServer, ask: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[tuple[int, int, int | None]] = []

    class Bar:
        def __init__(self, *_columns: object, console: Any, transient: bool) -> None:
            assert console.stderr

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_error: object) -> None:
            pass

        def add_task(self, _name: str, total: int | None) -> int:
            return 7

        def update(self, task: int, completed: int, total: int | None) -> None:
            moved.append((task, completed, total))

    monkeypatch.setattr("rich.progress.Progress", Bar)
    file.write_text(json.dumps([item(number) for number in range(3)]))
    for terminal in (False, True):
        monkeypatch.setattr("talos.cli.progress._on_terminal", lambda shown=terminal: shown)
        server.answer(answer(success(0, "x"), success(1, "x")))
        server.answer(answer(success(0, "x")))
        assert ask(*COMMAND, str(file), "-q").exit_code == 0
        assert moved == ([(7, 0, 3), (7, 2, 3), (7, 3, 3)] if terminal else [])
