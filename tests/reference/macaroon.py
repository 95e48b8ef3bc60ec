"""Macaroons by the letter of contract 5.5.

The reader takes the V2 form as loosely as libmacaroons describes it; what is canonical is then said
by the writer: a token is canonical if writing what was read gives the same bytes again.
"""

import hmac
import io
from dataclasses import dataclass

MAX_BYTES = 8192
MAX_CAVEATS = 256

EOS, LOCATION, IDENTIFIER, SIGNATURE = 0, 1, 2, 6


@dataclass(frozen=True)
class Macaroon:
    location: bytes
    identifier: bytes
    caveats: tuple[bytes, ...]
    signature: bytes


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def root_key(secret: bytes) -> bytes:
    return mac(secret, b"talos/macaroon/v1/root-key")


def sign(identifier: bytes, caveats: tuple[bytes, ...], root: bytes) -> bytes:
    signature = mac(mac(b"macaroons-key-generator", root), identifier)
    for caveat in caveats:
        signature = mac(signature, caveat)
    return signature


def leb128(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def packed(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + leb128(len(value)) + value


def write(macaroon: Macaroon) -> bytes:
    return (
        b"\x02"
        + (packed(LOCATION, macaroon.location) if macaroon.location else b"")
        + packed(IDENTIFIER, macaroon.identifier)
        + b"\0"
        + b"".join(packed(IDENTIFIER, caveat) + b"\0" for caveat in macaroon.caveats)
        + b"\0"
        + packed(SIGNATURE, macaroon.signature)
    )


def mint(location: bytes, identifier: bytes, caveats: tuple[bytes, ...], root: bytes) -> bytes:
    return write(Macaroon(location, identifier, caveats, sign(identifier, caveats, root)))


def decode(data: bytes) -> Macaroon:
    """Raises ValueError for whatever is not canonical V2."""
    if len(data) > MAX_BYTES:
        raise ValueError("too long")
    macaroon = read(io.BytesIO(data))
    if len(macaroon.signature) != 32 or len(macaroon.caveats) > MAX_CAVEATS:
        raise ValueError("beyond the limits")
    if write(macaroon) != data:
        raise ValueError("not canonical")
    return macaroon


def read(stream: io.BytesIO) -> Macaroon:
    if stream.read(1) != b"\x02":
        raise ValueError("not V2")
    header = read_section(stream)
    caveats = []
    while section := read_section(stream):
        caveats.append(section[IDENTIFIER])
    kind, signature = read_field(stream)
    if IDENTIFIER not in header or kind != SIGNATURE:
        raise ValueError("a field is missing")
    return Macaroon(header.get(LOCATION, b""), header[IDENTIFIER], tuple(caveats), signature)


def read_section(stream: io.BytesIO) -> dict[int, bytes]:
    """Fields up to the end of the section, which is empty where the caveats end."""
    section: dict[int, bytes] = {}
    while (field := read_field(stream))[0] != EOS:
        kind, value = field
        section[kind] = value
    if section and IDENTIFIER not in section:
        raise ValueError("a section has no identifier")
    return section


def read_field(stream: io.BytesIO) -> tuple[int, bytes]:
    kind = read_byte(stream)
    if kind == EOS:
        return EOS, b""
    length = shift = 0
    while True:
        byte = read_byte(stream)
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    value = stream.read(min(length, MAX_BYTES + 1))
    if len(value) != length:
        raise ValueError("a field is cut short")
    return kind, value


def read_byte(stream: io.BytesIO) -> int:
    byte = stream.read(1)
    if not byte:
        raise ValueError("the token is cut short")
    return byte[0]
