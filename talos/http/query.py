"""Query strings of the operations that look at theirs: list and update (contract 2.1, 4.4, 7.1).

Names come in snake_case or lowerCamelCase, one that is not known is ignored, one that is given
twice is refused. The string as a whole must be well-formed, unknown parameters included.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from talos.domain.drafts import ListQuery
from talos.domain.masks import split_mask
from talos.errors import InvalidRequest
from talos.http.fields import camel_case

_MALFORMED: Final = re.compile(";|%(?![0-9A-Fa-f]{2})")
# Any number of leading zeros is a spelling too, but Python bounds what it converts.
_PAGE_SIZE: Final = re.compile(r"[+-]?[0-9]{1,100}")
_INT32: Final = range(-(2**31), 2**31)
_LIST_PARAMETERS: Final = ("page_size", "page_token", "filter")
_MASK_PATHS: Final = ("update_mask.paths", "updateMask.paths")


def decode_list(query: str) -> ListQuery:
    """Read the query of a list operation. Raises ``InvalidRequest``."""
    given = _parameters(query, _LIST_PARAMETERS)
    page_size = given.get("page_size")
    return ListQuery(
        page_size=0 if page_size is None else _page_size(page_size),
        page_token=given.get("page_token", ""),
        filter=given.get("filter", ""),
    )


def decode_mask(query: str) -> tuple[str, ...] | None:
    """Return the unchecked paths of ``update_mask``, None where there is no mask.

    ``update_mask.paths``, which may repeat, adds one path each. Raises ``InvalidRequest``.
    """
    paths = [_text(value) for name, value in _pairs(query) if name in _MASK_PATHS]
    mask = _parameters(query, ("update_mask",)).get("update_mask")
    if mask is None:
        return tuple(paths) if paths else None
    return (*split_mask(mask), *paths)


def _parameters(query: str, known: tuple[str, ...]) -> dict[str, str]:
    names = {spelling: name for name in known for spelling in (name, camel_case(name))}
    values: dict[str, str] = {}
    for spelling, value in _pairs(query):
        name = names.get(spelling)
        if name is None:
            continue
        if name in values:
            raise InvalidRequest(f"validation error: {name}: is given twice")
        values[name] = _text(value)
    return values


def _pairs(query: str) -> Iterator[tuple[str, bytes]]:
    if _MALFORMED.search(query):
        raise InvalidRequest("the query has a malformed escape or a semicolon")
    for pair in query.split("&"):
        name, _, value = pair.replace("+", " ").partition("=")
        # A name that is not UTF-8 is unknown, whatever it turns into.
        yield _unquote(name).decode("utf-8", "replace"), _unquote(value)


def _unquote(text: str) -> bytes:
    return unquote_to_bytes(text.encode("latin-1"))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("a query parameter is not UTF-8") from None


def _page_size(text: str) -> int:
    if _PAGE_SIZE.fullmatch(text) is None or int(text) not in _INT32:
        raise InvalidRequest("validation error: page_size: must be a whole 32-bit number")
    return int(text)
