"""The rows of JSON arrays, NDJSON and CSV, friendly and hostile."""

import csv
import io
import json
import sys
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.cli.keys import import_rows
from talos.cli.keys.import_rows import COLUMNS, FileError, Row, fault_of, read_rows

HEADER = "raw_key,name,actor_id"
CELLS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def rows(content: str | bytes, form: str | None = None) -> list[Row]:
    data = content.encode() if isinstance(content, str) else content
    return list(read_rows(io.BytesIO(data), form))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("form", [None, "given"])
def test_the_first_character_tells_the_form(mark: str, form: str | None) -> None:
    key = {"raw_key": "k", "name": "n", "actor_id": "a"}
    for name, text in (
        ("json", f" \n[{json.dumps(key)}]"),
        ("ndjson", f"\n {json.dumps(key)}\r\n"),
        ("csv", f"{HEADER}\nk,n,a\n"),
    ):
        (row,) = rows(mark + text, name if form else None)
        assert json.loads(row.text) == key
        assert (row.index, row.line, row.fault) == (0, 2, "")


def test_the_blanks_before_the_first_character_are_bounded() -> None:
    with pytest.raises(FileError, match="holds no keys"):
        list(read_rows(Endless(b" " * 4096)))


def test_lines_of_ndjson() -> None:
    text = b'{"a":1}\n\n{"a":\n[1]\n{} {}\n\xff\n{"a":NaN,}\n5\n' + b"[" * 50_000 + b'\n{"b":2}'
    found = rows(text)
    assert [(row.index, row.line) for row in found] == [
        *((0, 1), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7), (6, 8), (7, 9), (8, 10))
    ]
    assert [row.fault for row in found] == [
        *("", "is no valid JSON", "", "holds more than one JSON object", "is not UTF-8"),
        *("is no valid JSON", "", "is no valid JSON", ""),
    ]
    assert fault_of(found[2]) == fault_of(found[6]) == "must be an object"
    assert found[8].text == '{"b":2}'


@pytest.mark.parametrize("line", ['{"a":1}]} x', '{"a":1},{"a":2}', '{"a":1}]}{"requests":[{}'])
def test_a_line_cannot_break_out_of_its_row(line: str) -> None:
    (row,) = rows(line)
    assert row.fault
    assert row.text == ""


def test_a_line_that_is_too_long_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_rows, "LONGEST_ITEM", 50)
    text = '{"a":1}\n{"a":"' + "x" * 500 + '"}\n{"a":2}\n{"b":"' + "x" * 100
    found = rows(text)
    assert [row.fault for row in found] == ["", "is too long", "", "is too long"]
    assert [row.line for row in found] == [1, 2, 3, 4]
    with pytest.raises(FileError, match="line 2 is too long"):
        rows(f"{HEADER}\n" + "x" * 500)


@given(cells=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
def test_csv_reads_what_the_module_writes(cells: list[tuple[str, str, str]]) -> None:
    for delimiter in ",;\t":
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows([COLUMNS[:3], *cells])
        found = [json.loads(row.text) for row in rows(text.getvalue())]
        assert found == [dict(zip(COLUMNS[:3], row, strict=True)) for row in cells]


def test_cells_of_csv() -> None:
    header = ",".join(COLUMNS)
    good = 'k,n,a,"r, w",30d,"{""a"":1}",10.0.0.0/8,5,1m,KEY_VISIBILITY_PUBLIC,r-1'
    bad = [
        ("k,n,a,,,{,,,,,", "metadata: must be a JSON object"),
        ("k,n,a,,,,,,soon,,", "rate_limit_window: must be a duration"),
        ("k,n", "has 2 cells where the first line has 11"),
    ]
    found = rows("\n".join([header, good, *(line for line, _ in bad)]))
    assert json.loads(found[0].text) == {
        "raw_key": "k",
        "name": "n",
        "actor_id": "a",
        "scopes": ["r", "w"],
        "ttl": "30d",
        "metadata": {"a": 1},
        "ip_restriction": {"allowed_cidrs": ["10.0.0.0/8"]},
        "rate_limit_policy": {"quota": "5", "window": "60s"},
        "request_id": "r-1",
        "visibility": "KEY_VISIBILITY_PUBLIC",
    }
    assert fault_of(found[0]) == ""
    for row, (_, fault) in zip(found[1:], bad, strict=True):
        assert row.fault.startswith(fault)


@pytest.mark.parametrize(
    "text",
    [
        '{"raw_key":"a\\u0000b","name":"n","actor_id":"a"}',
        '{"raw_key":"k","name":"n","actor_id":"a","metadata":{"a":1,"a":2}}',
        '{"raw_key":"k","rawKey":"k","name":"n","actor_id":"a"}',
        '{"raw_key":"\\ud800","name":"n","actor_id":"a"}',
        '{"raw_key":"k","name":"n","actor_id":"a","metadata":{"n":1e999}}',
        '{"raw_key":"' + "x" * 8193 + '","name":"n","actor_id":"a"}',
    ],
)
def test_hostile_objects_are_faults_that_show_nothing(text: str) -> None:
    for content in (text, f"[{text}]"):
        (row,) = rows(content)
        fault = fault_of(row)
        assert fault
        assert "\0" not in fault
        assert len(fault) < 200


class Endless(io.RawIOBase):
    """The same piece again and again, so many times."""

    def __init__(self, piece: bytes, times: int = sys.maxsize, head: bytes = b"") -> None:
        self._piece = piece
        self._left = times
        self._buffer = head

    def _fill(self, size: int) -> None:
        while self._left and len(self._buffer) < size:
            self._buffer += self._piece
            self._left -= 1

    def read(self, size: int = -1) -> bytes:
        self._fill(size)
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def readline(self, size: int | None = -1) -> bytes:
        self._fill(min(size or 0, len(self._piece)))
        end = self._buffer.find(b"\n") + 1
        return self.read(min(end or len(self._buffer), size or 0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Endless(b'{"raw_key":"k","x":"' + b"x" * 1000 + b'"}\n', 10_000),
        lambda: Endless(b"k,n," + b"x" * 1000 + b"\n", 10_000, HEADER.encode() + b"\n"),
        lambda: Endless(b'{"x":"' + b"x" * 1000 + b'"},\n', 10_000, b"[{},"),
    ],
)
def test_memory_does_not_grow_with_the_file(make: Callable[[], Endless]) -> None:
    def until_it_breaks() -> Iterator[Row]:
        try:
            yield from read_rows(make())
        except FileError:
            return

    tracemalloc.start()
    try:
        (last,) = deque(until_it_breaks(), maxlen=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last.index >= 9_999
    assert peak < 8 * 1024 * 1024, "10 MB of rows"
