"""Fuzzes the compiled core against the oracle in ``tests/reference``.

    python tests/fuzz/fuzz_core.py -max_total_time=600

Arguments are libFuzzer's. The corpus starts from the vectors and is kept in ``build/fuzz/corpus``.
An input on which the two disagree, or which breaks the core, is left in ``build/fuzz`` and its path
printed; give that path as an argument to run it again.

Coverage is measured on the oracle: it takes the same decisions, so an input that is new to the one
is new to the other. What the core does to memory meanwhile is the business of
``tests/core/sanitize.sh fuzz``.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT))

with atheris.instrument_imports(include=["tests.reference"]):
    from tests.reference import base58, issued_key, macaroon, parity
    from tests.vectors import load

WORK = CHECKOUT / "build" / "fuzz"
SECRET = b"test-secret-for-hmac-0123456789abcdef"
RETIRED = b"test-secret-retired-0123456789abcdef"
SECRETS = (SECRET, RETIRED)
ROOT_KEYS = tuple(macaroon.root_key(secret) for secret in SECRETS)
MACAROON_PREFIXES = ("mc", "old_mc", "eyJ")
GROUPS = ("valid", "unauthentic", "not_issued", "invalid")

# Between the parts of an input that has several; valid UTF-8 never holds it.
SEPARATOR = b"\xff\xfe"


def as_text(data: bytes) -> str:
    """Any bytes as text: UTF-8 where they are that, else a lone surrogate for each of them."""
    return data.decode("utf-8", "surrogateescape")


def ask_credential(data: bytes) -> None:
    """A credential as it comes."""
    parity.credential(as_text(data), SECRETS, MACAROON_PREFIXES)


def ask_claim(data: bytes) -> None:
    """An identifier of any content behind any prefix, under a right checksum where there is one."""
    prefix, _, claim = data.partition(SEPARATOR)
    identifier = base58.encode(claim[:128])
    parity.credential(issued_key.assemble("k", identifier, RETIRED), SECRETS, MACAROON_PREFIXES)
    parity.credential(f"{as_text(prefix)}_v1_{identifier}_{'z' * 44}", SECRETS, MACAROON_PREFIXES)


def ask_checksum(data: bytes) -> None:
    """Any text, and any digest, in place of the right checksum."""
    key = issued_key.mint("k", 0, "00000000-0000-0000-0000-000000000000", SECRET)
    signed = key[: key.rindex("_") + 1]
    parity.credential(signed + as_text(data), SECRETS, ())
    parity.credential(signed + base58.encode(data[:64]), SECRETS, ())


def ask_macaroon(data: bytes) -> None:
    """A macaroon's binary form as it comes."""
    parity.macaroon_bytes(data, ROOT_KEYS)


def ask_fields(data: bytes) -> None:
    """A macaroon put together field by field: any of them missing, repeated, out of order.

    The input is a plan, two bytes for each field: its type, with the number of superfluous bytes
    that its length is spelled with, and its length. A type of 0 is the end of a section.
    """
    token = bytearray(b"\x02")
    for step, length in zip(data[::2], data[1::2], strict=False):
        kind, superfluous = step & 7, step >> 6
        token.append(kind)
        if kind == macaroon.EOS:
            continue
        spelled = bytearray(macaroon.leb128(length))
        for _ in range(superfluous):
            spelled[-1] |= 0x80
            spelled.append(0)
        token += spelled + bytes(length)
    parity.macaroon_bytes(bytes(token), ())


def ask_caveats(data: bytes) -> None:
    """Any location, identifier and caveats, encoded and decoded again."""
    location, _, rest = data.partition(SEPARATOR)
    identifier, *caveats = rest.split(SEPARATOR)
    parity.macaroon_parts(location, identifier, tuple(caveats), ROOT_KEYS[1])


def ask_bytes(data: bytes) -> None:
    """Base58 of any bytes, and their comparison."""
    parity.base58_of_bytes(data)
    parity.compare(data, data[::-1])
    parity.compare(data, bytes(bytearray(data)))


def ask_text(data: bytes) -> None:
    """Base58 of any text."""
    parity.base58_of_text(as_text(data))


QUESTIONS: tuple[Callable[[bytes], None], ...] = (
    ask_credential,
    ask_claim,
    ask_checksum,
    ask_macaroon,
    ask_fields,
    ask_caveats,
    ask_bytes,
    ask_text,
)


def one_input(data: bytes) -> None:
    """The first byte picks the question, the rest is put to it."""
    if data:
        QUESTIONS[data[0] % len(QUESTIONS)](data[1:])


def seeds() -> Iterator[tuple[Callable[[bytes], None], bytes]]:
    """The vectors, each under the question that it fits."""
    keys, macaroons = load("issued_keys"), load("macaroons")
    credentials = [case["credential"] for group in GROUPS for case in keys.get(group, ())]
    credentials += [case["credential"] for case in load("routing")["vectors"]]
    for credential in credentials:
        yield ask_credential, credential.encode("utf-8", "surrogatepass")
        parsed = issued_key.parse(credential)
        if parsed is not None:
            claim = base58.decode(parsed.signed.split("_")[-2])
            yield ask_claim, parsed.prefix.encode() + SEPARATOR + claim
            yield ask_checksum, parsed.checksum.encode()
    for case in (case for group in GROUPS for case in macaroons.get(group, ())):
        yield ask_macaroon, bytes.fromhex(case["data"])
    for caveats in range(3):
        end = bytes([macaroon.EOS, 0])
        field = bytes([macaroon.IDENTIFIER, 200])
        signature = bytes([macaroon.SIGNATURE, 32])
        plan = field + end + (field + end) * caveats + end + signature
        yield ask_fields, plan
        yield ask_fields, bytes([macaroon.LOCATION, 8]) + plan
    for case in macaroons["valid"]:
        parts = (case["location"], case["identifier"], *case["caveats"])
        yield ask_caveats, SEPARATOR.join(bytes.fromhex(part) for part in parts)
    for case in load("base58")["valid"]:
        yield ask_bytes, bytes.fromhex(case["bytes"])
        yield ask_text, case["text"].encode()


def write_corpus(folder: Path) -> None:
    """Adds the seeds to what earlier runs have found. Named by content, as libFuzzer does."""
    folder.mkdir(parents=True, exist_ok=True)
    for question, data in seeds():
        content = bytes([QUESTIONS.index(question)]) + data
        (folder / hashlib.sha1(content, usedforsecurity=False).hexdigest()).write_bytes(content)


def main() -> None:
    """Fuzzes, or runs again the inputs whose paths are given."""
    arguments = [
        f"-artifact_prefix={WORK}/",
        f"-dict={Path(__file__).with_name('core.dict')}",
        "-max_len=2048",
        *sys.argv[1:],
    ]
    if all(argument.startswith("-") for argument in arguments):
        write_corpus(WORK / "corpus")
        arguments.append(str(WORK / "corpus"))
    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
