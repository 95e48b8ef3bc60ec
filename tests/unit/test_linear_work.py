"""No text from outside costs more than work that is linear in its length.

Every function that reads what a stranger sends, or what an operator's files and variables hold, is
given repeated fragments of what it looks for, at two lengths. The regular expressions by themselves
are driven in ``tests/architecture/test_patterns.py``.
"""

import io
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import product

import pytest

from talos import _core
from talos.adapters.observability.logs import LineFormatter, scrub
from talos.adapters.sql.dsn import parse_dsn
from talos.cli.keys.flags import read_comma_list, read_json_object
from talos.cli.keys.json_array import read_items
from talos.cli.output import OutputFormat
from talos.cli.server_errors import error_text
from talos.cli.text import many_lines, one_line
from talos.config import environment, schema
from talos.config.files import parse_json
from talos.credentials import base64url, jwt, macaroon
from talos.credentials.imported import imported_key_id
from talos.credentials.json_text import decode_object
from talos.credentials.numeric_date import exact_seconds, lenient_seconds
from talos.credentials.rejection import TokenRejected
from talos.credentials.routing import route
from talos.domain.addresses import Caller, caller_address, covers, valid_cidr
from talos.domain.durations import parse_config_duration, parse_ttl, parse_window
from talos.domain.filters import parse_filter
from talos.domain.masks import split_mask
from talos.domain.proxies import TrustedProxies
from talos.domain.rules import holds_nul
from talos.domain.timestamps import parse_rfc3339
from talos.errors import TalosError
from talos.http import messages, redaction, target
from talos.http.json_body import parse_object
from talos.http.query import decode_list, decode_mask
from talos.services.page_tokens import PageTokens
from talos.serving.http.body import ChunkedBody, LengthBody
from talos.serving.http.endpoints import Endpoints
from talos.serving.http.exchange import environ
from talos.serving.http.framing import FramingError, examine, head_end
from talos.serving.http.head import parse
from tests.http.surface import API_KEYS, ISSUED, Surface
from tests.support.fakes.tenants import SETTINGS, TENANT
from tests.support.work import grows_faster

NOW_NS = 1_800_000_000 * 10**9
REFUSED = (TalosError, TokenRejected, FramingError, ValueError, LookupError)
Reader = Callable[[str], object]


def words(alphabet: str, *more: str) -> list[str]:
    """All words of one and two letters, and ``more``."""
    return [
        *("".join(letters) for length in (1, 2) for letters in product(alphabet, repeat=length)),
        *more,
    ]


def json_line(text: str) -> str:
    return formatted("json", text)


def text_line(text: str) -> str:
    return formatted("text", text)


def formatted(style: str, text: str) -> str:
    record = logging.makeLogRecord(
        {"levelno": 20, "msg": text, "fields": {"a": {"b": text}, text: 1}}
    )
    return LineFormatter(style, with_stacktraces=True).format(record)  # type: ignore[arg-type]


def duration_setting(text: str) -> object:
    return environment.read({"TALOS_CACHE_TTL": text})


def setting(variable: str) -> Reader:
    return lambda text: environment.read({variable: text})


def many_elements(text: str) -> object:
    """As many variables as there are letters, each an element of one list."""
    name = "TALOS_SERVE_HTTP_CORS_ALLOWED_ORIGINS"
    overlay = environment.read({f"{name}_{number}": text[:2] for number in range(len(text))})
    return environment.apply(overlay, {})


def schema_patterns(text: str) -> object:
    return [re.search(pattern, text) for pattern in _PATTERNS]


def _patterns(node: object) -> Iterable[str]:
    if isinstance(node, Mapping):
        for name, below in node.items():
            if name == "pattern" and isinstance(below, str):
                yield re.sub(r"\$$", r"\\Z", below)
            else:
                yield from _patterns(below)
    elif isinstance(node, list):
        for below in node:
            yield from _patterns(below)


_PATTERNS = list(_patterns(schema.document()))


def head(text: str) -> bytes:
    """A request head with ``text`` wherever a client writes what it likes."""
    line = text.encode("latin-1", "replace")
    return b"GET /%b?%b HTTP/1.1\r\nHost: %b\r\n%b: x\r\nA: %b\r\n\r\n" % (
        line,
        line,
        line,
        line,
        line,
    )


def framed(text: str) -> object:
    data = bytearray(head(text))
    head_end(data, 0)
    return examine(bytes(data))


def value_framed(text: str) -> object:
    return examine(
        b"GET / HTTP/1.1\r\nHost: a\r\nA: %b\r\n\r\n" % text.encode("latin-1", "replace")
    )


