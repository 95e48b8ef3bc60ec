"""The rows of a file of keys, in each form that a file may have, with the lines they stand on.

Every form is read in pieces: memory does not grow with the file. What spoils a single row is a
fault of that row; what leaves in doubt where rows begin and end is a ``FileError``.
"""

import codecs
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from talos.cli.keys.flags import read_comma_list, read_json_object, read_window
from talos.cli.keys.json_array import LONGEST_ITEM, ArrayError, read_items

FORMATS: Final = ("json", "ndjson", "csv")

COLUMNS: Final = (
    "raw_key",
    "name",
    "actor_id",
    "scopes",
    "ttl",
    "metadata",
    "allowed_cidrs",
    "rate_limit_quota",
    "rate_limit_window",
    "visibility",
    "request_id",
)
_REQUIRED: Final = COLUMNS[:3]
_DELIMITERS: Final = ",;\t"
_BLANKS: Final = b" \t\r\n"


class FileError(ValueError):
    """The input cannot be cut into rows. The text names the line and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its position among the rows from 0 on, its line from 1 on, and its JSON text.

    ``fault`` says why there is no text.
    """

    index: int
    line: int
    text: str = field(default="", repr=False)
    fault: str = ""


class Rewound:
    """A source from which the first bytes were read already."""

    def __init__(self, head: bytes, source: BinaryIO) -> None:
        """``head`` comes before what is left in ``source``."""
        self._head = head
        self._source = source

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes."""
        if not self._head:
            return self._source.read(size)
        head, self._head = self._head[:size], self._head[size:]
        return head

    def readline(self, size: int) -> bytes:
        """Read a line, or ``size`` bytes of it."""
        if not self._head:
            return self._source.readline(size)
        end = self._head.find(b"\n") + 1
        if end:
            return self.read(min(end, size))
        head = self.read(size)
        rest = size - len(head)
        return head + self._source.readline(rest) if rest and not self._head else head


def read_rows(source: BinaryIO, form: str | None = None) -> Iterator[Row]:
    """Yield the rows of ``source``, a JSON array, JSON objects one a line, or CSV.

    Without ``form`` the first character that is no blank tells which: ``[``, ``{`` or another.
    Raises ``FileError``.
    """
    head = source.read(len(codecs.BOM_UTF8))
    head = head.removeprefix(codecs.BOM_UTF8)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FileError("is UTF-16; save it as UTF-8")
    if form is None:
        form, head = _recognised(head, source)
    rewound = Rewound(head, source)
    read = {"json": _json_rows, "ndjson": _ndjson_rows, "csv": _csv_rows}[form]
    return read(rewound)


def _recognised(head: bytes, source: BinaryIO) -> tuple[str, bytes]:
    """Return the form that the first character tells, and what had to be read for that."""
    pieces, size_bytes = [head], len(head)
    while not (first := pieces[-1].lstrip(_BLANKS)[:1]):
        piece = source.read(4096)
        if not piece or size_bytes > LONGEST_ITEM:
            raise FileError("holds no keys")
        pieces.append(piece)
        size_bytes += len(piece)
    return {b"[": "json", b"{": "ndjson"}.get(first, "csv"), b"".join(pieces)


def _json_rows(source: Rewound) -> Iterator[Row]:
    try:
        for index, (line, text) in enumerate(read_items(source)):
            yield Row(index, line, text)
    except ArrayError as error:
        raise FileError(str(error)) from None


def _ndjson_rows(source: Rewound) -> Iterator[Row]:
    decoder = json.JSONDecoder()
    index = 0
    for line, content in enumerate(_lines(source), start=1):
        if content is None:
            yield Row(index, line, fault="is too long")
        elif not content.strip(_BLANKS):
            continue
        else:
            try:
                text = content.decode().strip()
                _, end = decoder.raw_decode(text)
            except UnicodeDecodeError:
                yield Row(index, line, fault="is not UTF-8")
            except (ValueError, RecursionError):
                yield Row(index, line, fault="is no valid JSON")
            else:
                whole = end == len(text)
                yield Row(
                    index,
                    line,
                    text if whole else "",
                    "" if whole else "holds more than one JSON object",
                )
        index += 1


def _lines(source: Rewound) -> Iterator[bytes | None]:
    """Yield the lines; None for one that is longer than an item may be."""
    while line := source.readline(LONGEST_ITEM + 1):
        if len(line) <= LONGEST_ITEM:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = source.readline(LONGEST_ITEM)
        yield None


def _csv_rows(source: Rewound) -> Iterator[Row]:
    lines = _text_lines(source)
    header_line = next(lines, "")
    delimiter = max(_DELIMITERS, key=header_line.count)
    # A quote that is never closed would otherwise take the rest of the file into one cell.
    csv.field_size_limit(LONGEST_ITEM)
    try:
        header = next(csv.reader([header_line], delimiter=delimiter, strict=True), [])
        columns = _columns(header)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        index = 0
        start = 2
        for cells in reader:
            line, start = start, reader.line_num + 2
            if not cells:
                continue
            yield _csv_row(index, line, columns, cells)
            index += 1
    except csv.Error as error:
        # The module's texts speak of quotes and sizes and hold nothing of the input.
        raise FileError(f"is no CSV: {error}") from None


def _text_lines(source: Rewound) -> Iterator[str]:
    for number, content in enumerate(_lines(source), start=1):
        if content is None:
            raise FileError(f"line {number} is too long")
        try:
            yield content.decode()
        except UnicodeDecodeError:
            raise FileError(f"line {number} is not UTF-8") from None


def _columns(header: list[str]) -> list[str]:
    columns = [name.strip() for name in header]
    unknown = [number for number, name in enumerate(columns, start=1) if name not in COLUMNS]
    missing = [name for name in _REQUIRED if name not in columns]
    if unknown or missing or len(set(columns)) != len(columns):
        raise FileError(
            "is neither JSON nor CSV with a line of column names: those are "
            f"{', '.join(COLUMNS)}, each at most once and the first three at least"
        )
    return columns


def _csv_row(index: int, line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        fault = f"has {len(cells)} cells where the first line has {len(columns)}"
        return Row(index, line, fault=fault)
    given = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
    members: dict[str, object] = {}
    policy: dict[str, str] = {}
    for name, cell in given.items():
        try:
            if name == "scopes":
                members[name] = read_comma_list(cell)
            elif name == "allowed_cidrs":
                members["ip_restriction"] = {name: read_comma_list(cell)}
            elif name == "metadata":
                members[name] = read_json_object(cell)
            elif name == "rate_limit_quota":
                policy["quota"] = cell
            elif name == "rate_limit_window":
                policy["window"] = read_window(cell)
            else:
                members[name] = cell
        except ValueError as error:
            return Row(index, line, fault=f"{name}: {error}")
    if policy:
        members["rate_limit_policy"] = policy
    return Row(index, line, json.dumps(members))


def fault_of(row: Row) -> str:
    """Return why the server would not take the row, ``""`` where it might.

    The rules are the server's own, but for those that its configuration adds.
    """
    from talos.domain import rules
    from talos.errors import InvalidRequest
    from talos.http.messages import BATCH_IMPORT

    if row.fault:
        return row.fault
    try:
        # As the server reads it: depth counts from the outermost object on.
        (draft,) = BATCH_IMPORT.decode(f'{{"requests":[{row.text}]}}'.encode("utf-8", "replace"))
        rules.raise_for(rules.import_key(draft))
    except InvalidRequest as error:
        text = error.message.removeprefix("validation errors:\n - ")
        text = text.removeprefix("validation error: ").replace("\n - ", "; ")
        return text.replace("requests[0].", "").replace("requests[0]: ", "")
    return ""
