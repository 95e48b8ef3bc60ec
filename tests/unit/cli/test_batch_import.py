"""Batch import: rows are checked, sent, and reported under their lines."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from talos.cli.client import Client, Response
from talos.cli.keys import batch_import as module
from talos.cli.keys.import_rows import Row
from tests.support.cli import Run
from tests.unit.cli.answers import key
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
        "INDEX\tKEY ID\tNAME\tSTATUS\tERROR\t\tLINE\t\n"
        "0\tid-0\tn-id-0\tsuccess\t\t\t2\t\n"
        "1\t\t\texists\tthere already\t8\t\n"
    )
    assert result.stderr == "Imported 1 of 2 API keys; 1 exists already.\n"
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


def test_an_answer_without_any_success_is_exit_code_1(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(0)]))
    server.answer(answer(failure(0, "INTERNAL", "oh")))
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n")
    assert result.stderr == "Imported 0 of 1 API keys; 1 failed.\n"


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
    items = [item(number, name="é" * 20) for number in range(4)]
    too_long = item(4, metadata={"x": "x" * 400})
    file.write_text(json.dumps([*items, too_long, item(5)], ensure_ascii=False))
    for _ in range(6):
        server.answer(answer(success(0, "x"), success(1, "x")))
    result = ask(*COMMAND, str(file))
    assert "is longer than the 300 bytes that a request can hold" in result.stdout
    assert [number for request in server.requests for number in request.json["requests"]] == [
        *items,
        item(5),
    ]
    assert max(len(request.body) for request in server.requests) <= 300
    assert len(server.requests) < 6


@pytest.mark.usefixtures("two_an_item")
def test_the_keys_of_a_refused_request_are_sent_one_by_one(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(number) for number in range(6)], indent=0))
    server.refuse(409, "keys already exist", "API_KEY_EXISTS")
    server.refuse(409, "key already imported", "API_KEY_EXISTS")
    server.refuse(409, "raw_key matches the issued api key pattern", "CONFLICT")
    server.answer(answer(success(0, "id-2"), success(1, "id-3")))
    server.refuse(400, "what only this server knows")
    server.refuse(400, "what is wrong with this key")
    server.answer(key(key_id="id-5"), 201)
    result = ask(*COMMAND, str(file), "--format", "json")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert [entry["status"] for entry in shown["results"]] == [
        *("exists", "failed", "success", "success", "failed", "success")
    ]
    codes = [entry.get("error_code", "").rpartition("_ERROR_")[2] for entry in shown["results"]]
    assert codes == ["ALREADY_EXISTS", "FAILED_PRECONDITION", "", "", "INVALID_ARGUMENT", ""]
    assert shown["results"][4]["error_message"] == "what is wrong with this key"
    counts = [shown[f"{state}_count"] for state in ("success", "exists", "failure")]
    assert counts == [3, 1, 2]
    assert [entry["line"] for entry in shown["results"]] == [2, 7, 12, 17, 22, 27]
    assert result.stderr == "Imported 3 of 6 API keys; 1 exists already, 2 failed.\n"
    alone = [request for request in server.requests if request.target.endswith("ApiKeys")]
    assert [request.json for request in alone] == [item(0), item(1), item(4), item(5)]


def test_a_request_id_has_no_effect_alone_either(server: FakeServer, ask: Run, file: Path) -> None:
    items = [item(0, request_id="r-0"), item(1, requestId="r-1")]
    file.write_text(json.dumps(items))
    server.refuse(409, "all keys already exist", "API_KEY_EXISTS")
    server.refuse(409, "all keys already exist", "API_KEY_EXISTS")
    server.answer(answer(success(0, "id-1")))
    result = ask(*COMMAND, str(file), "--format", "jsonpath=exists_count")
    assert (result.exit_code, result.stdout) == (0, "1\n")
    assert [request.json["requests"] for request in server.requests] == [
        items,
        [items[0]],
        [items[1]],
    ]


@pytest.mark.parametrize(
    ("flags", "code", "shown"), [((), 1, "0\n1\n"), (("--skip-existing",), 0, "\n")]
)
def test_keys_that_all_exist(
    server: FakeServer, ask: Run, file: Path, flags: tuple[str, ...], code: int, shown: str
) -> None:
    file.write_text(json.dumps([item(0), item(1)]))
    for _ in range(3):
        server.refuse(409, "key already imported", "API_KEY_EXISTS")
    result = ask(*COMMAND, str(file), "-q", *flags)
    assert (result.exit_code, result.stdout) == (code, shown)
    assert result.stderr == "Imported 0 of 2 API keys; 2 exist already.\n"


def test_a_failed_key_is_no_existing_one(server: FakeServer, ask: Run, file: Path) -> None:
    file.write_text(json.dumps([item(0), item(1)]))
    server.refuse(409, "keys already exist", "API_KEY_EXISTS")
    server.refuse(409, "key already imported", "API_KEY_EXISTS")
    server.refuse(409, "raw_key matches the issued api key pattern", "CONFLICT")
    result = ask(*COMMAND, str(file), "-q", "--skip-existing")
    assert (result.exit_code, result.stdout) == (1, "1\n")


def test_errors_only(server: FakeServer, ask: Run, file: Path) -> None:
    file.write_text(json.dumps([item(0), item(1), item(2, name=""), item(3)]))
    server.answer(answer(success(0, "a"), failure(1, "ALREADY_EXISTS", "there"), success(2, "b")))
    result = ask(*COMMAND, str(file), "-q", "--errors-only")
    assert (result.exit_code, result.stdout) == (0, "1\n2\n")


@pytest.mark.usefixtures("two_an_item")
def test_a_quota_that_is_reached_ends_the_import(server: FakeServer, ask: Run, file: Path) -> None:
    file.write_text(json.dumps([item(number) for number in range(6)], indent=0))
    server.answer(answer(success(0, "id-0"), success(1, "id-1")))
    server.refuse(402, "quota", "API_KEY_QUOTA_EXCEEDED")
    server.refuse(409, "key already imported", "API_KEY_EXISTS")
    server.refuse(402, "the quota is reached", "API_KEY_QUOTA_EXCEEDED")
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n1\n2\n")
    last = result.stderr.splitlines()[-1]
    assert last == "line 17: Error: batch import API keys: the quota is reached"
    assert len(server.requests) == 4


def test_rows_with_a_fault_are_told_by_their_line_and_the_others_are_sent(
    server: FakeServer, ask: Run, file: Path
) -> None:
    items: list[Any] = [
        *(item(0), item(1, ttl="soon"), item(2, name=""), None, 5, item(5), item(6, ttl="1ns")),
        *({"name": "test-secret"}, item(8, metadata={"a": "\0"}), item(9, scopes="a")),
    ]
    text = ",\n".join(json.dumps(entry) for entry in items)
    deep = (
        '{"raw_key":"d","name":"n","actor_id":"a","metadata":{"a":' + "[" * 254 + "]" * 254 + "}}"
    )
    twice = '{"raw_key":"d","name":"n","name":"n","actor_id":"a"}'
    file.write_text(f"[{text},\n{deep},\n{twice}]")
    server.answer(answer(success(0, "id-0"), success(1, "id-5")))
    result = ask(*COMMAND, str(file))
    assert result.exit_code == 0
    assert server.only.json["requests"] == [item(0), item(5)]
    rows = [[cell for cell in line.split("\t") if cell] for line in result.stdout.splitlines()[1:]]
    assert [row[-1] for row in rows] == [str(line) for line in range(1, 13)]
    said = {int(row[-1]): row[2] for row in rows if "failed" in row}
    assert sorted(said) == [2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    assert said[2].startswith("ttl: must be a duration")
    assert said[3].startswith("name: must have 1 to 255")
    assert said[4] == said[5] == "must be an object"
    assert "raw_key: " in said[8]
    assert "; " in said[8]
    assert said[12] == "name: is given twice"
    assert result.stderr.splitlines() == [
        f"10 of 12 rows cannot be imported and are left out; the first is line 2: {said[2]}",
        "Imported 2 of 12 API keys; 10 failed.",
    ]
    assert "test-secret" not in result.output


def test_a_file_without_a_good_row_asks_nobody(server: FakeServer, ask: Run, file: Path) -> None:
    file.write_text("[{}, {}]")
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n1\n")
    assert server.requests == []


def test_a_duplicate_is_told_by_the_line_of_the_first(
    server: FakeServer, ask: Run, file: Path
) -> None:
    file.write_text(json.dumps([item(0), item(1), item(1)], indent=0))
    message = "key already imported (duplicate detected at index 1)"
    server.answer(answer(success(0, "a"), success(1, "b"), failure(2, "ALREADY_EXISTS", message)))
    result = ask(*COMMAND, str(file))
    assert "(duplicate detected in line 7)" in result.stdout


@pytest.mark.parametrize(
    "results",
    [
        [],
        [1, None],
        [{"index": 7, "imported_api_key": {"key_id": "x"}}],
        [{"index": "0", "imported_api_key": {"key_id": "x"}}] * 9,
        [{"imported_api_key": 5, "error_message": 5, "error_code": {}}],
        [{"index": True, "error_message": "at index 99999999999"}],
    ],
)
def test_answers_that_do_not_fit_give_every_row_one_result(
    server: FakeServer, ask: Run, file: Path, results: list[Any]
) -> None:
    file.write_text(json.dumps([item(0), item(1)]))
    server.answer({"results": results})
    result = ask(*COMMAND, str(file), "-q")
    assert result.stdout == "0\n1\n"


@pytest.mark.usefixtures("two_an_item")
def test_a_server_in_trouble_stops_the_import(server: FakeServer, ask: Run, file: Path) -> None:
    file.write_text(json.dumps([item(number) for number in range(8)], indent=0))
    server.answer(answer(success(0, "id-0"), success(1, "id-1")))
    server.refuse(503, "database connection failed", "SERVICE_UNAVAILABLE")
    result = ask(*COMMAND, str(file), "--format", "jsonpath=success_count")
    assert (result.exit_code, result.stdout) == (1, "2\n")
    assert result.stderr == (
        "Imported 2 of 2 API keys.\n"
        "Error: batch import API keys: database connection failed; the keys of lines 12 to 17 may "
        "have been imported, and nothing behind them was sent\n"
    )
    assert len(server.requests) == 2


@pytest.mark.usefixtures("two_an_item")
def test_an_interrupt_still_shows_what_was_imported(
    server: FakeServer, ask: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(json.dumps([item(number) for number in range(6)]))
    server.answer(answer(success(0, "id-0"), success(1, "id-1")))
    send = Client.send

    def interrupted(*args: Any, **kwargs: Any) -> Response:
        if server.requests:
            raise KeyboardInterrupt
        return send(*args, **kwargs)

    monkeypatch.setattr(Client, "send", interrupted)
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n1\n")
    assert result.stderr.endswith(
        "interrupted; the keys of lines 1 to 1 may have been imported, and nothing behind them "
        "was sent\n"
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
    monkeypatch.setattr("talos.cli.keys.batch_import._checked", lambda _source, _form: None)
    text = json.dumps([item(number) for number in range(5)])[:-1] + ", {]"
    for _ in range(2):
        server.answer(answer(success(0, "x"), success(1, "x")))
    result = ask(*COMMAND, "-", "-q", stdin=text)
    assert (result.exit_code, result.stdout) == (1, "0\n1\n2\n3\n")
    assert result.stderr == (
        "Imported 4 of 4 API keys.\n"
        "the input line 1: item 5 is no valid JSON, or too long; nothing from there on was sent\n"
    )


@pytest.mark.usefixtures("two_an_item")
def test_a_file_that_breaks_off_while_it_is_sent(
    server: FakeServer, ask: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_source: object, _form: object) -> Iterator[Row]:
        yield from (Row(number, 1, json.dumps(item(number))) for number in range(5))
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "_checked", lambda _source, _form: 5)
    monkeypatch.setattr(module, "read_rows", failing)
    for _ in range(2):
        server.answer(answer(success(0, "x"), success(1, "x")))
    file.touch()
    result = ask(*COMMAND, str(file), "-q")
    assert (result.exit_code, result.stdout) == (1, "0\n1\n2\n3\n")
    assert result.stderr.endswith("the input Input/output error; nothing from there on was sent\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no keys"),
        (b" \n\t", "holds no keys"),
        (b"[]", "holds no keys"),
        (b"  [ ]  ", "holds no keys"),
        (b"[{}", "line 1: item 0 is not followed by a comma or the array's end"),
        (b"[{},\n]", "line 2: item 1 is no valid JSON"),
        (b"[{} {}]", "line 1: item 0 is not followed by a comma"),
        (b"[{}\n] x", "line 2: goes on behind the end of the array"),
        (b'[{"a": NaN}]', "line 1: item 0 is no valid JSON"),
        (b'[{"a": ]', "item 0 is no valid JSON"),
        (b'[{"a": ' + b"[" * 100_000 + b"]", "item 0 is no valid JSON"),
        (b'[{"a": "\xff"}]', "is not UTF-8"),
        (b'[{"raw_key": "test-secret-key", }]', "item 0 is no valid JSON"),
        ("[{}]".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"5", "is neither JSON nor CSV"),
        (b"name,actor_id\n", "is neither JSON nor CSV"),
        (b"raw_key,name,actor_id,colour\n", "is neither JSON nor CSV"),
        (b"raw_key,name,actor_id,name\n", "is neither JSON nor CSV"),
        (b"raw_key,name,actor_id\n", "holds no keys"),
        (b'raw_key,name,actor_id\n"test-secret-key"x,a,a\n', "is no CSV: "),
        (b'raw_key,name,actor_id\n"test-secret-key,a,a\n', "is no CSV: "),
        (b"raw_key,name,actor_id\n\xff,a,a\n", "line 2 is not UTF-8"),
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
    file.write_text(json.dumps([item(number) for number in range(9)])[:-1] + ", {]")
    result = ask(*COMMAND, str(file))
    assert result.exit_code == 1
    assert "item 9 is no valid JSON" in result.stderr
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
        seen = [(7, 2, None), (7, 0, 3), (7, 2, 3), (7, 3, 3)]
        assert moved == (seen if terminal else [])
