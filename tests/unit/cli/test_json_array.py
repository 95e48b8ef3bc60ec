"""Reading a JSON array item by item."""

import io
import json
import tracemalloc
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.cli.keys import json_array
from talos.cli.keys.json_array import ArrayError, read_items

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=6)


# Pieces so small that every place in the text is a border between two, and the usual ones.
READ_SIZES = pytest.mark.parametrize("read_size", [1, 7, 1024 * 1024])


@READ_SIZES
@given(objects=OBJECTS, indent=st.none() | st.just(2), ascii_only=st.booleans())
def test_items_are_those_of_the_array(
    read_size: int, objects: list[dict[str, object]], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(objects, indent=indent, ensure_ascii=ascii_only)
    items = [item for _, item in read_items(io.BytesIO(text.encode()), read_size)]
    assert [json.loads(item) for item in items] == objects
    assert all(item in text for item in items)


@READ_SIZES
@given(text=st.text(alphabet='[]{},":a1 \n\\', max_size=20))
def test_any_text_is_read_as_json_reads_it_or_refused(read_size: int, text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    if isinstance(expected, list):
        assert [
            json.loads(item) for _, item in read_items(io.BytesIO(text.encode()), read_size)
        ] == expected
    else:
        with pytest.raises(ArrayError):
            list(read_items(io.BytesIO(text.encode()), read_size))


def test_the_text_of_an_item_is_not_touched() -> None:
    items = ['{"b":1.10, "a": 9007199254740993,"a":2}', '{ "é" : "\\u00e9" }']
    source = io.BytesIO(f"[ {items[0]} ,\n{items[1]}]".encode())
    assert list(read_items(source)) == [(1, items[0]), (2, items[1])]


def test_an_item_longer_than_any_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "LONGEST_ITEM", 100)
    fits = json.dumps([{"a": "x" * 80}]).encode()
    assert len(list(read_items(io.BytesIO(fits), 10))) == 1
    too_long = json.dumps([{"a": "x" * 200}]).encode()
    with pytest.raises(ArrayError, match="item 0 is"):
        list(read_items(io.BytesIO(too_long), 10))


class Endless(io.RawIOBase):
    """An array of a given number of items that is never in memory as a whole."""

    def __init__(self, items: int) -> None:
        self._pieces = self._make(items)

    @staticmethod
    def _make(items: int) -> Iterator[bytes]:
        yield b"["
        for number in range(items):
            yield b'%s{"n":%d,"x":"%s"}' % (b"," if number else b"", number, b"x" * 1000)
        yield b"]"

    def read(self, size: int = -1) -> bytes:
        taken = bytearray()
        for piece in self._pieces:
            taken += piece
            if len(taken) >= size:
                break
        return bytes(taken)


def test_memory_does_not_grow_with_the_array() -> None:
    tracemalloc.start()
    try:
        items = read_items(Endless(20_000))  # type: ignore[arg-type]
        ((last, _),) = deque(enumerate(items), maxlen=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last == 19_999
    assert peak < 10 * 1024 * 1024, "20 MB of items"
