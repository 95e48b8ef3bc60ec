"""Reads a JSON array of objects item by item, so that a large file needs no large memory."""

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO, Final, NoReturn

_READ_SIZE: Final = 1024 * 1024
_BLANKS: Final = " \t\n\r"
LONGEST_ITEM: Final = 8 * 1024 * 1024
"""Characters of one item; a server takes no body of that size anyway."""


class ArrayError(ValueError):
    """The input is no JSON array of objects. The text names the item and never shows it."""


def read_items(source: BinaryIO, read_size: int = _READ_SIZE) -> Iterator[str]:
    """Yield the text of every object in the array, as it stands in the input.

    The text of an item is passed on unchanged, numbers and member order included. The input is
    read in pieces of ``read_size`` bytes, larger ones for an item longer than that. Raises
    ``ArrayError`` for input that is not UTF-8, not an array, or has an item that is no object or
    is longer than ``LONGEST_ITEM``.
    """
    text = _Text(source, read_size)
    if text.next_character() != "[":
        raise ArrayError("must hold a JSON array of objects")
    text.skip(1)
    index = 0
    if text.next_character() == "]":
        text.skip(1)
    else:
        while True:
            yield text.take_object(index)
            index += 1
            separator = text.next_character()
            if separator not in (",", "]"):
                raise ArrayError(f"item {index - 1} is not followed by a comma or the array's end")
            text.skip(1)
            if separator == "]":
                break
    if text.next_character():
        raise ArrayError("goes on behind the end of the array")


class _Text:
    """The decoded input with a position in it; what lies before is dropped as reading goes on."""

    def __init__(self, source: BinaryIO, read_size: int) -> None:
        self._source = source
        self._read_size = read_size
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder(parse_constant=_refuse_constant)
        self._buffer = ""
        self._position = 0
        self._ended = False

    def skip(self, count: int) -> None:
        self._position += count

    def next_character(self) -> str:
        """Go to the next character that is no blank and return it, ``""`` at the end."""
        while True:
            while self._position < len(self._buffer):
                if self._buffer[self._position] not in _BLANKS:
                    return self._buffer[self._position]
                self._position += 1
            if not self._read_more(self._read_size):
                return ""

    def take_object(self, index: int) -> str:
        """Return the text of the object that starts here, and go behind it."""
        if self.next_character() != "{":
            raise ArrayError(f"item {index} is no JSON object")
        while True:
            try:
                _, end = self._json.raw_decode(self._buffer, self._position)
            except (ValueError, RecursionError):
                # Either the item is broken or its end is not read yet. Reading as much again as
                # is there keeps the work linear in the size of the item.
                length = len(self._buffer) - self._position
                if length > LONGEST_ITEM or not self._read_more(max(length, self._read_size)):
                    raise ArrayError(f"item {index} is no valid JSON, or too long") from None
                continue
            item = self._buffer[self._position : end]
            self._position = end
            if len(item) > LONGEST_ITEM:
                raise ArrayError(f"item {index} is too long")
            return item

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
