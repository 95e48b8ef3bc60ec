"""``talos keys imported batch-import``: a file of keys, in as many requests as it takes.

Every row is checked first, by the server's own rules, and those that can be taken are sent, at most
1000 and 4 MiB in one request (contract 2.1, 4.8). Where a server refuses a request as a whole, none
of its keys was imported: they are sent one by one, so that each has its own result. When the server
itself is in trouble the import stops and says where.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import click

from talos.cli.client import BATCH_TIMEOUT_S, CallFailed, Client
from talos.cli.command import Failure
from talos.cli.keys.group import KeysCommand
from talos.cli.keys.import_outcome import Outcome, results_by_row
from talos.cli.keys.import_rows import FORMATS, FileError, Row, fault_of, read_rows
from talos.cli.keys.kinds import IMPORTED
from talos.cli.keys.rows import BATCH_IMPORT_COLUMNS, member, members
from talos.cli.output import note, output_format, print_table
from talos.cli.progress import progress

MOST_ITEMS: Final = 1000
LONGEST_BODY: Final = 4 * 1024 * 1024
LONGEST_RESULT: Final = 64 * 1024 * 1024
_CONTEXT: Final = "batch import API keys"
_HEAD: Final = b'{"requests":['
_TAIL: Final = b"]}"
# The server, or a proxy by the size, wants none of the request; its keys may fare better alone.
_REFUSALS: Final = frozenset({400, 402, 409, 413})
_QUOTA: Final = 402


@click.command(
    "batch-import",
    cls=KeysCommand,
    examples=[
        "talos keys imported batch-import --file keys.json",
        "talos keys imported batch-import --file keys.csv --skip-existing --errors-only",
        "talos keys imported batch-import --file - --format json < keys.ndjson",
        "talos keys imported batch-import --file keys.json --format jsonpath=failure_count",
    ],
)
@click.option(
    "--file",
    "file",
    required=True,
    type=click.Path(),
    metavar="FILE",
    help="A JSON array of import objects, such objects one a line (NDJSON), or CSV; - reads "
    "standard input.",
)
@click.option(
    "--input-format",
    type=click.Choice(FORMATS),
    help="Form of the file; told by its first character where absent.",
)
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Leave keys that exist already out of the output; they are no reason to fail.",
)
@click.option("--errors-only", is_flag=True, help="Leave imported keys out of the output.")
@click.pass_context
def batch_import(
    context: click.Context,
    file: str,
    input_format: str | None,
    skip_existing: bool,
    errors_only: bool,
) -> None:
    """Import many keys. Exit code 0 means that at least one was imported.

    Rows have the members of the API's import: raw_key, name, actor_id, scopes, ttl, metadata and so
    on. All rows are checked first, and those without an error are sent, 1000 in a request. With
    --skip-existing the exit code is 0, too, when every key that was not imported exists already.
    """
    client = Client(timeout_s=BATCH_TIMEOUT_S)
    name = "standard input" if file == "-" else file
    outcome = Outcome(
        as_rows=output_format().kind in ("table", "quiet"),
        errors_only=errors_only,
        skip_existing=skip_existing,
    )
    try:
        with _opened(file) as source:
            total = _checked(source, input_format)
            _import(client, read_rows(source, input_format), total, outcome)
    except FileError as error:
        raise Failure(f"{name} {error}") from None
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from None
    if outcome.trouble and not outcome.seen:
        raise Failure(outcome.trouble)
    if outcome.as_rows:
        print_table(BATCH_IMPORT_COLUMNS, outcome.results, {})
    else:
        print_table(BATCH_IMPORT_COLUMNS, [], outcome.data())
    note(outcome.summary())
    if outcome.trouble:
        raise Failure(outcome.trouble)
    if not outcome.is_good:
        context.exit(1)


def _checked(source: BinaryIO, form: str | None) -> int | None:
    """Read the whole file before anything is sent, and return how many rows it has.

    None for input that can be read only once, such as a pipe. Raises ``FileError``.
    """
    if not source.seekable():
        return None
    start = source.tell()
    total = faulty = 0
    first = ""
    with progress("checking") as show:
        for row in read_rows(source, form):
            total += 1
            fault = fault_of(row)
            if fault:
                first = first or f"line {row.line}: {fault}"
                faulty += 1
            if total % MOST_ITEMS == 0:
                show(total, None)
    if not total:
        raise FileError("holds no keys")
    if faulty:
        note(f"{faulty} of {total} rows cannot be imported and are left out; the first is {first}")
    source.seek(start)
    return total


def _import(client: Client, rows: Iterator[Row], total: int | None, outcome: Outcome) -> None:
    """Send the rows in order. Raises ``FileError`` and ``OSError`` while no row has a result."""
    with progress("importing") as show:
        show(0, total)
        try:
            for request in _requests(rows):
                _send(client, request, outcome)
                if outcome.trouble:
                    return
                show(outcome.seen, total)
        except (FileError, OSError) as error:
            # Only input that cannot be read twice comes to this: other input was checked before.
            if not outcome.seen:
                raise
            said = error.strerror if isinstance(error, OSError) else str(error)
            outcome.stop(f"the input {said}; nothing from there on was sent", [])
    if not outcome.seen:
        raise FileError("holds no keys")


def _requests(rows: Iterator[Row]) -> Iterator[list[tuple[Row, bytes]]]:
    """Cut the rows into what single requests can hold; a row with a fault takes no room in one."""
    request: list[tuple[Row, bytes]] = []
    length = len(_HEAD) + len(_TAIL)
    for row in rows:
        item = row.text.encode()
        if request and (len(request) == MOST_ITEMS or length + 1 + len(item) > LONGEST_BODY):
            yield request
            request = []
            length = len(_HEAD) + len(_TAIL)
        length += 1 + len(item)
        request.append((row, item))
    if request:
        yield request


def _send(client: Client, request: list[tuple[Row, bytes]], outcome: Outcome) -> None:
    """Send the rows that have no fault, and add the results of all in their order."""
    faults = {row.index: _fault(row, item) for row, item in request}
    good = [(row, item) for row, item in request if not faults[row.index]]
    rows = [row for row, _ in good]
    try:
        answer = _call(client, [item for _, item in good]) if good else {}
    except CallFailed as failure:
        if failure.status in _REFUSALS:
            _send_one_by_one(client, request, faults, outcome)
        else:
            outcome.stop(failure.format_message(), in_doubt=rows)
        return
    except KeyboardInterrupt:
        # What was imported so far is worth more than a quick end.
        outcome.stop("interrupted", in_doubt=rows)
        return
    results = results_by_row(rows, answer)
    for row, _ in request:
        if faults[row.index]:
            outcome.add_fault(row, faults[row.index])
        else:
            outcome.add(row, results[row.index])


def _send_one_by_one(
    client: Client, request: list[tuple[Row, bytes]], faults: dict[int, str], outcome: Outcome
) -> None:
    for row, item in request:
        if faults[row.index]:
            outcome.add_fault(row, faults[row.index])
            continue
        try:
            outcome.add(row, {"imported_api_key": _call_for_one(client, item)})
        except CallFailed as failure:
            if failure.status not in _REFUSALS or failure.status == _QUOTA:
                # Where the quota is reached, it is for the rows behind this one as well.
                in_doubt = [] if failure.status == _QUOTA else [row]
                outcome.stop(f"line {row.line}: {failure.format_message()}", in_doubt)
                return
            outcome.add_refusal(row, failure)
        except KeyboardInterrupt:
            outcome.stop("interrupted", in_doubt=[row])
            return


def _fault(row: Row, item: bytes) -> str:
    if len(_HEAD) + len(item) + len(_TAIL) > LONGEST_BODY:
        return f"is longer than the {LONGEST_BODY} bytes that a request can hold"
    return fault_of(row)


def _call(client: Client, items: list[bytes]) -> dict[str, object]:
    return client.call(
        _CONTEXT,
        "POST",
        f"{IMPORTED.path}:batchCreate",
        body=_HEAD + b",".join(items) + _TAIL,
        longest=LONGEST_RESULT,
    )


def _call_for_one(client: Client, item: bytes) -> dict[str, object]:
    """Import one key by the operation for one, whose errors are about that key."""
    if b'"request' not in item:
        return client.call(_CONTEXT, "POST", IMPORTED.path, body=item)
    # In a batch the member request_id has no effect; alone it could name another key.
    (result,) = members(_call(client, [item]), "results") or [{}]
    return member(result, "imported_api_key")


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
    else:
        with Path(file).open("rb") as source:
            yield source
