"""Reads a JSON array item by item, so that a large file needs no large memory."""

import codecs
import json
from collections.abc import Iterator
from typing import Final, NoReturn, Protocol

_READ_SIZE: Final = 1024 * 1024
_BLANKS: Final = " \t\n\r"
LONGEST_ITEM: Final = 8 * 1024 * 1024
"""Characters of one item; a server takes no body of that size anyway."""


class ArrayError(ValueError):
    """The input is no JSON array. The text names the item and its line and never shows it."""


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...


def read_items(source: Readable, read_size: int = _READ_SIZE) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every item in the array, as it stands in the input.

    The text of an item is passed on unchanged, numbers and member order included. The input is
    read in pieces of ``read_size`` bytes, larger ones for an item longer than that. Raises
    ``ArrayError`` for input that is not UTF-8, not an array, or has an item that is no JSON or is
    longer than ``LONGEST_ITEM``. A byte order mark is skipped.
    """
    text = _Text(source, read_size)
    if text.next_character() != "[":
        raise ArrayError("holds no JSON array of objects")
    text.skip(1)
    index = 0
    if text.next_character() == "]":
        text.skip(1)
    else:
        while True:
            yield text.take_item(index)
            separator = text.next_character()
            if separator not in (",", "]"):
                raise ArrayError(
                    f"line {text.line}: item {index} is not followed by a comma or the array's end"
                )
            index += 1
            text.skip(1)
            if separator == "]":
                break
    if text.next_character():
        raise ArrayError(f"line {text.line}: goes on behind the end of the array")


class _Text:
    """The decoded input with a position in it; what lies before is dropped as reading goes on."""

    def __init__(self, source: Readable, read_size: int) -> None:
        self._source = source
        self._read_size = read_size
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder(parse_constant=_refuse_constant)
        self._buffer = ""
        self._position = 0
        self._ended = False
        self.line = 1

    def skip(self, count: int) -> None:
        self._position += count

    def next_character(self) -> str:
        """Go to the next character that is no blank and return it, ``""`` at the end."""
        while True:
            while self._position < len(self._buffer):
                if self._buffer[self._position] not in _BLANKS:
                    return self._buffer[self._position]
                self.line += self._buffer[self._position] == "\n"
                self._position += 1
            if not self._read_more(self._read_size):
                return ""

    def take_item(self, index: int) -> tuple[int, str]:
        """Return the line and the text of the item that starts here, and go behind it."""
        self.next_character()
        line = self.line
        while True:
            try:
                _, end = self._json.raw_decode(self._buffer, self._position)
            except (ValueError, RecursionError):
                # Either the item is broken or its end is not read yet. Reading as much again as
                # is there keeps the work linear in the size of the item.
                length = len(self._buffer) - self._position
                if length > LONGEST_ITEM or not self._read_more(max(length, self._read_size)):
                    raise ArrayError(
                        f"line {line}: item {index} is no valid JSON, or too long"
                    ) from None
                continue
            if end == len(self._buffer) and self._buffer[self._position] not in '{["':
                # A number may go on in the next piece.
                if self._read_more(self._read_size):
                    continue
                end = len(self._buffer)
            item = self._buffer[self._position : end]
            self._position = end
            self.line += item.count("\n")
            if len(item) > LONGEST_ITEM:
                raise ArrayError(f"line {line}: item {index} is too long")
            return line, item

    def _read_more(self, size: int) -> bool:
        """Drop what is done with and read on; return whether there was more."""
        if self._ended:
            return False
        content = self._source.read(size)
        self._ended = not content
        try:
            text = self._decoder.decode(content, final=self._ended)
        except UnicodeDecodeError:
            raise ArrayError("is not UTF-8") from None
        self._buffer = self._buffer[self._position :] + text
        self._position = 0
        return not self._ended


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")
