"""Reading a server's JSON, which must be shown again as it is."""

import json
import math
from typing import Any, NoReturn


def decoded_object(body: bytes) -> dict[str, Any] | None:
    """Return the object that ``body`` is, None for anything else.

    A number that is no JSON or that no double can hold could not be printed again, so a body with
    one is no object.
    """
    try:
        value = json.loads(body, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("beyond the range of a double")
    return number
