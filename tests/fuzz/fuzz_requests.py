"""Fuzzes what is read of a connection against gunicorn's parser.

    python tests/fuzz/fuzz_requests.py -max_total_time=600

Arguments are libFuzzer's. The corpus starts from the cases of ``tests/vectors/raw_requests.json``
and is kept in ``build/fuzz/requests``. An input that is read in two ways is left in ``build/fuzz``
and its path printed; give that path as an argument to run it again.
"""

import sys
from pathlib import Path

import atheris

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT))

with atheris.instrument_imports(include=["talos.serving", "gunicorn.http"]):
    from tests.e2e.raw_corpus import corpus
    from tests.reference.raw_requests import parity

WORK = CHECKOUT / "build" / "fuzz"


def one_input(data: bytes) -> None:
    """The whole of it is what a client sends."""
    parity(data)


def main() -> None:
    """Fuzzes, or runs again the inputs whose paths are given."""
    arguments = [f"-artifact_prefix={WORK}/", "-max_len=4000", *sys.argv[1:]]
    if all(argument.startswith("-") for argument in arguments):
        folder = WORK / "requests"
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(corpus().values()):
            (folder / f"seed-{number}").write_bytes(data)
        arguments.append(str(folder))
    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
