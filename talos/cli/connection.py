"""How the command line reaches a server: endpoint, certificates, headers and token.

Every flag has a variable, and a flag that is given hides it. A variable that is empty counts as
absent. Texts of faults name the flag or the variable and never its value: it may be a credential
that somebody put in the wrong place.
"""

import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from talos.cli.command import Failure
from talos.cli.endpoint import Endpoint
from talos.cli.invocation import DEFAULT_ENDPOINT, current_invocation
from talos.config import variables

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_LONGEST_FILE: Final = 64 * 1024
# These say how the request is laid out, which is the client's business.
_RESERVED: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class Source:
    """A value, and the flag or variable that it came from."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """What every request to the server has in common.

    ``secrets`` are the parts that must appear in no message. The certificates are None where the
    system's authorities are trusted, and where no client certificate is sent.
    """

    endpoint: Endpoint
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    authorities: Source | None
    certificate: Source | None
    key: Source | None

    def tls(self) -> ssl.SSLContext:
        """Return the TLS settings. Raises ``Failure`` for files that cannot be used."""
        context = ssl.create_default_context()
        if self.authorities is not None:
            try:
                context = ssl.create_default_context(cafile=self.authorities.value)
            except ssl.SSLError:
                raise Failure(f"{self.authorities.name}: holds no certificates in PEM") from None
            except OSError as error:
                _unreadable(self.authorities, error)
        if self.certificate is not None:
            self._add_certificate(context, self.certificate)
        return context

    def _add_certificate(self, context: ssl.SSLContext, certificate: Source) -> None:
        for source in (certificate, self.key):
            if source is not None and not Path(source.value).is_file():
                raise Failure(f"{source.name}: there is no such file")
        try:
            context.load_cert_chain(
                certificate.value, self.key.value if self.key else None, password=_no_password
            )
        except ssl.SSLError:
            raise Failure(
                f"{(self.key or certificate).name}: the certificate and its key, both in PEM, "
                "cannot be read or do not belong together"
            ) from None
        except OSError as error:
            _unreadable(self.key or certificate, error)


def current_connection() -> Connection:
    """Return the connection that flags and variables describe.

    Raises ``Failure`` for what cannot be used. Certificates are looked at by ``Connection.tls``.
    """
    invocation = current_invocation()
    endpoint_source = _chosen(invocation.endpoint, "--endpoint", variables.ENDPOINT)
    try:
        endpoint = Endpoint.parse(endpoint_source.value if endpoint_source else DEFAULT_ENDPOINT)
    except ValueError as error:
        name = endpoint_source.name if endpoint_source else "--endpoint"
        raise Failure(f"{name} {error}") from None
    certificate = _chosen(invocation.cert, "--cert", variables.CLIENT_CERTIFICATE)
    key = _chosen(invocation.key, "--key", variables.CLIENT_KEY)
    if certificate is None and key is not None:
        raise Failure(f"{key.name} needs a certificate: --cert or {variables.CLIENT_CERTIFICATE}")
    if invocation.cert is not None and invocation.key is None:
        # The variable's key belongs to the variable's certificate.
        key = None
    headers = _headers(invocation.headers)
    authorization = _authorization(endpoint, headers, invocation.token_file)
    if authorization:
        headers.append(("Authorization", authorization))
    return Connection(
        endpoint,
        tuple(headers),
        tuple({value.partition(" ")[2] or value for _, value in headers} | {v for _, v in headers}),
        _chosen(invocation.cacert, "--cacert", variables.CA_CERTIFICATE),
        certificate,
        key,
    )


def _chosen(flag: str | None, flag_name: str, variable: str) -> Source | None:
    if flag is not None:
        return Source(flag_name, flag)
    value = os.environ.get(variable)
    return Source(variable, value) if value else None


def _authorization(
    endpoint: Endpoint, headers: list[tuple[str, str]], token_file: str | None
) -> str:
    """Return the one value of that header, ``""`` where the headers have it or nothing sets it."""
    token = _token(token_file)
    given = [
        name
        for name, is_there in (
            ("the user in the endpoint", bool(endpoint.authorization)),
            ("the token", bool(token)),
            ("a header", any(name.lower() == "authorization" for name, _ in headers)),
        )
        if is_there
    ]
    if len(given) > 1:
        raise Failure(f"{' and '.join(given)} both set the header Authorization; give one of them")
    return f"Bearer {token}" if token else endpoint.authorization


def _token(token_file: str | None) -> str:
    file = _chosen(token_file, "--token-file", variables.TOKEN_FILE)
    text = os.environ.get(variables.TOKEN) if token_file is None else None
    if file is None and not text:
        return ""
    if file is not None and text:
        raise Failure(f"{variables.TOKEN} and {variables.TOKEN_FILE} are both set; set one of them")
    source = Source(variables.TOKEN, text) if file is None and text else file
    token = text or (_read(file) if file else "")
    token = token.strip()
    if not token:
        raise Failure(f"{source.name if source else variables.TOKEN}: holds no token")
    if not _TOKEN.fullmatch(token):
        raise Failure(
            f"{source.name if source else variables.TOKEN}: a token is one line of visible ASCII "
            "characters"
        )
    return token


def _headers(flags: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the headers to send; one that flags give hides those of its name in the variable."""
    stated = [header for text in flags for header in _stated(text)]
    names = {name.lower() for name, _ in stated}
    inherited = _listed(variables.HEADERS, os.environ.get(variables.HEADERS, ""))
    return [header for header in inherited if header[0].lower() not in names] + stated


def _stated(text: str) -> list[tuple[str, str]]:
    if not text.startswith("@"):
        return [_header("--header", text)]
    return _listed("--header", _read(Source("--header", text[1:])))


def _listed(source: str, text: str) -> list[tuple[str, str]]:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return [_header(source, line) for line in lines if line]


def _header(source: str, line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name, value = name.strip(" \t"), value.strip(" \t")
    if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise Failure(f"{source}: a header is written 'Name: value'")
    if name.lower() in _RESERVED:
        raise Failure(f"{source}: {name} cannot be set")
    return name, value


def _read(source: Source) -> str:
    try:
        with Path(source.value).open("rb") as file:
            content = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        _unreadable(source, error)
    except ValueError:
        raise Failure(f"{source.name}: there is no such file") from None
    if len(content) > _LONGEST_FILE:
        raise Failure(f"{source.name}: the file is longer than {_LONGEST_FILE} bytes")
    return content.decode("utf-8-sig", errors="replace")


def _unreadable(source: Source, error: OSError) -> NoReturn:
    raise Failure(f"{source.name}: cannot read the file: {error.strerror}") from None


def _no_password() -> str:
    raise Failure("the key of the client certificate is encrypted; give one that is not")
