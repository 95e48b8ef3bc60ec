"""Where our worker and a stock gunicorn answer a raw request differently, and why.

docs/deployment.md tells the reasons; here stand all the cases, so that one more or one less shows.
"""

DIFFERENCES: dict[str, tuple[str, ...]] = {
    "`Connection` is a list (RFC 9110, 7.6.1); to gunicorn only where one option stands alone": (
        "close among others",
        "close on a second line",
        "1.0 keep-alive among others",
        "llhttp connection: several options",
    ),
    "a version of HTTP/1 that was not written yet is read and answered as 1.1": (
        "1.2",
        "h11 version 1.2",
    ),
    "a refusal has the contract's status: 505 for another protocol, 400 for a coding": (
        "2.0",
        "HTTP/2 preface",
        "TE xchunked",
        "TE chunked, then x",
        "TE behind a no-break space",
        "TE in quotes",
        "TE with a parameter",
        "TE with an empty element",
        "TE empty",
        "gunicorn invalid/version_02",
        "llhttp invalid: HTTP version",
        "llhttp coding: empty, beside a length",
        "llhttp coding: pigeons",
        "llhttp coding: three empty ones behind a length",
        "llhttp coding: chunkedchunked",
    ),
    "of some headers the first line alone counts (contract 2.2, 6.6); gunicorn joins them": (
        "repeated request id",
        "repeated address",
    ),
    "nobody here reads Content-Type, nor does a header decide the scheme: neither can contradict": (
        "repeated content type",
        "contradicting schemes",
        "gunicorn invalid/019",
        "gunicorn invalid/041",
    ),
    "no peer may name itself a proxy; gunicorn trusts those on its own host": (
        "name of a variable",
        "scheme",
    ),
    "a malformed escape in the path, or a fragment, is a malformed target (contract 2.1)": (
        "malformed escape",
        "fragment",
        "gunicorn valid/005",
        "llhttp target: fragment",
    ),
    "chunked is the only coding, and stands alone (contract 16, 37)": (
        "TE identity, chunked",
        "TE gzip, chunked",
        "gunicorn valid/025",
        "gunicorn valid/025_line",
        "gunicorn valid/029",
        "gunicorn valid/030",
        "gunicorn valid/rfc9112_smuggle_gzip_chunked_01",
        "gunicorn valid/rfc9112_smuggle_te_identity_chunked_01",
        "llhttp coding: chunked after another",
        "llhttp coding: chunked after another line",
        "h11 gzip and chunked",
    ),
    "a chunk line has 256 bytes at most; a size past 64 bits gets an answer before the end": (
        "chunk size past 64 bits",
        "chunk extension of 300 bytes",
        "h11 size of a hundred digits",
    ),
    "a length has 18 digits at most": (
        "CL of 19 digits",
        "llhttp length: overflow",
        "h11 length of 21 digits",
    ),
    "the head as a whole has 32 KiB, with no limit for its lines or their number": (
        "line of 9 KiB",
        "target of 9 KiB",
        "head of 33 KiB",
        "150 headers",
    ),
    "HTTP/1.1 names exactly one host, and names it well (RFC 9112, 3.2)": (
        "no host",
        "host with a blank",
        "host with a slash",
        "host with a user",
        "h11 no host on 1.1",
    ),
    "an absolute target is one of HTTP, and its host is the request's (RFC 9112, 3.2.2)": (
        "absolute target of another host",
        "absolute target without a path",
        "absolute target of another scheme",
        "absolute target without a host",
        "gunicorn valid/rfc9112_target_absolute_userinfo_01",
        "llhttp target: host ended by a query",
        "llhttp target: host and port ended by a query",
        "llhttp target: host and port alone",
        "llhttp target: user before the host",
    ),
    "no tunnel is opened": (
        "CONNECT",
        "gunicorn valid/rfc9112_target_authority_connect_01",
        "gunicorn valid/rfc9112_target_authority_ipv6_01",
        "llhttp target: CONNECT to a name with an underscore",
        "llhttp method: CONNECT with data behind",
        "llhttp method: CONNECT with a length",
    ),
    "a method that llhttp has not heard of is refused before it is routed (contract 16, 37)": (
        "unknown method",
        "gunicorn valid/031",
        "llhttp invalid: HTTP protocol and ANNOUNCE method",
        "llhttp invalid: method",
    ),
}

TAKEN_BY_US_ALONE = frozenset(
    {
        "1.0 keep-alive among others",
        "repeated content type",
        "contradicting schemes",
        "gunicorn invalid/019",
        "gunicorn invalid/041",
        "line of 9 KiB",
        "target of 9 KiB",
        "150 headers",
    }
)
"""Where we answer more than gunicorn does. None of these leaves open where a request ends."""
