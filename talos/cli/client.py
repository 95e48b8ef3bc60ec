"""The HTTP client of the command line. It talks to any server with the API of contract 4.

A call is made once and never repeated: whether the request behind a lost answer took effect is for
the caller to find out. Redirects are not followed, because a request holds a credential that was
meant for one host.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import click

from talos.cli.answer_json import decoded_object
from talos.cli.command import Failure
from talos.cli.connection import Connection, current_connection
from talos.cli.deadline import DeadlinePassed, deadline
from talos.cli.server_errors import error_reason, error_text, is_envelope

if TYPE_CHECKING:
    import urllib3
    from urllib3.response import BaseHTTPResponse

    from talos.cli.unix_pool import UnixConnectionPool

ADMIN: Final = "/v2alpha1/admin"
SELF_REVOKE: Final = "/v2alpha1/apiKeys:selfRevoke"
JWKS: Final = "/v2alpha1/derivedKeys/jwks.json"

TIMEOUT_S: Final = 10.0
BATCH_TIMEOUT_S: Final = 120.0
# Above what the operations answer, so that a server gone mad does not fill the memory: a page of
# keys with the largest metadata, and everything else.
LONGEST_PAGE: Final = 128 * 1024 * 1024
LONGEST_ANSWER: Final = 16 * 1024 * 1024
_READ_SIZE: Final = 256 * 1024
# A shorter secret may be a word of the message.
_SHORTEST_REDACTED: Final = 8


class CallFailed(Failure):
    """A call that brought no success: its line is ``Error: <context>: <text>``.

    ``status`` is the HTTP status of the answer, None when none came. ``from_talos`` says whether
    the refusal has the form of this API's errors; a proxy's page has not. ``reason`` is that of
    contract 3.1, where there is one.
    """

    def __init__(
        self,
        context: str,
        text: str,
        status: int | None = None,
        *,
        from_talos: bool = False,
        reason: str = "",
    ) -> None:
        """Keep the parts beside the whole line."""
        super().__init__(f"Error: {context}: {text}")
        self.text = text
        self.status = status
        self.from_talos = from_talos
        self.reason = reason


class TransportError(Exception):
    """No answer came. The text says why, and holds neither a credential nor the URL's user."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer, whole."""

    status: int
    body: bytes
    location: str

    @property
    def status_line(self) -> str:
        """The status code and its phrase."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)


class Client:
    """Calls to one server, over one connection as long as the server keeps it open."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        """Use the connection that flags and variables describe.

        ``timeout_s`` bounds a call from connecting to the last byte of the answer. Raises
        ``Failure`` for a connection that cannot be made so.
        """
        self._connection: Connection = current_connection()
        self._endpoint = self._connection.endpoint
        self._timeout_s = timeout_s
        self._pool: urllib3.PoolManager | UnixConnectionPool | None = None

    def call(
        self,
        context: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | bytes | None = None,
        query: dict[str, str] | None = None,
        no_cache: bool = False,
        secrets: tuple[str, ...] = (),
        longest: int = LONGEST_ANSWER,
    ) -> dict[str, Any]:
        """Make a call and return the object that a success answers with; ``{}`` for no body.

        ``context`` names the call in the error line. ``secrets`` are blanked out of that line,
        should a server or a proxy echo the request. Raises ``CallFailed``, also for an answer of
        more than ``longest`` bytes.
        """
        try:
            answer = self.send(
                method, path, body=body, query=query, no_cache=no_cache, longest=longest
            )
        except TransportError as error:
            raise CallFailed(context, str(error)) from error
        if not 200 <= answer.status < 300:
            text = _redacted(self._refusal(answer), (*secrets, *self._connection.secrets))
            raise CallFailed(
                context,
                text,
                answer.status,
                from_talos=is_envelope(answer.body),
                reason=error_reason(answer.body),
            )
        if not answer.body.strip():
            return {}
        decoded = decoded_object(answer.body)
        if decoded is None:
            raise CallFailed(context, "the answer is no JSON object; is this a Talos server?")
        return decoded

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | bytes | None = None,
        query: dict[str, str] | None = None,
        no_cache: bool = False,
        longest: int = LONGEST_ANSWER,
    ) -> Response:
        """Send one request and return whatever the server answers.

        ``path`` is percent-encoded; a ``body`` of bytes is JSON text. Raises ``TransportError``.
        """
        from urllib3 import HTTPHeaderDict

        headers = HTTPHeaderDict({"Accept": "application/json", "User-Agent": "talos-cli"})
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if no_cache:
            headers["Cache-Control"] = "no-cache"
        for name in {name for name, _ in self._connection.headers}:
            headers.discard(name)
        for name, value in self._connection.headers:
            headers.add(name, value)
        ends = time.monotonic() + self._timeout_s
        with self._transport_errors(), deadline(self._timeout_s):
            response = self._connections().request(
                method,
                self._endpoint.url(path, query),
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                content = self._read(response, ends, longest)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        return Response(response.status, content, response.headers.get("Location", ""))

    def _connections(self) -> "urllib3.PoolManager | UnixConnectionPool":
        if self._pool is None:
            import urllib3

            timeout = urllib3.Timeout(total=self._timeout_s)
            proxy = self._endpoint.proxy()
            context = self._connection.tls() if self._endpoint.is_secure else None
            close = click.get_current_context().call_on_close
            if self._endpoint.socket_path:
                from talos.cli.unix_pool import UnixConnectionPool

                self._pool = UnixConnectionPool(self._endpoint.socket_path, timeout)
                close(self._pool.close)
            else:
                self._pool = (
                    urllib3.ProxyManager(proxy, timeout=timeout, ssl_context=context)
                    if proxy
                    else urllib3.PoolManager(timeout=timeout, ssl_context=context)
                )
                close(self._pool.clear)
        return self._pool

    def _read(self, response: "BaseHTTPResponse", ends: float, longest: int) -> bytes:
        """Read the body in pieces, so that one that trickles in ends at the deadline too.

        No coding was asked for; one that comes all the same is not decoded, because what it
        unpacks to has no bound.
        """
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise TransportError("the answer has a content coding that was not asked for")
        content = bytearray()
        while piece := response.read1(_READ_SIZE):
            content += piece
            if len(content) > longest:
                raise TransportError("the answer is too long")
            if time.monotonic() > ends:
                raise TransportError(self._too_late())
        return bytes(content)

    @contextmanager
    def _transport_errors(self) -> Iterator[None]:
        """Turn what the library raises into one plain sentence."""
        from urllib3 import exceptions as trouble

        where = self._endpoint.base
        try:
            yield
        except DeadlinePassed:
            raise TransportError(self._too_late()) from None
        except trouble.NameResolutionError:
            raise TransportError(f"cannot find the host of {where}") from None
        except trouble.ProxyError as error:
            raise TransportError(f"the proxy does not answer: {_cause(error)}") from None
        except trouble.SSLError as error:
            raise TransportError(f"no secure connection to {where}: {_tls_cause(error)}") from None
        except trouble.NewConnectionError as error:
            raise TransportError(f"cannot connect to {where}: {_cause(error)}") from None
        # The two above are time-outs by inheritance only, so this one stands behind them.
        except trouble.TimeoutError:
            raise TransportError(self._too_late()) from None
        except (trouble.ProtocolError, trouble.DecodeError):
            raise TransportError(f"{where} broke off the exchange") from None
        except trouble.HTTPError as error:
            raise TransportError(f"cannot reach {where}: {type(error).__name__}") from None

    def _refusal(self, answer: Response) -> str:
        text = error_text(answer.body) or f"{answer.status_line} from {self._endpoint.host}"
        if answer.location and 300 <= answer.status < 400:
            return f"{text} (the server points to {answer.location})"
        return text

    def _too_late(self) -> str:
        return f"no answer from {self._endpoint.base} within {self._timeout_s:g} s"


def _redacted(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if len(secret) >= _SHORTEST_REDACTED:
            text = text.replace(secret, "[redacted]")
    return text


def _cause(error: BaseException) -> str:
    """Return the operating system's words for a failure, without addresses and object names."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = inner or seen.__cause__ or seen.__context__
    return type(error).__name__


def _tls_cause(error: BaseException) -> str:
    """Return why TLS failed, in the words that tell an operator most."""
    import ssl

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {seen.verify_message}"
        inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = inner or seen.__cause__ or seen.__context__
    return _cause(error)
