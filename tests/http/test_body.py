"""Reading bodies off the server's stream (contract 2.1)."""

import io
from typing import Any

import pytest

from talos.http.body import MAX_BODY_BYTES
from tests.http.surface import API_KEYS, IMPORTED, ISSUED, Surface, assert_envelope

BODY = b'{"credential":"x"}'
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}


class Stream(io.RawIOBase):
    """Gives its bytes in small pieces, counts them, and can break."""

    def __init__(self, content: bytes, piece: int = 7, error: Exception | None = None) -> None:
        self._content = io.BytesIO(content)
        self._piece = piece
        self._error = error
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._content.read(min(size, self._piece) if size >= 0 else self._piece)
        if not piece and self._error is not None:
            raise self._error
        self.given += len(piece)
        return piece


def verify(surface: Surface, stream: Any, length: str | None, **environ: Any) -> Any:
    return surface.send(
        "POST",
        f"{API_KEYS}:verify",
        **{"wsgi.input": stream, "CONTENT_LENGTH": length},
        **environ,
    )


class TestContentLength:
    def test_is_read_to_its_end_and_no_further(self, surface: Surface) -> None:
        stream = Stream(BODY + b"the next request")
        assert verify(surface, stream, str(len(BODY))).status_code == 200
        assert stream.given == len(BODY)

    def test_leading_zeros_do_no_harm(self, surface: Surface) -> None:
        assert verify(surface, Stream(BODY), f"000{len(BODY)}").status_code == 200

    def test_a_body_that_ends_early_is_refused(self, surface: Surface) -> None:
        error = assert_envelope(verify(surface, Stream(BODY), str(len(BODY) + 1)), 400)
        assert "Content-Length" in error["message"]

    @pytest.mark.parametrize("length", ["-1", "+5", " 5", "5,5", "x", "0x5", "\u0665", "1e1"])
    def test_a_malformed_one_is_refused(self, surface: Surface, length: str) -> None:
        assert_envelope(verify(surface, Stream(BODY), length), 400, "BAD_REQUEST")

    @pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "9" * 5000])
    def test_a_body_over_the_limit_is_not_read(self, surface: Surface, length: str) -> None:
        stream = Stream(BODY)
        error = assert_envelope(verify(surface, stream, length), 400, "BAD_REQUEST")
        assert "4194304" in error["message"]
        assert stream.given == 0


class TestChunked:
    def test_is_read_until_the_server_says_that_it_ends(self, surface: Surface) -> None:
        assert verify(surface, Stream(BODY), None, **CHUNKED).status_code == 200

    def test_a_body_over_the_limit_is_refused(self, surface: Surface) -> None:
        stream = Stream(BODY + b" " * MAX_BODY_BYTES, piece=1 << 16)
        error = assert_envelope(verify(surface, stream, None, **CHUNKED), 400, "BAD_REQUEST")
        assert "4194304" in error["message"]
        assert stream.given == MAX_BODY_BYTES + 1

    def test_beats_a_length_beside_it(self, surface: Surface) -> None:
        assert verify(surface, Stream(BODY), "5", **CHUNKED).status_code == 200

    def test_under_a_server_that_cannot_tell_the_end_it_is_refused(self, surface: Surface) -> None:
        environ = {"HTTP_TRANSFER_ENCODING": "chunked"}
        assert_envelope(verify(surface, Stream(BODY), None, **environ), 400, "BAD_REQUEST")


def test_the_limit_is_four_mebibytes_and_that_many_still_pass(surface: Surface) -> None:
    full = BODY + b" " * (MAX_BODY_BYTES - len(BODY))
    assert len(full) == 4 * 1024 * 1024
    assert verify(surface, Stream(full, 1 << 16), str(len(full))).status_code == 200
    assert verify(surface, Stream(full, 1 << 16), None, **CHUNKED).status_code == 200


@pytest.mark.parametrize("error", [OSError("reset"), TimeoutError(), ValueError("bad chunk")])
def test_a_stream_that_breaks_is_the_clients_doing(surface: Surface, error: Exception) -> None:
    stream = Stream(BODY[:5], error=error)
    result = verify(surface, stream, str(len(BODY)))
    assert assert_envelope(result, 400, "BAD_REQUEST")["message"] == "the body could not be read"
    result = verify(surface, Stream(BODY[:5], error=error), None, **CHUNKED)
    assert_envelope(result, 400, "BAD_REQUEST")


def test_without_a_body_nothing_is_read(surface: Surface) -> None:
    stream = Stream(BODY)
    error = assert_envelope(verify(surface, stream, None), 400, "BAD_REQUEST")
    assert "credential" in error["message"]
    assert stream.given == 0


def test_bodies_of_get_and_delete_are_not_read(surface: Surface) -> None:
    issued = surface.issue()["issued_api_key"]["key_id"]
    imported = surface.import_key()["key_id"]
    for method, path, status in (
        ("GET", ISSUED, 200),
        ("GET", f"{ISSUED}/{issued}", 200),
        ("DELETE", f"{IMPORTED}/{imported}", 204),
    ):
        stream = Stream(b"{")
        result = surface.send(method, path, **{"wsgi.input": stream, "CONTENT_LENGTH": "9" * 20})
        assert result.status_code == status
        assert stream.given == 0


@pytest.mark.parametrize(
    ("end", "status"),
    [(":revoke", 204), (":rotate", 201), ("", 200)],
    ids=["revoke", "rotate", "patch"],
)
@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b"{}trailing", b"{} \xff"])
def test_a_blank_body_is_an_empty_object(
    surface: Surface, end: str, status: int, body: bytes
) -> None:
    key_id = surface.issue()["issued_api_key"]["key_id"]
    result = surface.send("POST" if end else "PATCH", f"{ISSUED}/{key_id}{end}", body)
    assert result.status_code == status, result.text


def test_a_refused_body_changes_nothing(surface: Surface) -> None:
    key_id = surface.issue()["issued_api_key"]["key_id"]
    before = dict(surface.house.keys.rows)
    for end in (":revoke", ":rotate"):
        for body in (b"{", b"[]", b'{"reason":1.5,"name":1}', b'{"x":"\\ud800"}', b"\xff"):
            assert_envelope(surface.send("POST", f"{ISSUED}/{key_id}{end}", body), 400)
    assert surface.house.keys.rows == before