def in_pieces(text: str) -> object:
    """A head that arrives a little at a time."""
    data, scanned = bytearray(), 0
    for start in range(0, len(text), 16):
        data += text[start : start + 16].encode("latin-1", "replace")
        head_end(data, scanned)
        scanned = len(data)
    return None


def many_headers(text: str) -> object:
    lines = b"".join(b"%b: b\r\n" % text[:3].encode() for _ in range(len(text) // 8))
    request = parse(b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    return environ(request, None, Endpoints(("127.0.0.1", 1), ("127.0.0.1", 2)))


def chunked(text: str) -> object:
    return ChunkedBody(2**22).feed(bytearray(text.encode("latin-1", "replace")))


def chunks_in_pieces(text: str) -> object:
    body, data = ChunkedBody(2**22), text.encode("latin-1", "replace")
    return [body.feed(bytearray(data[start : start + 8])) for start in range(0, len(data), 8)]


def length_in_pieces(text: str) -> object:
    body, data = LengthBody(2**21, 2**22), text.encode("latin-1", "replace")
    return [body.feed(bytearray(data[start : start + 8])) for start in range(0, len(data), 8)]


def page_token(text: str) -> object:
    return PageTokens(SETTINGS.hmac, TENANT.network_id).open(text, NOW_NS)


def body_of(decode: Callable[[bytes], object], shape: str = "%s") -> Reader:
    return lambda text: decode((shape % text).encode("utf-8", "surrogatepass"))


def authenticate(format_: object) -> Reader:
    return lambda text: format_.authenticate(text, SETTINGS, NOW_NS)  # type: ignore[attr-defined]


def array(text: str) -> object:
    return list(read_items(io.BytesIO(text.encode("utf-8", "surrogatepass")), 1024))


def forwarded(text: str) -> object:
    return caller_address(Caller.from_forwarded_for("192.0.2.1", text))


PROXIES = TrustedProxies([*(f"10.0.{n}.0/24" for n in range(100)), "1.2.3.4", "::/64"])


def forwarded_by_proxies(text: str) -> object:
    return caller_address(PROXIES.caller_forwarded_for("1.2.3.4", text))


def covered(text: str) -> object:
    """Networks of a holder, compared with as many as a token may name."""
    return [covers([f"10.0.{n}.0/24" for n in range(50)], part) for part in text.split(",")]


_JSON = words(
    '{"}[\\', "a", "1", "1e", '{"a":', "[1,", '"\\u0000', "\\ud800", '\\"', '{"a":1},', "[{"
)
_PLAIN = words("a0 .:/@%", "://:", "%41", "a@b:", "\x80", "\u202e", "\0")
_NUMBERS = words("0123-+.e", "h", "1h", "1.", "9999999999", "mo")
_ADDRESSES = words("0:.f/%,[ ", "1.", "::", "10.0.0.0/8,", "1.2.3.4, ")
_TOKENS = words("e_.v1A-=", "_v1_", "ory_ak_v1_", "mc_v1_", "eyJ", "eyJ.", "a.", "AAAA")
_QUERIES = words("a=&%+;", "page_size=1&", "filter=a&", "%2", "%41", "&&", "=&")
_FILTERS = words('a=" .', "AND ", " AND", "status=", 'actor_id="', "\t")
_HEAD_LINES = words("a: \t\r\n,;=%", "\r\n", "a:", ": ", "chunked,", "\x80", "/..", "%2e")
_DSNS = words(
    "a:/?@&=,()%;", "a@", "://", "tcp(", "host=a,", "max_conns=1&", "%2F", "_pragma=a(b)&"
)
_CHUNKS = words('0a;=" \t\r\n', "1\r\na\r\n", ";a=b", ';a="\\', "0\r\n", "a:b\r\n", "F")
_LISTS = words('a,"[] ', '",', '""', "[,")

READERS: dict[str, tuple[Reader, list[str]]] = {
    "log line, scrubbed": (scrub, _PLAIN + _TOKENS + _DSNS),
    "log line, json": (json_line, _PLAIN + _TOKENS + words('\0\u202e\n"\\\x80\ud800')),
    "log line, text": (text_line, _PLAIN + _TOKENS + words('\0\u202e\n"\\\x80 =')),
    "redaction of text": (redaction.text, _PLAIN + _TOKENS),
    "redaction of a path": (
        lambda text: redaction.path(text, "/a/{key_id}", {"a"}),
        _PLAIN + words("/a:-", "/a", ":revoke"),
    ),
    "redaction of headers": (
        lambda text: redaction.headers({"HTTP_USER_AGENT": text, "HTTP_REFERER": text}),
        _PLAIN + _TOKENS,
    ),
    "redaction, within a line": (
        lambda text: redaction.within(len(text), {"a": text}, {"b": text}),
        _PLAIN,
    ),
    "path, cleaned": (target.clean_path, words("/.a", "/..", "//", "/a/..")),
    "target, built": (lambda text: target.location(text, text), words("/%a?\x80")),
    "query of a list": (decode_list, _QUERIES),
    "query of a filter": (lambda text: decode_list(f"filter={text}"), _QUERIES + _FILTERS),
    "query of a mask": (decode_mask, _QUERIES + words("a,", "name,")),
    "mask": (split_mask, words("a,.")),
    "filter": (parse_filter, _FILTERS),
    "filter, in a value": (lambda text: parse_filter(f'actor_id="{text}'), _FILTERS),
    "filter, behind a clause": (lambda text: parse_filter(f"status=a{text}"), _FILTERS),
    "duration: ttl": (parse_ttl, _NUMBERS),
    "duration: window": (parse_window, _NUMBERS),
    "duration: setting": (parse_config_duration, _NUMBERS),
    "CIDR": (valid_cidr, _ADDRESSES),
    "address": (lambda text: caller_address(Caller("192.0.2.1", text)), _ADDRESSES),
    "X-Forwarded-For": (forwarded, _ADDRESSES),
    "X-Forwarded-For, by proxies": (
        forwarded_by_proxies,
        [*_ADDRESSES, "10.0.99.1:80,", "[::1]:80,", "::1,"],
    ),
    "address, by proxies": (
        lambda text: caller_address(PROXIES.caller("1.2.3.4", text)),
        _ADDRESSES,
    ),
    "trusted proxies": (lambda text: TrustedProxies(text.split(",")), _ADDRESSES),
    "address lists, compared": (covered, ["10.0.1.0/25,", ",", "::/0,"]),
    "JSON body": (body_of(parse_object), _JSON),
    "JSON body, in a string": (body_of(parse_object, '{"a":"%s'), _JSON),
    "JSON body, in a list": (
        body_of(parse_object, '{"a":[%s]}'),
        words("1,", "[],", '"",', "1e9,"),
    ),
    "JSON body, a number": (body_of(messages.ISSUE.decode, '{"metadata":{"a":%s}}'), _NUMBERS),
    "JSON body, a quota": (
        body_of(messages.ISSUE.decode, '{"rate_limit_policy":{"quota":"%s","window":"1s"}}'),
        _NUMBERS,
    ),
    "JSON body, members": (body_of(messages.ISSUE.decode, '{%s"a":1}'), ['"name":1,', '"a":1,']),
    "JSON body, metadata": (body_of(messages.ISSUE.decode, '{"metadata":{%s"a":1}}'), ['"b":{},']),
    "JSON body, scopes": (body_of(messages.ISSUE.decode, '{"scopes":[%s""]}'), ['"a",', '"",']),
    "JSON body, update": (
        lambda text: messages.decode_update(text.encode(errors="replace"), "issued_api_key"),
        _JSON,
    ),
    "NUL in JSON": (holds_nul, words("\\u0", "\\u0000", "\\\\")),
    "credential, routed": (lambda text: route(text, SETTINGS), _TOKENS),
    "credential, parsed": (_core.parse_issued_key, _TOKENS),
    "credential, imported": (lambda text: imported_key_id("net", text), _TOKENS),
    "JWT": (authenticate(jwt), _TOKENS),
    "JWT, header": (lambda text: jwt.authenticate(f"eyJ{text}.a.b", SETTINGS, NOW_NS), _TOKENS),
    "macaroon": (authenticate(macaroon), _TOKENS),
    "macaroon, body": (
        lambda text: macaroon.authenticate(f"mc_v1_{text}", SETTINGS, NOW_NS),
        _TOKENS,
    ),
    "JSON of a token": (body_of(decode_object), _JSON),
    "JSON of a token, in a member": (body_of(decode_object, '{"a":%s}'), _JSON + _NUMBERS),
    "base64url": (base64url.decode, words("Aa-_=", "A=")),
    "numeric date": (exact_seconds, _NUMBERS),
    "numeric date, lenient": (lenient_seconds, _NUMBERS),
    "page token": (page_token, words("Aa-_=")),
    "head": (framed, _HEAD_LINES),
    "head, a value": (value_framed, _HEAD_LINES),
    "head, parsed": (lambda text: parse(head(text)), _HEAD_LINES),
    "head, in pieces": (in_pieces, _HEAD_LINES),
    "head, many lines": (many_headers, ["abc"]),
    "chunked body": (chunked, _CHUNKS),
    "chunked body, in pieces": (chunks_in_pieces, _CHUNKS),
    "body, in pieces": (length_in_pieces, ["a"]),
    "DSN": (parse_dsn, _DSNS),
    **{
        f"DSN of {scheme}": ((lambda text, s=scheme: parse_dsn(f"{s}://{text}")), _DSNS)  # type: ignore[misc]
        for scheme in ("postgres", "mysql", "sqlite")
    },
    "environment, a list": (setting("TALOS_SERVE_HTTP_CORS_ALLOWED_ORIGINS"), _LISTS),
    "environment, a duration": (setting("TALOS_CACHE_TTL"), _NUMBERS),
    "environment, a number": (setting("TALOS_SERVE_HTTP_PORT"), _NUMBERS),
    "environment, a section": (setting("TALOS_SERVE"), _JSON),
    "environment, elements": (many_elements, ["ab"]),
    "environment, names": (
        lambda text: environment.read({text: "a"}),
        words("A_09", "_0", "TALOS_"),
    ),
    "configuration, JSON": (parse_json, _JSON),
    "configuration, patterns": (schema_patterns, _PLAIN + _NUMBERS + words("_-*")),
    "configuration, times": (parse_rfc3339, _NUMBERS + words("T:Z")),
    "command line, batch file": (array, _JSON),
    "command line, one item": (lambda text: array("[" + text), _JSON),
    "command line, a string": (lambda text: array('[{"a":"' + text), _JSON),
    "command line, error page": (lambda text: error_text(text.encode(errors="replace")), _JSON),
    "command line, line": (one_line, words("\0\u202e\n\ra")),
    "command line, lines": (many_lines, words("\0\u202e\n\ra")),
    "command line, list": (read_comma_list, _LISTS),
    "command line, object": (read_json_object, _JSON),
    "command line, path": (
        lambda text: OutputFormat.parse(f"jsonpath={text}"),
        words("a.\\0", "\\."),
    ),
    "command line, pointer": (
        lambda text: OutputFormat.parse(f"jsonpointer=/{text}"),
        words("a/~01"),
    ),
}


def repeated(read: Reader, fragment: str) -> Callable[[int], Callable[[], object]]:
    def sized(size: int) -> Callable[[], object]:
        text = fragment * (size // len(fragment) + 1)

        def call() -> None:
            with suppress(*REFUSED):
                read(text)

        return call

    return sized


@pytest.mark.parametrize("name", READERS)
def test_the_work_is_linear(name: str) -> None:
    read, fragments = READERS[name]
    assert [fragment for fragment in fragments if grows_faster(repeated(read, fragment))] == []


HEADERS = (
    "Accept",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Cache-Control",
    "CF-Connecting-IP",
    "CF-Ray",
    "Content-Type",
    "Forwarded",
    "Host",
    "Origin",
    "Pragma",
    "Referer",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Request-ID",
)
_HEADER_VALUES = (
    "://:",
    "a:",
    ", ",
    ",",
    "a,",
    " ",
    "\t ",
    "1.",
    ":",
    "[",
    "no-cache,",
    "\x80",
    ";=",
    "_v1_",
    "eyJ",
)


@pytest.mark.parametrize("source", ["UNSPECIFIED", "X_FORWARDED_FOR", "CF_CONNECTING_IP"])
@pytest.mark.parametrize("header", HEADERS)
def test_a_header_costs_linear_work_on_the_whole_way(header: str, source: str) -> None:
    surface = Surface("all")
    surface.configuration.change(
        client_ip_source=f"CLIENT_IP_SOURCE_{source}",
        trust_forwarded_host=True,
        cors_enabled=True,
        cors_allowed_origins=("https://*.example.com", "*://a.*.b"),
        cors_allowed_methods=("POST",),
        cors_allowed_headers=("a",),
    )
    # An answer's size and shape must not depend on the header, or it would count as work.
    body = {"credential": "x"}
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(LineFormatter("json", with_stacktraces=True))
    logger = logging.getLogger("talos.http")
    logger.addHandler(handler)
    try:
        for method, path in (("POST", f"{API_KEYS}:verify"), ("OPTIONS", ISSUED)):
            for fragment in _HEADER_VALUES:

                def ask(text: str, method: str = method, path: str = path) -> object:
                    return surface.send(method, path, body, {"Origin": "null", header: text})

                assert not grows_faster(repeated(ask, fragment)), (method, fragment)
    finally:
        logger.removeHandler(handler)


@pytest.mark.parametrize(
    "fragment", words("/.a%", "%2e", "%2F", "/..", "\x80", ":", ";", "a:revoke", "_v1_")
)
def test_a_path_costs_linear_work_on_the_whole_way(fragment: str) -> None:
    surface = Surface("all")

    def ask(text: str) -> object:
        return surface.send("GET", f"{ISSUED}/{text}")

    assert not grows_faster(repeated(ask, fragment))
