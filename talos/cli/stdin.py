"""Secrets from standard input: a credential given as ``-`` stays out of the process list."""

import sys
from typing import Final

import click

from talos.cli.command import Failure

STDIN: Final = "-"
# The API takes credentials of 8192 bytes; what is longer is not cut but refused, here or there.
_LONGEST_SECRET: Final = 1024 * 1024
_LONGEST_LIST: Final = 64 * 1024 * 1024


def read_secret(value: str, name: str) -> str:
    """Return ``value``, or for ``-`` what standard input holds, without one line end at its end.

    A terminal is asked without echo. Raises ``Failure`` for an input that is empty, too long or
    not UTF-8.
    """
    if value != STDIN:
        return value
    if _is_terminal():
        answer: str = click.prompt(name, hide_input=True, err=True)
        return answer
    text = _read(name, _LONGEST_SECRET).removesuffix("\n").removesuffix("\r")
    if not text:
        raise Failure(f"standard input holds no {name}")
    return text


def read_secrets(values: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return ``values``, with one ``-`` among them replaced by the lines of standard input."""
    if STDIN not in values:
        return values
    if values.count(STDIN) > 1:
        raise Failure('"-" stands for standard input and can be given once')
    lines = [line.removesuffix("\r") for line in _read(name, _LONGEST_LIST).split("\n")]
    lines = [line for line in lines if line]
    if not lines:
        raise Failure(f"standard input holds no {name}")
    place = values.index(STDIN)
    return (*values[:place], *lines, *values[place + 1 :])


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _read(name: str, longest: int) -> str:
    content = sys.stdin.buffer.read(longest + 1)
    if len(content) > longest:
        raise Failure(f"standard input is too long for a {name}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Failure(f"the {name} on standard input is not UTF-8") from None
