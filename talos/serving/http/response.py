"""A response as bytes, of the application or of the server itself."""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back to the client, and whether another request may follow."""

    data: bytes
    keep_alive: bool


def refusal(status: HTTPStatus, text: str) -> Response:
    """Return a low-level error: plain text, no envelope, the connection closes (contract 2.1)."""
    body = f"{status.value} {status.phrase}: {text}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Connection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Response(head.encode() + body, keep_alive=False)
