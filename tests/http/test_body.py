"""Reading bodies off the server's stream (contract 2.1)."""

import io
import json
from typing import Any

import pytest
from falcon import testing

from talos.domain.hosts import AllowedHosts
from talos.http.body_limits import LARGE_BYTES, MEDIUM_BYTES, SMALL_BYTES
from talos.http.operations import OPERATIONS
from tests.http.surface import (
    API_KEYS,
    IMPORTED,
    ISSUED,
    SELF_REVOKE,
    Surface,
    assert_envelope,
)

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

    @pytest.mark.parametrize("length", [str(SMALL_BYTES + 1), "9" * 5000])
    def test_a_body_over_the_limit_is_not_read(self, surface: Surface, length: str) -> None:
        stream = Stream(BODY)
        error = assert_envelope(verify(surface, stream, length), 400, "BAD_REQUEST")
        assert "131072" in error["message"]
        assert stream.given == 0


class TestChunked:
    def test_is_read_until_the_server_says_that_it_ends(self, surface: Surface) -> None:
        assert verify(surface, Stream(BODY), None, **CHUNKED).status_code == 200

    def test_a_body_over_the_limit_is_refused(self, surface: Surface) -> None:
        stream = Stream(BODY + b" " * SMALL_BYTES, piece=1 << 16)
        error = assert_envelope(verify(surface, stream, None, **CHUNKED), 400, "BAD_REQUEST")
        assert "131072" in error["message"]
        assert stream.given == SMALL_BYTES + 1

    def test_beats_a_length_beside_it(self, surface: Surface) -> None:
        assert verify(surface, Stream(BODY), "5", **CHUNKED).status_code == 200

    def test_under_a_server_that_cannot_tell_the_end_it_is_refused(self, surface: Surface) -> None:
        environ = {"HTTP_TRANSFER_ENCODING": "chunked"}
        assert_envelope(verify(surface, Stream(BODY), None, **environ), 400, "BAD_REQUEST")


LIMITS = {
    ("POST", ISSUED): LARGE_BYTES,
    ("POST", IMPORTED): LARGE_BYTES,
    ("POST", f"{IMPORTED}:batchCreate"): LARGE_BYTES,
    ("PATCH", f"{ISSUED}/k"): LARGE_BYTES,
    ("PATCH", f"{IMPORTED}/k"): LARGE_BYTES,
    ("POST", f"{ISSUED}/k:rotate"): LARGE_BYTES,
    ("POST", f"{ISSUED}/k:x:rotate"): LARGE_BYTES,
    ("POST", f"{API_KEYS}:derive"): MEDIUM_BYTES,
    ("POST", f"{API_KEYS}:batchVerify"): MEDIUM_BYTES,
    ("POST", f"{API_KEYS}:verify"): SMALL_BYTES,
    ("POST", SELF_REVOKE): SMALL_BYTES,
    ("POST", f"{ISSUED}/k:revoke"): SMALL_BYTES,
    ("POST", f"{IMPORTED}/k:revoke"): SMALL_BYTES,
    ("POST", f"{API_KEYS}/k:revoke"): SMALL_BYTES,
}
NO_BODIES = [
    ("GET", ISSUED),
    ("DELETE", f"{IMPORTED}/k"),
    ("PUT", ISSUED),
    ("POST", "/nothing"),
    ("POST", f"{ISSUED}/k:nothing"),
    ("POST", f"/{ISSUED}"),
    ("POST", "/health/alive"),
    ("OPTIONS", "*"),
]


def head(surface: Surface, method: str, path: str, **headers: str) -> dict[str, Any]:
    """What a server knows of a request before its body is there."""
    environ = testing.create_environ(method=method, headers=headers, remote_addr="192.0.2.1")
    return {**environ, "PATH_INFO": path}


def test_the_limits_are_the_contracts() -> None:
    assert (LARGE_BYTES, MEDIUM_BYTES, SMALL_BYTES) == (4194304, 1048576, 131072)
    described = {
        (operation.method.upper(), operation.path.replace("{key_id}", "k"))
        for operation in OPERATIONS
        if operation.request is not None
    }
    assert described <= LIMITS.keys()


@pytest.mark.parametrize("surface_name", ["all", "admin", "public"])
def test_a_server_may_know_the_limit_by_the_head(surface_name: str) -> None:
    surface = Surface(surface_name)
    for (method, path), limit in LIMITS.items():
        elsewhere = surface_name == "public" and "/admin/" in path
        expected = SMALL_BYTES if elsewhere else limit
        assert surface.app.body_limit(head(surface, method, path)) == expected
    for method, path in NO_BODIES:
        assert surface.app.body_limit(head(surface, method, path)) == SMALL_BYTES


