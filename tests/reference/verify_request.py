"""What the parsers read in a request to verify: the recogniser of the core may read nothing else.

The reading is that of the server's own slow path: ``talos.serving`` finds where the request ends,
llhttp reads its head, the HTTP applications' own functions read the rest.
"""

from dataclasses import dataclass

import falcon

from talos import _core
from talos.domain.verification import CacheDirective
from talos.errors import InvalidRequest
from talos.http.messages import BATCH_VERIFY, VERIFY
from talos.http.middleware.request_id import RequestId
from talos.http.request import Request, cache_directive
from talos.services.verify_batch import MAX_BATCH
from talos.serving.http.connection import Connection, Step, Timeouts
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.exchange import environ
from talos.serving.http.framing import FramingError
from talos.serving.http.head import parse

ENDPOINTS = Endpoints(peer=("127.0.0.1", 1), server=("127.0.0.1", 2))
BODY_LIMIT = 4 * 1024 * 1024
LINE = ("POST", "/v2alpha1/admin/apiKeys:verify", "")
BATCH_LINE = ("POST", "/v2alpha1/admin/apiKeys:batchVerify", "")

# What a header can do beyond what is compared: none of these is in a plain request.
MEANINGFUL = (
    "HTTP_EXPECT",
    "HTTP_UPGRADE",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_TRAILER",
    "HTTP_TE",
    "HTTP_ORIGIN",
    "HTTP_SEC_FETCH_SITE",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A request as the slow path reads it. ``request_id`` is empty where a fresh one is due."""

    line: tuple[str, str, str]
    body: bytes
    request_id: str
    plain: bool
    length: int
    keep_alive: bool = True
    minor_version: int = 1
    forwarded_host: bool = False


def read(data: bytes) -> Reading | None:
    """Return the reading of the whole request that ``data`` starts with, None if there is none."""
    connection = Connection(ENDPOINTS, Timeouts(), lambda _head, _ends: BODY_LIMIT, opened_at=0.0)
    connection.buffer += data
    try:
        if connection.advance(0.0) is not Step.ANSWER:
            return None
        parsed = parse(connection.head)
    except FramingError:
        return None
    variables = environ(parsed, connection.body, ENDPOINTS)
    request = Request(variables)
    return Reading(
        line=(
            variables["REQUEST_METHOD"],
            variables["PATH_INFO"],
            variables["QUERY_STRING"],
        ),
        body=bytes(connection.body or b""),
        request_id=_request_id(request),
        plain=cache_directive(request) is CacheDirective.DEFAULT
        and not any(name in variables for name in MEANINGFUL),
        length=len(data) - len(connection.buffer),
        keep_alive=parsed.keep_alive,
        minor_version=parsed.version[1],
        forwarded_host="HTTP_X_FORWARDED_HOST" in variables,
    )


def credential(body: bytes) -> str | None:
    """Return the credential of a body that asks for nothing else; None for every other body."""
    try:
        draft = VERIFY.decode(body)
    except InvalidRequest:
        return None
    return None if draft.expected_audiences else draft.credential


def credentials(body: bytes) -> list[str] | None:
    """Return the credentials of a batch that asks for nothing else; None for every other body."""
    try:
        drafts = BATCH_VERIFY.decode(body)
    except InvalidRequest:
        return None
    if not 1 <= len(drafts) <= MAX_BATCH or any(draft.expected_audiences for draft in drafts):
        return None
    return [draft.credential for draft in drafts]


def parity_of_request(data: bytes, start: int = 0) -> bool:
    """Insist that what the core recognises is what the parsers read; tell whether it did."""
    recognised, line = _core.recognise_verify(data, start), LINE
    if recognised is None:
        recognised, line = _core.recognise_batch_verify(data, start), BATCH_LINE
    if recognised is None:
        return False
    body, request_id, end, keep_alive, minor_version, forwarded_host = recognised
    assert read(data[start:]) == Reading(
        line,
        body,
        request_id.decode("ascii"),
        plain=True,
        length=end - start,
        keep_alive=keep_alive,
        minor_version=minor_version,
        forwarded_host=forwarded_host,
    )
    return True


def parity_of_body(body: bytes) -> bool:
    """Insist that the credentials that the core finds are those that decoding finds."""
    matched, batch = _core.match_verify(body), _core.match_batch_verify(body)
    if matched is not None:
        assert credential(body) == matched.decode("ascii")
        # An object with a credential is no batch, whatever else it may be.
        assert batch is None
        return True
    if batch is not None:
        assert credentials(body) == [item.decode("ascii") for item in batch]
    return batch is not None


def _request_id(request: Request) -> str:
    """Return what the middleware echoes; what it makes up is another at the second asking."""
    ids = set()
    for _ in range(2):
        response = falcon.Response()
        RequestId().process_request(request, response)
        ids.add(response.get_header("X-Request-ID"))
    return ids.pop() or "" if len(ids) == 1 else ""
