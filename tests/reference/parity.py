"""Asks the compiled core and this oracle the same question, and insists on one answer.

The property tests and the fuzz target both drive these functions, with inputs of their own making.
"""

import hmac

from talos import _core
from tests.reference import base58, issued_key, macaroon, routing

# Limits of the core that the contract leaves open. What it can encode, it can decode.
BASE58_MAX_BYTES = 1024
BASE58_MAX_TEXT = 1399

ROUTES = {
    "derived_jwt": _core.ROUTE_JWT,
    "derived_macaroon": _core.ROUTE_MACAROON,
    "issued": _core.ROUTE_ISSUED,
    "imported": _core.ROUTE_IMPORTED,
}


def compare(a: bytes, b: bytes) -> None:
    assert _core.compare_digest(a, b) is hmac.compare_digest(a, b)


def base58_of_bytes(data: bytes) -> None:
    if len(data) > BASE58_MAX_BYTES:
        assert refused(_core.base58_encode, data), data
        return
    text = base58.encode(data)
    assert _core.base58_encode(data) == text
    assert _core.base58_decode(text) == data


def base58_of_text(text: str) -> None:
    try:
        data = base58.decode(text)
    except ValueError:
        data = None
    if data is None or len(data) > BASE58_MAX_BYTES or len(text) > BASE58_MAX_TEXT:
        assert refused(_core.base58_decode, text), text
        return
    assert _core.base58_decode(text) == data
    assert _core.base58_encode(data) == text


def credential(
    text: str, secrets: tuple[bytes, ...], macaroon_prefixes: tuple[str, ...]
) -> issued_key.IssuedKey | None:
    """Routing, the shape test and the checksum of one text. Answers the key that it is, if any."""
    assert _core.route(text, macaroon_prefixes) == ROUTES[routing.route(text, macaroon_prefixes)]
    ours, theirs = _core.parse_issued_key(text), issued_key.parse(text)
    assert (ours is None) == (theirs is None), text
    if ours is None or theirs is None:
        return None
    assert (ours.prefix, ours.timestamp_s, ours.key_id) == (
        theirs.prefix,
        theirs.timestamp_s,
        theirs.key_id,
    )
    assert _core.checksum_valid(ours, secrets) is issued_key.checksum_valid(theirs, secrets), text
    return theirs


def macaroon_bytes(data: bytes, root_keys: tuple[bytes, ...]) -> macaroon.Macaroon | None:
    """Decoding and the signature of one binary token. Answers its parts, if it is a macaroon."""
    try:
        theirs = macaroon.decode(data)
    except ValueError:
        assert refused(_core.macaroon_decode, data), data
        return None
    ours = _core.macaroon_decode(data)
    assert (ours.location, ours.identifier, ours.caveats, ours.signature) == (
        theirs.location,
        theirs.identifier,
        theirs.caveats,
        theirs.signature,
    )
    signatures = [macaroon.sign(theirs.identifier, theirs.caveats, root) for root in root_keys]
    assert _core.macaroon_signature_valid(ours, root_keys) is (theirs.signature in signatures)
    return theirs


def macaroon_parts(
    location: bytes, identifier: bytes, caveats: tuple[bytes, ...], root_key: bytes
) -> None:
    data = macaroon.mint(location, identifier, caveats, root_key)
    if len(data) > macaroon.MAX_BYTES or len(caveats) > macaroon.MAX_CAVEATS:
        assert refused(_core.macaroon_encode, location, identifier, caveats, root_key)
        return
    assert _core.macaroon_encode(location, identifier, caveats, root_key) == data
    assert macaroon_bytes(data, (root_key,)) is not None


def refused(function: object, *arguments: object) -> bool:
    """Whether the function raises ValueError; any other exception goes through."""
    assert callable(function)
    try:
        function(*arguments)
    except ValueError:
        return True
    return False