@pytest.mark.parametrize(
    ("headers", "settings"),
    [
        ({"Origin": "null"}, {}),
        ({"Sec-Fetch-Site": "cross-site"}, {}),
        ({"Host": "other"}, {"allowed_hosts": AllowedHosts(["keys.example.com"])}),
    ],
)
def test_of_a_request_that_is_refused_for_its_head_nothing_is_worth_reading(
    surface: Surface, headers: dict[str, str], settings: dict[str, Any]
) -> None:
    surface.configuration.change(**settings)
    assert surface.app.body_limit(head(surface, "POST", IMPORTED, **headers)) == 0
    assert surface.app.body_limit(head(surface, "POST", f"/{IMPORTED}", **headers)) == 0
    stream = Stream(BODY)
    result = surface.send("POST", IMPORTED, None, headers, **{"wsgi.input": stream})
    assert result.status_code in (403, 421)
    assert stream.given == 0


@pytest.mark.parametrize(("asked", "limit"), LIMITS.items(), ids=str)
def test_a_body_may_be_as_large_as_its_limit_and_no_larger(
    surface: Surface, asked: tuple[str, str], limit: int
) -> None:
    method, path = asked
    for size, framing in ((limit, {}), (limit, CHUNKED), (limit + 1, {}), (limit + 1, CHUNKED)):
        # No JSON, so nothing is done but reading.
        stream = Stream(b"x" * size, piece=1 << 16)
        length = None if framing else str(size)
        result = surface.send(
            method, path, **{"wsgi.input": stream, "CONTENT_LENGTH": length}, **framing
        )
        message = assert_envelope(result, 400, "BAD_REQUEST")["message"]
        assert (f"larger than the limit of {limit} bytes" in message) is (size > limit)


def test_bytes_behind_the_value_count(surface: Surface) -> None:
    full = BODY + b" " * (SMALL_BYTES - len(BODY))
    assert verify(surface, Stream(full, 1 << 16), str(len(full))).status_code == 200
    assert verify(surface, Stream(full, 1 << 16), None, **CHUNKED).status_code == 200
    assert verify(surface, Stream(full + b" ", 1 << 16), None, **CHUNKED).status_code == 400


def test_a_hundred_of_the_longest_credentials_fit(surface: Surface) -> None:
    items = [{"credential": "a" * 8192, "expected_audiences": ["b" * 255] * 5}] * 100
    body = json.dumps({"requests": items}).encode()
    result = surface.send("POST", f"{API_KEYS}:batchVerify", body)
    assert result.status_code == 200


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
    before = dict(surface.harness.keys.rows)
    for end in (":revoke", ":rotate"):
        for body in (b"{", b"[]", b'{"reason":1.5,"name":1}', b'{"x":"\\ud800"}', b"\xff"):
            assert_envelope(surface.send("POST", f"{ISSUED}/{key_id}{end}", body), 400)
    assert surface.harness.keys.rows == before


def many(count: int, most_bytes: int) -> bytes:
    """An object that is told to hold ``count`` values at most, and is not larger than that."""
    body = b'{"x":[' + b"1," * (count - 3) + b"1]}"
    assert len(body) <= most_bytes
    return body


@pytest.mark.parametrize(("asked", "limit"), LIMITS.items(), ids=str)
@pytest.mark.parametrize("framing", [{}, CHUNKED], ids=["length", "chunked"])
def test_the_values_of_a_body_are_bounded_before_it_is_decoded(
    surface: Surface, asked: tuple[str, str], limit: int, framing: dict[str, Any]
) -> None:
    method, path = asked
    most = limit // 16
    for count in (most, most + 1):
        # Decoding would fail on what stands at the end.
        body = many(count, limit)[:-1]
        length = None if framing else str(len(body))
        stream = Stream(body, piece=1 << 16)
        result = surface.send(
            method, path, **{"wsgi.input": stream, "CONTENT_LENGTH": length}, **framing
        )
        message = assert_envelope(result, 400, "BAD_REQUEST")["message"]
        assert (f"more than the limit of {most} JSON values" in message) is (count > most)


def test_text_and_what_follows_the_value_are_no_values(surface: Surface) -> None:
    body = b'{"credential":"x","y":"' + b',[{\\",' * 10_000 + b'"} ' + b"," * 20_000
    assert surface.send("POST", f"{API_KEYS}:verify", body).status_code == 200


def test_a_thousand_imports_with_everything_fit(surface: Surface) -> None:
    """100 scopes, 50 networks and 90 members of metadata each, in 4 MiB."""
    item = {
        "name": "the name of a key",
        "actor_id": "550e8400-e29b-41d4-a716-446655440001",
        "scopes": [f"read:{number:02}" for number in range(100)],
        "ttl": "24h",
        "metadata": {f"member{number:02}": number for number in range(90)},
        "rate_limit_policy": {"quota": "100", "window": "60s", "unit": "requests"},
        "ip_restriction": {"allowed_cidrs": [f"10.0.{number}.0/24" for number in range(50)]},
        "visibility": "KEY_VISIBILITY_SECRET",
    }
    items = [{"raw_key": f"sk_{number}", **item} for number in range(1000)]
    body = json.dumps({"requests": items}, separators=(",", ":")).encode()
    assert len(body) <= LARGE_BYTES
    result = surface.send("POST", f"{IMPORTED}:batchCreate", body)
    assert result.json["success_count"] == 1000, result.text[:500]
