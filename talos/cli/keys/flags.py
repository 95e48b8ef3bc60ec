"""The flags that keys commands share, read and checked before anything is sent. Contract 13.2.

Each reader turns a flag's text into what the request body holds, and raises ``ValueError`` saying
what was expected; none repeats the text. A flag that was not given is None.
"""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from talos.cli.command import Failure
from talos.domain.durations import parse_ttl
from talos.domain.units import INT64_MAX, NS_PER_S

REASONS: Final = (
    "key_compromise",
    "affiliation_changed",
    "superseded",
    "privilege_withdrawn",
    "unspecified",
)
_REASON_PREFIX: Final = "REVOCATION_REASON_"

F = TypeVar("F", bound=Callable[..., Any])


class Reader(click.ParamType[Any]):
    """A parameter type made of a reader; ``name`` is shown as its placeholder."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        """Use ``read`` for what is typed."""
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text; refuse it in click's way."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _RefusedError(ValueError):
    """A fault of a JSON text that is no fault of its syntax."""


def read_comma_list(text: str) -> list[str]:
    """Split at commas and trim. An empty text is an empty list; an empty element stays."""
    return [element.strip() for element in text.split(",")] if text.strip() else []


def read_json_object(text: str) -> dict[str, Any]:
    """Read a JSON object without losing anything of it: no repeated member, no infinite number."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_without_repeats,
            parse_constant=_finite,
            parse_float=_finite,
        )
    except _RefusedError:
        raise
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object, such as {}")
    return value


def read_ttl(text: str) -> tuple[str, int]:
    """Read a lifetime in Go units or in those of contract 2.5; return it as typed and in ns."""
    return text, parse_ttl(text)


def read_window(text: str) -> str:
    """Read the window of a rate limit; return its whole seconds as the API writes them: ``60s``."""
    seconds = parse_ttl(text) // NS_PER_S
    if seconds < 1:
        raise ValueError("must be at least 1s")
    return f"{seconds}s"


def read_quota(text: str) -> int:
    """Read the quota of a rate limit."""
    try:
        number = int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None
    if not 0 <= number <= INT64_MAX:
        raise ValueError("must be neither negative nor beyond 64 bits")
    return number


def read_reason(text: str) -> str:
    """Read a revocation reason, short or full, in any case; return the name of the enum."""
    name = text.strip().lower().removeprefix(_REASON_PREFIX.lower()) or "unspecified"
    if name not in REASONS:
        raise ValueError("must be one of " + ", ".join(REASONS))
    return _REASON_PREFIX + name.upper()


def read_key_id(text: str) -> str:
    """Read a key id: anything but nothing."""
    if not text:
        raise ValueError("must not be empty")
    return text


def rate_limit_policy(quota: int | None, window: str | None) -> dict[str, str] | None:
    """Return the policy that the two flags make, None where neither is given or the quota is 0.

    Raises ``Failure`` when one is given without the other.
    """
    if not quota:
        if window is not None:
            raise Failure("--rate-limit-window needs --rate-limit-quota above 0")
        return None
    if window is None:
        raise Failure("--rate-limit-quota needs --rate-limit-window")
    return {"quota": str(quota), "window": window}


def given(**members: object) -> dict[str, object]:
    """Return the members of a request body that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def ip_restriction(cidrs: list[str] | None) -> dict[str, list[str]] | None:
    """Return the member that ``--allowed-cidrs`` stands for."""
    return None if cidrs is None else {"allowed_cidrs": cidrs}


def _list_option(flag: str, help_text: str) -> Callable[[F], F]:
    """Return an option of a comma-separated list; given twice, the lists are joined."""

    def join(
        _context: click.Context, _parameter: click.Parameter, lists: tuple[list[str], ...]
    ) -> list[str] | None:
        return [element for part in lists for element in part] if lists else None

    return click.option(
        flag,
        type=Reader("A,B", read_comma_list),
        multiple=True,
        callback=join,
        help=help_text + " Separated by commas, or the flag repeated.",
    )


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that adds parameters in the order given."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


key_id_argument: Final = click.argument(
    "key_id", type=Reader("key id", read_key_id), metavar="KEY_ID", help="Id of the key."
)
actor_option: Final = click.option("--actor", required=True, help="Whom or what the key is for.")
scopes_option: Final = _list_option("--scopes", "What the key may do.")
metadata_option: Final = click.option(
    "--metadata", type=Reader("JSON", read_json_object), help="A JSON object to keep with the key."
)
restriction_options: Final = together(
    _list_option("--allowed-cidrs", "Networks that may use the key, such as 10.0.0.0/8."),
    click.option(
        "--rate-limit-quota",
        type=Reader("N", read_quota),
        help="Requests allowed in a window; 0 is no limit.",
    ),
    click.option(
        "--rate-limit-window",
        type=Reader("duration", read_window),
        help="Length of the window, such as 60s, 1h or 1d; cut to whole seconds.",
    ),
)
reason_option: Final = click.option(
    "--reason",
    type=Reader("reason", read_reason),
    help=f"Why: {', '.join(REASONS)}, or the full name of the enum.",
)
revocation_options: Final = together(
    reason_option,
    click.option("--reason-text", help="An explanation; goes with privilege_withdrawn only."),
)
no_cache_option: Final = click.option(
    "--no-cache", is_flag=True, help="Have the server read the key from its database."
)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError("has a member twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")) or number != number:
        raise _RefusedError("holds a number that JSON cannot carry")
    return number
