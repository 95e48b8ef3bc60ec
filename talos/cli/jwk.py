"""``talos jwk``: signing keys for the configuration, and the key set of a server. Contract 13.3."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from talos.cli.command import ClientCommand, Failure, Group
from talos.cli.output import json_text, note, write
from talos.cli.private_file import write_private

if TYPE_CHECKING:
    from talos.credentials.generate import GeneratedKey

_CURVES: Final = ("P-256", "P-384", "P-521", "p256", "p384", "p521")
_RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")

_Decorate = Callable[[Callable[..., Any]], Callable[..., Any]]


@click.command(
    cls=Group,
    examples=["talos jwk generate eddsa --jwks -o signing.json", "talos jwk get"],
)
def jwk() -> None:
    """Generate signing keys, fetch a server's key set."""


@jwk.group(
    examples=[
        "talos jwk generate eddsa --jwks -o signing.json",
        "talos jwk generate ecdsa --curve P-384",
    ],
)
def generate() -> None:
    """Generate a key and print it as a JWK.

    To sign with it, give it to credentials.derived_tokens.jwt.signing_keys.urls as base64://
    followed by the Base64 of the key set that --jwks makes.
    """


def _key_options(*, public_only: bool = True) -> _Decorate:
    """Return the options of every kind of key; a symmetric one has no public part."""
    options = [
        click.option("--kid", default="", help="Key id; the RFC 7638 thumbprint where absent."),
        click.option(
            "--use", default="sig", show_default=True, help="The member use; left out where empty."
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(),
            metavar="FILE",
            help="Write to a file of mode 0600, which is replaced if it is there.",
        ),
        click.option("--jwks", is_flag=True, help='Wrap the key: {"keys": [..]}.'),
    ]
    if public_only:
        options.append(click.option("--public-only", is_flag=True, help="Leave the secret out."))

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@generate.command(
    examples=["talos jwk generate eddsa", "talos jwk generate eddsa --jwks -o signing.json"]
)
@_key_options()
def eddsa(kid: str, use: str, output: str | None, jwks: bool, public_only: bool) -> None:
    """Generate an Ed25519 key, for EdDSA."""
    from talos.credentials.generate import eddsa as make

    _deliver(lambda: make(kid=kid, use=use), output, jwks=jwks, public_only=public_only)


@generate.command(examples=["talos jwk generate ecdsa --curve P-384 -o signing.json"])
@click.option(
    "--curve", type=click.Choice(_CURVES), default="P-256", show_default=True, help="The curve."
)
@_key_options()
def ecdsa(
    curve: str, kid: str, use: str, output: str | None, jwks: bool, public_only: bool
) -> None:
    """Generate an elliptic curve key, for ES256, ES384 or ES512."""
    from talos.credentials.generate import ecdsa as make

    _deliver(
        lambda: make(curve=curve, kid=kid, use=use), output, jwks=jwks, public_only=public_only
    )


@generate.command(examples=["talos jwk generate rsa --bits 3072 --alg PS256 -o signing.json"])
@click.option("--bits", type=int, default=2048, show_default=True, help="2048 to 8192.")
@click.option(
    "--alg",
    type=click.Choice(_RSA_ALGORITHMS),
    default="RS256",
    show_default=True,
    help="The algorithm.",
)
@_key_options()
def rsa(
    bits: int, alg: str, kid: str, use: str, output: str | None, jwks: bool, public_only: bool
) -> None:
    """Generate an RSA key."""
    from talos.credentials.generate import rsa_key as make

    _deliver(
        lambda: make(bits=bits, alg=alg, kid=kid, use=use),
        output,
        jwks=jwks,
        public_only=public_only,
    )


@generate.command("hmac", examples=["talos jwk generate hmac --bits 256 -o secret.json"])
@click.option(
    "--bits", type=int, default=512, show_default=True, help="At least 256, a multiple of 8."
)
@_key_options(public_only=False)
def hmac_(bits: int, kid: str, use: str, output: str | None, jwks: bool) -> None:
    """Generate a symmetric key. It is no value for secrets.hmac.current, and signs no tokens."""
    from talos.credentials.generate import hmac as make

    _deliver(lambda: make(bits=bits, kid=kid, use=use), output, jwks=jwks, public_only=False)


@jwk.command(
    cls=ClientCommand,
    examples=["talos jwk get", "talos -e https://keys.example.com jwk get > jwks.json"],
)
def get() -> None:
    """Print the public key set of a server, as RFC 7517 writes it."""
    from talos.cli.client import JWKS, Client, TransportError

    try:
        answer = Client().send("GET", JWKS)
    except TransportError as error:
        raise Failure(f"fetch JWKS: {error}") from None
    if not 200 <= answer.status < 300:
        raise Failure(f"fetch JWKS: {answer.status_line}")
    try:
        decoded = json.loads(answer.body)
    except (ValueError, RecursionError):
        decoded = None
    key_set = decoded.get("jwks", decoded) if isinstance(decoded, dict) else None
    if not isinstance(key_set, dict) or not isinstance(key_set.get("keys"), list):
        raise Failure("fetch JWKS: the answer is no key set; is this a Talos server?")
    write(json_text(key_set, indent=2) + "\n")


def _deliver(
    make: Callable[[], "GeneratedKey"], output: str | None, *, jwks: bool, public_only: bool
) -> None:
    """Generate the key and print it, or write it to its file; the details go to stderr."""
    try:
        key = make()
    except ValueError as error:
        raise Failure(f"--{error}") from None
    shown = key.public if public_only else key.private
    text = json_text({"keys": [shown]} if jwks else shown, indent=2)
    if output in (None, "-"):
        write(text + "\n")
    else:
        write_private(output, text)
    note(f"Key ID: {key.kid}")
    note(f"Key Type: {key.kty}")
    note(f"Algorithm: {key.alg}")
    if output not in (None, "-"):
        note(f"Written to {output}")
