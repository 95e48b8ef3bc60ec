"""Fuzzes the recogniser of plain requests against the parsers that it stands before.

    python tests/fuzz/fuzz_recogniser.py -max_total_time=600

Arguments are libFuzzer's. The corpus starts from what well-known clients send and is kept in
``build/fuzz/recogniser``. An input that the recogniser reads otherwise than the parsers is left in
``build/fuzz`` and its path printed; give that path as an argument to run it again.

Coverage is measured on what the server reads of a request; llhttp, which is compiled, gives none.
"""

import hashlib
import sys
from pathlib import Path

import atheris

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT))

with atheris.instrument_imports(include=["talos.serving", "talos.http"]):
    from tests.reference.verify_request import (
        credential,
        credentials,
        parity_of_body,
        parity_of_request,
        read,
    )
    from tests.support.verify_requests import (
        ADDED,
        BATCH_CLIENTS,
        BATCHES,
        CLIENTS,
        DECLINED,
        MATCHED,
        NO_BATCHES,
        request,
    )

WORK = CHECKOUT / "build" / "fuzz"


def one_input(data: bytes) -> None:
    """The first byte tells a body from a request."""
    if data[:1] == b"B":
        # The parsers are asked about what is not recognised too: that is where coverage is.
        if not parity_of_body(data[1:]):
            credential(data[1:])
            credentials(data[1:])
    elif not parity_of_request(data[1:]):
        read(data[1:])


def write_corpus(folder: Path) -> None:
    """Adds the seeds to what earlier runs have found. Named by content, as libFuzzer does."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [b"B" + body for body in (*MATCHED, *BATCHES, *NO_BATCHES)]
    requests = (*CLIENTS, *BATCH_CLIENTS, *(request(lines) for lines in (*ADDED, *DECLINED)))
    seeds += [b"R" + data for data in requests]
    for content in seeds:
        name = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        (folder / name).write_bytes(content)


def main() -> None:
    """Fuzzes, or runs again the inputs whose paths are given."""
    arguments = [
        f"-artifact_prefix={WORK}/",
        f"-dict={Path(__file__).with_name('recogniser.dict')}",
        "-max_len=9000",
        *sys.argv[1:],
    ]
    if all(argument.startswith("-") for argument in arguments):
        write_corpus(WORK / "recogniser")
        arguments.append(str(WORK / "recogniser"))
    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
