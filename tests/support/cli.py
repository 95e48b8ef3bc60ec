"""The command line run in this process, against a server of the test."""

from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]
