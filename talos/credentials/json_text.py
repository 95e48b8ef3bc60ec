"""Strict JSON for what strangers sign or configure: token parts, caveats and key documents.

Two readers of one text must never see two values, so everything on which JSON readers differ is
refused: repeated members, NaN and infinities, numbers that overflow, lone surrogates, a byte order
mark, bytes after the value. Nesting is bounded (contract 16, 36).
"""

import json
import re
from collections.abc import Mapping
from typing import NoReturn

from talos._core import measure_json
from talos.domain.units import MAX_JSON_DEPTH

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONGEST_PLAIN_INTEGER = 18
_INT64_MIN = -(2**63)
_UINT64_MAX = 2**64 - 1
_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def decode_object(data: bytes) -> dict[str, object]:
    """Decode a JSON object from UTF-8 bytes.

    Integers keep every digit up to 64 bits, larger ones become floats (contract 16, 17). Raises
    ValueError, never anything else, when ``data`` is not exactly one acceptable object.
    """
    if measure_json(data)[1] > MAX_JSON_DEPTH:
        raise ValueError("nested too deeply")
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError:
        # Bounded as the depth is, a caller that is itself deep in calls may have little left.
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    if _SURROGATE_ESCAPE.search(data):
        # Escapes are the only way for a surrogate to get past the decoding of UTF-8.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def encode_object(members: Mapping[str, object]) -> bytes:
    """Encode as the tokens are written (contract 5.4): compact, members sorted, UTF-8.

    ``<``, ``>``, ``&``, U+2028 and U+2029 are escaped. Raises ValueError for what JSON cannot say.
    """
    text = json.dumps(
        members, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )
    # Outside of strings none of these characters can occur.
    return text.translate(_ESCAPES).encode()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated member")
    return members


def _integer(text: str) -> int | float:
    if len(text) <= _LONGEST_PLAIN_INTEGER:
        return int(text)
    # Python refuses to convert integers of thousands of digits; a float is never that exact.
    if len(text) <= len(str(_UINT64_MAX)):
        value = int(text)
        if _INT64_MIN <= value <= _UINT64_MAX:
            return value
    return _finite(text)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return value


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=_finite,
    parse_int=_integer,
    parse_constant=_constant,
)
