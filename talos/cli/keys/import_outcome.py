"""What became of the rows of a batch import, and what is printed of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from talos.cli.client import CallFailed
from talos.cli.keys.import_rows import Row
from talos.cli.keys.rows import cell, member, members

SUCCESS: Final = "success"
EXISTS: Final = "exists"
FAILED: Final = "failed"

_CODE: Final = "BATCH_CREATE_IMPORTED_API_KEYS_ERROR_"
_INVALID: Final = f"{_CODE}INVALID_ARGUMENT"
_EXISTING: Final = f"{_CODE}ALREADY_EXISTS"
_CODES: Final = {402: f"{_CODE}RESOURCE_EXHAUSTED", 409: f"{_CODE}FAILED_PRECONDITION"}
_EXISTING_REASON: Final = "API_KEY_EXISTS"
_AT_INDEX: Final = re.compile(r"at index ([0-9]{1,9})")


@dataclass(slots=True)
class Outcome:
    """The results so far. ``trouble`` is the line to end with when the import stopped early.

    Results that are asked for as rows of a table are kept as such, which takes less memory.
    """

    as_rows: bool
    errors_only: bool
    skip_existing: bool
    results: list[Any] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {SUCCESS: 0, EXISTS: 0, FAILED: 0})
    trouble: str = ""

    @property
    def seen(self) -> int:
        """How many rows have a result."""
        return sum(self.counts.values())

    @property
    def is_good(self) -> bool:
        """Whether the exit code is 0: a key was imported, or all that were not may be there."""
        return bool(self.counts[SUCCESS]) or (self.skip_existing and not self.counts[FAILED])

    def add_fault(self, row: Row, fault: str) -> None:
        """Add a row that was not sent."""
        self.add(row, {"error_code": _INVALID, "error_message": fault})

    def add_refusal(self, row: Row, refusal: CallFailed) -> None:
        """Add a row that was refused alone."""
        code = _CODES.get(refusal.status or 0, _INVALID)
        if refusal.reason == _EXISTING_REASON:
            code = _EXISTING
        self.add(row, {"error_code": code, "error_message": refusal.text})

    def add(self, row: Row, result: dict[str, Any]) -> None:
        """Add what a server said of a row."""
        state = _state(result)
        self.counts[state] += 1
        if (self.errors_only and state == SUCCESS) or (self.skip_existing and state == EXISTS):
            return
        shown = {**result, "index": row.index, "line": row.line, "status": state}
        self.results.append(_cells(shown) if self.as_rows else shown)

    def stop(self, text: str, in_doubt: Sequence[Row]) -> None:
        """Note why nothing more is sent; the rows in doubt were, with unknown effect."""
        if in_doubt:
            text += (
                f"; the keys of lines {in_doubt[0].line} to {in_doubt[-1].line} may have been "
                "imported, and nothing behind them was sent"
            )
        self.trouble = text

    def data(self) -> dict[str, Any]:
        """Return the object that one answer for all rows would be, with what is added to it."""
        return {
            "results": self.results,
            "success_count": self.counts[SUCCESS],
            "exists_count": self.counts[EXISTS],
            "failure_count": self.counts[FAILED],
        }

    def summary(self) -> str:
        """Return the line for people."""
        success, exists, failed = (self.counts[state] for state in (SUCCESS, EXISTS, FAILED))
        text = f"Imported {success} of {self.seen} API keys"
        there = f"{exists} exist{'s' if exists == 1 else ''} already"
        rest = [there] * bool(exists) + [f"{failed} failed"] * bool(failed)
        return f"{text}; {', '.join(rest)}." if rest else f"{text}."


def results_by_row(rows: Sequence[Row], answer: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Return what a server said of each row of one request, by the position of the row."""
    by_place: dict[int, dict[str, Any]] = {}
    for place, result in enumerate(members(answer, "results")):
        index = result.get("index", place)
        by_place.setdefault(index if isinstance(index, int) else place, result)
    results: dict[int, dict[str, Any]] = {}
    for place, row in enumerate(rows):
        result = by_place.get(place, {"error_message": "the server gave no result"})
        message = result.get("error_message")
        if isinstance(message, str):
            result = {**result, "error_message": _with_lines(message, rows)}
        results[row.index] = result
    return results


def _state(result: dict[str, Any]) -> str:
    if member(result, "imported_api_key"):
        return SUCCESS
    return EXISTS if result.get("error_code") == _EXISTING else FAILED


def _cells(result: dict[str, Any]) -> tuple[str, ...]:
    key = member(result, "imported_api_key")
    error = cell(result.get("error_message")) or cell(result.get("error_code"))
    return (
        cell(result["index"]),
        cell(key.get("key_id")),
        cell(key.get("name")),
        result["status"],
        "" if result["status"] == SUCCESS else error,
        cell(result["line"]),
    )


def _with_lines(message: str, rows: Sequence[Row]) -> str:
    """Say where in the file a row stands that the server knows by its place in the request."""

    def line(match: re.Match[str]) -> str:
        place = int(match[1])
        return f"in line {rows[place].line}" if place < len(rows) else match[0]

    return _AT_INDEX.sub(line, message)
