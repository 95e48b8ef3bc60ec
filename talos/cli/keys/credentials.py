"""The commands that present a credential: verify, batch-verify, derive-token, self-revoke.

Each takes it as an argument or, for ``-``, from standard input, where no process list shows it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from talos.cli.client import ADMIN, SELF_REVOKE, CallFailed, Client
from talos.cli.command import Failure
from talos.cli.keys.flags import (
    Reader,
    given,
    no_cache_option,
    read_json_object,
    read_ttl,
    reason_option,
)
from talos.cli.keys.group import KeysCommand
from talos.cli.keys.rows import (
    UNKNOWN,
    VERIFICATION_COLUMNS,
    cell,
    is_undecided,
    labelled,
    member,
    members,
    verification_row,
)
from talos.cli.output import note, print_row, print_table
from talos.cli.stdin import read_secret, read_secrets

_BATCH_SIZE: Final = 100
_INVALID_FORMAT: Final = "VERIFICATION_ERROR_INVALID_FORMAT"
_BAD_REQUEST: Final = 400
_ALGORITHMS: Final = {"jwt": "TOKEN_ALGORITHM_JWT", "macaroon": "TOKEN_ALGORITHM_MACAROON"}

_credential_argument = click.argument(
    "credential", help="The credential; - reads it from standard input."
)


@click.command(
    "verify",
    cls=KeysCommand,
    examples=[
        "talos keys verify - < key.txt",
        "talos keys verify - --no-cache --format json < key.txt",
        "talos keys verify CREDENTIAL -q || echo 'not good'",
    ],
)
@_credential_argument
@no_cache_option
def verify(credential: str, no_cache: bool) -> None:
    """Verify an API key or a derived token.

    Exit code 0 means valid, 1 not valid, and 3 that nobody knows: the server or its database was
    not reached, or what answered was no Talos server.
    """
    secret = read_secret(credential, "credential")
    with _no_verdict_from_trouble():
        answer = Client().call(
            "verify API key",
            "POST",
            f"{ADMIN}/apiKeys:verify",
            body={"credential": secret},
            no_cache=no_cache,
            secrets=(secret,),
        )
        code = cell(answer.get("error_code"))
        message = cell(answer.get("error_message"))
        if code == _INVALID_FORMAT:
            raise _NotValid(f"Error: verify API key: {message or code}")
        print_row(labelled(VERIFICATION_COLUMNS, verification_row(answer)), answer)
        details = ": ".join(part for part in (code, message) if part)
        details = f" ({details})" if details else ""
        if is_undecided(answer):
            raise _Undecided(f"API key is {UNKNOWN}{details}")
        if answer.get("is_valid") is not True:
            raise _NotValid(f"API key is INVALID{details}")
        note("API key is VALID")


class _NotValid(Failure):
    """The server said no."""


class _Undecided(Failure):
    """The server said neither yes nor no (contract 16 (47))."""

    exit_code = 3


@contextmanager
def _no_verdict_from_trouble() -> Iterator[None]:
    """Have everything that keeps a verdict from coming or from being shown end as ``_Undecided``.

    A server's own 400 speaks of the credential: what no request can carry is no valid key.
    """
    try:
        yield
    except (_NotValid, _Undecided):
        raise
    except (KeyboardInterrupt, BrokenPipeError):
        raise _Undecided(f"interrupted\nAPI key is {UNKNOWN}") from None
    except Failure as failure:
        if (
            isinstance(failure, CallFailed)
            and failure.status == _BAD_REQUEST
            and failure.from_talos
        ):
            raise
        raise _Undecided(f"{failure.format_message()}\nAPI key is {UNKNOWN}") from None


@click.command(
    "batch-verify",
    cls=KeysCommand,
    examples=[
        "talos keys batch-verify - < keys.txt",
        "talos keys batch-verify CREDENTIAL CREDENTIAL --format jsonpath=results.0.error_code",
    ],
)
@click.argument(
    "credentials",
    nargs=-1,
    required=True,
    metavar="CREDENTIAL...",
    help="The credentials; - reads one a line from standard input.",
)
@no_cache_option
def batch_verify(credentials: tuple[str, ...], no_cache: bool) -> None:
    """Verify several credentials. Exit code 0 means that the call worked, whatever the verdicts.

    IS VALID is UNKNOWN where the server could not decide. More than 100 go in several requests.
    """
    client = Client()
    secrets = read_secrets(credentials, "credential")
    results: list[dict[str, Any]] = []
    for start in range(0, len(secrets), _BATCH_SIZE):
        part = secrets[start : start + _BATCH_SIZE]
        answer = client.call(
            "batch verify API keys",
            "POST",
            f"{ADMIN}/apiKeys:batchVerify",
            body={"requests": [{"credential": secret} for secret in part]},
            no_cache=no_cache,
            secrets=part,
        )
        verdicts = members(answer, "results")
        if len(verdicts) != len(part):
            raise Failure(
                f"Error: batch verify API keys: {len(part)} credentials were sent and "
                f"{len(verdicts)} verdicts came"
            )
        results.extend(verdicts)
    rows = [(*verification_row(result), cell(result.get("error_code"))) for result in results]
    print_table((*VERIFICATION_COLUMNS, "ERROR"), rows, {"results": results})


@click.command(
    "derive-token",
    cls=KeysCommand,
    examples=[
        "talos keys derive-token - < key.txt",
        "talos keys derive-token - --ttl 5m --algorithm macaroon -q < key.txt",
        """talos keys derive-token - --claims '{"session": "s-1"}' --format json < key.txt""",
    ],
)
@_credential_argument
@click.option(
    "--ttl",
    type=Reader("duration", read_ttl),
    default="1h",
    show_default=True,
    help="Lifetime, such as 5m or 1d; not longer than that of the key.",
)
@click.option(
    "--algorithm",
    type=click.Choice(list(_ALGORITHMS)),
    default="jwt",
    show_default=True,
    help="Form of the token.",
)
@click.option(
    "--claims", type=Reader("JSON", read_json_object), help="A JSON object of further claims."
)
def derive_token(
    credential: str, ttl: tuple[str, int], algorithm: str, claims: dict[str, Any] | None
) -> None:
    """Derive a short-lived token from an API key."""
    client = Client()
    secret = read_secret(credential, "credential")
    answer = client.call(
        "derive token",
        "POST",
        f"{ADMIN}/apiKeys:derive",
        body=given(
            credential=secret, algorithm=_ALGORITHMS[algorithm], ttl=ttl[0], custom_claims=claims
        ),
        secrets=(secret,),
    )
    token = member(answer, "token")
    if not token.get("token"):
        raise CallFailed("derive token", "the answer holds no token; is this a Talos server?")
    columns = [("TOKEN", cell(token.get("token"))), ("EXPIRE TIME", cell(token.get("expire_time")))]
    print_row(columns, answer)
    note("Token derived.")


@click.command(
    "self-revoke",
    cls=KeysCommand,
    examples=["talos keys self-revoke - --reason key_compromise < key.txt"],
)
@_credential_argument
@reason_option
def self_revoke(credential: str, reason: str | None) -> None:
    """Revoke the key that is presented; nothing else is needed. Nothing is printed on stdout."""
    client = Client()
    secret = read_secret(credential, "credential")
    client.call(
        "self-revoke API key",
        "POST",
        SELF_REVOKE,
        body=given(credential=secret, reason=reason),
        secrets=(secret,),
    )
    note("API key revoked.")
