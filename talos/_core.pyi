"""What Python sees of the compiled core.

Arguments are exactly of the type that is written here: a subclass, or None, is a TypeError. No
function keeps a reference to a secret, which is left to ``KeyedHmac``, and no message of an error
holds any part of an argument.
"""

from typing import Final, final

ROUTE_JWT: Final[int]
ROUTE_MACAROON: Final[int]
ROUTE_ISSUED: Final[int]
ROUTE_IMPORTED: Final[int]

def compare_digest(a: bytes, b: bytes) -> bool:
    """Whether ``a`` equals ``b``, in time that depends on their lengths alone.

    Different lengths are unequal at once. Contract 14, 5.
    """

def base58_encode(data: bytes) -> str:
    """Base58 with the Bitcoin alphabet, a leading ``1`` for each leading zero byte. Contract 5.

    Raises ValueError for more than 1024 bytes.
    """

def base58_decode(text: str) -> bytes:
    """The bytes that ``base58_encode`` makes ``text`` of. Contract 5.

    Raises ValueError for a character outside the alphabet, for more than 1399 characters, and for
    a text of more than 1024 bytes. Every other text, the empty one too, has a meaning.
    """

def route(credential: str, macaroon_prefixes: tuple[str, ...]) -> int:
    """One of the ``ROUTE_`` values for any text whatever. Contract 5.6.

    ``macaroon_prefixes`` holds the current prefix and the retired ones, without ``_v1_``; an empty
    one never matches. ``ROUTE_ISSUED`` is answered exactly where ``parse_issued_key`` finds a key.
    """

@final
class UnverifiedIssuedKey:
    """What an issued key says about itself before its checksum has been checked. Contract 5.1.

    Made by ``parse_issued_key`` only; immutable; its repr leaves out the checksum.
    """

    @property
    def prefix(self) -> str:
        """1 to 16 of ``[A-Za-z0-9_]``."""
    @property
    def timestamp_s(self) -> int:
        """When the key says it was made, in seconds since the Unix epoch; any 64-bit value."""
    @property
    def key_id(self) -> str:
        """A UUID of any version, in lower case with hyphens, however the key spelled it."""

def parse_issued_key(credential: str) -> UnverifiedIssuedKey | None:
    """The shape test of contract 5.1. None for any text that is not an issued key; never raises."""

def checksum_valid(key: UnverifiedIssuedKey, secrets: tuple[bytes, ...]) -> bool:
    """Whether one of ``secrets`` made the checksum of ``key``. Contract 5.1.

    Tries all of them, in constant time. False if there are none.
    """

def mint_issued_key(prefix: str, timestamp_s: int, key_id: str, secret: bytes) -> str:
    """A complete issued key, secret part included. Contract 5.1.

    Raises ValueError if the prefix is not 1 to 16 of ``[A-Za-z0-9_]``, the timestamp beyond 64
    bits, or the key id not a UUID in lower case with hyphens.
    """

@final
class UnverifiedMacaroon:
    """The parts of a macaroon before its signature has been checked. Contract 5.5.

    Made by ``macaroon_decode`` only; immutable; its repr shows none of them.
    """

    @property
    def location(self) -> bytes:
        """Empty if the token has none. Not covered by the signature."""
    @property
    def identifier(self) -> bytes:
        """Any bytes."""
    @property
    def caveats(self) -> tuple[bytes, ...]:
        """First-party caveats in order, 256 at most; any bytes."""
    @property
    def signature(self) -> bytes:
        """32 bytes. Compare it with ``macaroon_signature_valid`` only."""

def macaroon_decode(data: bytes) -> UnverifiedMacaroon:
    """Reads the canonical libmacaroons V2 binary form, and nothing else. Contract 5.5.

    Raises ValueError for every other input: another version, fields missing, repeated or out of
    order, lengths not in their shortest form, a third-party caveat, an empty location that is
    spelled out, a signature that is not 32 bytes, bytes after it, more than 256 caveats, more than
    8192 bytes.
    """

def macaroon_encode(
    location: bytes, identifier: bytes, caveats: tuple[bytes, ...], root_key: bytes
) -> bytes:
    """A signed macaroon in V2 binary form. Contract 5.5.

    ``root_key`` is what ``macaroon_root_key`` answers; the key generator is applied here. Raises
    ValueError for more than 256 caveats or a result beyond 8192 bytes.
    """

def macaroon_signature_valid(macaroon: UnverifiedMacaroon, root_keys: tuple[bytes, ...]) -> bool:
    """Whether the chain from one of ``root_keys`` ends in the macaroon's signature. Contract 5.5.

    Tries all of them, in constant time. False if there are none.
    """

def macaroon_root_key(secret: bytes) -> bytes:
    """The 32 bytes from which the macaroons of an HMAC secret are signed. Contract 5.5."""

def pagination_key(secret: bytes) -> bytes:
    """The 32 bytes that encrypt the page tokens of an HMAC secret. Contract 5.8."""

@final
class KeyedHmac:
    """HMAC-SHA256 under one key for many messages, at a fifth of the cost of the one-shot.

    It keeps the key. Not for several threads at once: what it computes with has state. It cannot
    be pickled.
    """

    def __init__(self, key: bytes, *, one_shot: bool = False) -> None:
        """Prepare ``key``; ``one_shot`` asks for the standard library's function instead.

        That happens by itself where the interpreter's OpenSSL cannot be reached or is before 3.
        """

    @property
    def is_one_shot(self) -> bool:
        """Whether digests come from the standard library's function."""

    def digest(self, message: bytes) -> bytes:
        """``HMAC-SHA256(key, message)``; RuntimeError where OpenSSL fails."""

def recognise_verify(data: bytes, start: int = 0) -> tuple[bytes, bytes, int] | None:
    """The request to verify one credential that ``data`` holds at ``start``, if it is a plain one.

    Answers its body, the ``X-Request-Id`` to echo (empty: a fresh one is due), and the position
    behind it. None says nothing about the request: the parser has to read it. What is answered has
    no cache directive, does not end the connection, and no parser reads it otherwise. Raises
    ValueError where ``start`` lies outside of ``data``.
    """

def match_verify(body: bytes) -> bytes | None:
    """The credential of a body that asks for nothing else, contract 4.14; None where in doubt.

    The body is one JSON object in plain spelling, its credential of ``[A-Za-z0-9_]``, and it may
    name an empty list of expected audiences.
    """
