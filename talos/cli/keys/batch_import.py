"""``talos keys imported batch-import``: a file of keys, in as many requests as it takes.

A file that fits into one request is sent as it is, and its answer is the whole answer. A larger
one is cut into requests of at most 1000 items and 4 MiB (contract 2.1, 4.8); the answers are
merged under the positions of the file. A request that the server refuses as a whole fails its
items and no others; when the server itself is in trouble the import stops and says where.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from talos.cli.client import BATCH_TIMEOUT_S, CallFailed, Client
from talos.cli.command import Failure
from talos.cli.keys.group import KeysCommand
from talos.cli.keys.json_array import ArrayError, read_items
from talos.cli.keys.kinds import IMPORTED
from talos.cli.keys.rows import BATCH_IMPORT_COLUMNS, cell, member, members
from talos.cli.output import note, print_table
from talos.cli.progress import progress

MOST_ITEMS: Final = 1000
LONGEST_BODY: Final = 4 * 1024 * 1024
_CONTEXT: Final = "batch import API keys"
_HEAD: Final = b'{"requests":['
_TAIL: Final = b"]}"
# The server understood the request and wants none of it; the next one may fare better.
_REFUSALS: Final = frozenset({400, 402, 409})


@click.command(
    "batch-import",
    cls=KeysCommand,
    examples=[
        "talos keys imported batch-import --file keys.json",
        "talos keys imported batch-import --file - --format json < keys.json",
        "talos keys imported batch-import --file keys.json --format jsonpath=failure_count",
    ],
)
@click.option(
    "--file",
    "file",
    required=True,
    type=click.Path(),
    metavar="FILE",
    help="A JSON array of import objects; - reads standard input.",
)
@click.pass_context
def batch_import(context: click.Context, file: str) -> None:
    """Import many keys. Exit code 0 means that at least one was imported.

    The items of the array have the members of the API's import: raw_key, name, actor_id, scopes,
    ttl, metadata and so on. A file of more than 1000 keys goes in several requests.
    """
    client = Client(timeout_s=BATCH_TIMEOUT_S)
    name = "standard input" if file == "-" else file
    try:
        with _opened(file) as source:
            total = _count(source)
            outcome = _import(client, _requests(source), total)
    except ArrayError as error:
        raise Failure(f"{name} {error}") from None
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from None
    print_table(BATCH_IMPORT_COLUMNS, [_row(result) for result in outcome.results], outcome.data())
    note(f"Imported {outcome.successes} of {len(outcome.results)} API keys.")
    if outcome.trouble:
        raise Failure(outcome.trouble)
    if not outcome.successes:
        context.exit(1)


@dataclass(slots=True)
class _Outcome:
    """The merged answers to the first ``answered`` items of the file.

    ``trouble`` is the line to end with when the import stopped early.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0
    trouble: str = ""

    @property
    def successes(self) -> int:
        """How many items were imported."""
        return sum(_succeeded(result) for result in self.results)

    def data(self) -> dict[str, Any]:
        """Return the object that one answer for all items would be."""
        successes = self.successes
        return {
            "results": self.results,
            "success_count": successes,
            "failure_count": len(self.results) - successes,
        }

    def add_answer(self, answer: dict[str, Any], size: int) -> None:
        """Add the results of the next ``size`` items."""
        for place, result in enumerate(members(answer, "results")):
            index = result.get("index")
            offset = index if isinstance(index, int) else place
            self.results.append({**result, "index": self.answered + offset})
        self.answered += size

    def add_refusal(self, text: str, size: int) -> None:
        """Add the next ``size`` items as failed, with the text that refused their request.

        The text speaks of the request, so no item gets an error code of its own from it.
        """
        for index in range(self.answered, self.answered + size):
            self.results.append({"index": index, "error_message": f"request refused: {text}"})
        self.answered += size

    def stop(self, text: str, in_doubt: int) -> None:
        """Note why nothing more is sent; the last ``in_doubt`` items were, with unknown effect."""
        rest = self.answered + in_doubt
        if in_doubt:
            text += f"; items {self.answered} to {rest - 1} may have been imported"
        self.trouble = f"{text}; items from {rest} on were not sent"


def _import(client: Client, requests: Iterator[list[bytes]], total: int | None) -> _Outcome:
    """Send the requests in order.

    Raises ``CallFailed`` and ``ArrayError`` as long as nothing was imported.
    """
    first = next(requests, None)
    if first is None:
        raise ArrayError("holds no keys")
    second = next(requests, None)
    outcome = _Outcome()
    if second is None:
        outcome.add_answer(_send(client, first), len(first))
        return outcome
    with progress("importing") as show:
        show(0, total)
        try:
            for items in chain((first, second), requests):
                _send_one_of_many(client, items, outcome)
                if outcome.trouble:
                    break
                show(outcome.answered, total)
        except ArrayError as error:
            # Only input that cannot be read twice comes to this: other input was checked before.
            outcome.stop(f"the input {error}", in_doubt=0)
        except OSError as error:
            outcome.stop(f"the input cannot be read: {error.strerror}", in_doubt=0)
    return outcome


def _send_one_of_many(client: Client, items: list[bytes], outcome: _Outcome) -> None:
    try:
        outcome.add_answer(_send(client, items), len(items))
    except CallFailed as failure:
        if failure.status in _REFUSALS:
            outcome.add_refusal(failure.text, len(items))
        else:
            outcome.stop(failure.format_message(), in_doubt=len(items))
    except KeyboardInterrupt:
        # What was imported so far is worth more than a quick end.
        outcome.stop("interrupted", in_doubt=len(items))


def _send(client: Client, items: list[bytes]) -> dict[str, Any]:
    body = _HEAD + b",".join(items) + _TAIL
    return client.call(_CONTEXT, "POST", f"{IMPORTED.path}:batchCreate", body=body)


def _requests(source: BinaryIO) -> Iterator[list[bytes]]:
    """Cut the array into what single requests can hold; an item too long for any goes alone."""
    request: list[bytes] = []
    length = 0
    for item in map(str.encode, read_items(source)):
        if request and (len(request) == MOST_ITEMS or length + 1 + len(item) > LONGEST_BODY):
            yield request
            request = []
        length = length + 1 + len(item) if request else len(_HEAD) + len(item) + len(_TAIL)
        request.append(item)
    if request:
        yield request


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
    else:
        with Path(file).open("rb") as source:
            yield source


def _count(source: BinaryIO) -> int | None:
    """Check the whole array before anything is sent, and return its length.

    None for input that can be read only once, such as a pipe.
    """
    if not source.seekable():
        return None
    start = source.tell()
    total = sum(1 for _ in read_items(source))
    source.seek(start)
    return total


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    key = member(result, "imported_api_key")
    error = cell(result.get("error_message")) or cell(result.get("error_code"))
    succeeded = _succeeded(result)
    return (
        cell(result.get("index")),
        cell(key.get("key_id")),
        cell(key.get("name")),
        "success" if succeeded else "failed",
        "" if succeeded else error,
    )


def _succeeded(result: dict[str, Any]) -> bool:
    return bool(member(result, "imported_api_key"))
