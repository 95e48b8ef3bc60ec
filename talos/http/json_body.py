"""JSON text as the contract reads it (2.1), kept so that no later reader has lost anything.

The parser is the standard library's. Around it stand the rules that it does not have: depth is
bounded before it recurses, bytes behind the first value are ignored, lone surrogates are refused
wherever they stand, and a body without text is an empty object.

Objects stay tuples of (name, value) pairs, because only the reader of a message knows which names
may repeat. Numbers that an int cannot hold exactly, or that are long, are ``Decimal``: a quota is
read from all their digits, metadata from their nearest double.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn, TypeAlias

from talos._core import measure_json
from talos.domain.units import MAX_JSON_DEPTH
from talos.errors import InvalidRequest

JsonObject: TypeAlias = tuple[tuple[str, "JsonValue"], ...]
JsonValue: TypeAlias = bool | int | Decimal | str | list["JsonValue"] | JsonObject | None

_BLANKS: Final = " \t\r\n"
_LONGEST_INT: Final = len(str(-(2**63)))
_ESCAPES: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?P<lone>[dD][89a-fA-F])|.)"
)


def parse_object(body: bytes) -> JsonObject:
    """Return the members of the object that ``body`` starts with.

    Raises ``InvalidRequest``, and nothing else, for everything that is not one.
    """
    try:
        text, is_whole = body.decode(), True
    except UnicodeDecodeError as error:
        # The damage is of no concern when it lies behind the value.
        text, is_whole = body[: error.start].decode(), False
    start = len(text) - len(text.lstrip(_BLANKS))
    if start == len(text) and is_whole:
        return ()
    if measure_json(body)[1] > MAX_JSON_DEPTH:
        raise InvalidRequest(f"malformed JSON: more than {MAX_JSON_DEPTH} levels deep")
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, InvalidOperation) as error:
        raise InvalidRequest(_reason(error) if is_whole else "the body is not UTF-8") from None
    if any(escape["lone"] for escape in _ESCAPES.finditer(text, start, end)):
        raise InvalidRequest("malformed JSON: a surrogate stands alone")
    if not isinstance(value, tuple):
        raise InvalidRequest("the body must be a JSON object")
    return value


def compact(value: object) -> str:
    """Print plain values (``talos.http.scalars.free_form``) without blanks, as they are stored."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        what = error.msg.removesuffix(" starting at").removesuffix(" at")
        return f"malformed JSON at character {error.pos}: {what}"
    return "malformed JSON: a number is not one"


def _integer(text: str) -> int | Decimal:
    # Python refuses to convert integers of thousands of digits; nothing here needs them as such.
    return int(text) if len(text) <= _LONGEST_INT else Decimal(text)


def _constant(_name: str) -> NoReturn:
    raise ValueError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=tuple,
    parse_int=_integer,
    parse_float=Decimal,
    parse_constant=_constant,
)
