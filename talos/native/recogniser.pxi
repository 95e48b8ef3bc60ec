# The recogniser: the one shape of request that clients send for a verify, and for a batch of them.
#
# It says yes only where every byte of head and body is of a kind that no parser reads otherwise: an
# exact request line, plain header names, values of visible ASCII and blanks, CRLF line ends, one
# Host, one plain Content-Length, the whole request in the buffer. Whatever could change the meaning
# (a transfer coding, an expectation, an upgrade, a cache directive that counts, a Connection other
# than keep-alive or close, a second line of what may come once) is left to the parser, as is whatever
# looks odd. A header that means something under some settings only is reported, not judged.
# Accepting too little is slow; accepting too much is a hole. tests/core and tests/fuzz hold it to
# the reading of talos/serving/http/framing.py and of llhttp.

cdef enum:
    # Without the minor version and the end of the line.
    VERIFY_LINE_BYTES = 43
    BATCH_LINE_BYTES = 48
    LINE_END_BYTES = 3
    RECOGNISED_HEAD_MAX = 8192
    RECOGNISED_HEADERS_MAX = 64
    RECOGNISED_BODY_MAX = 65536
    REQUEST_ID_MAX = 128
    # Of a batch (contract 4.15).
    BATCH_MAX = 100

cdef const char* VERIFY_LINE = b"POST /v2alpha1/admin/apiKeys:verify HTTP/1."
cdef const char* BATCH_LINE = b"POST /v2alpha1/admin/apiKeys:batchVerify HTTP/1."

# Offsets are from the start of the buffer; all lie inside it where a request was recognised.
cdef struct Recognised:
    bint batch
    bint http10                  # HTTP/1.0, not 1.1
    bint close                   # the connection has to be closed after the response
    bint forwarded_host          # X-Forwarded-Host is there
    size_t body
    size_t end
    size_t host
    size_t host_length
    size_t request_id
    size_t request_id_length     # 0: none that may be echoed

cdef enum HeaderMeaning:
    PLAIN = 0
    NOT_OURS = 1
    CONNECTION = 2
    REQUEST_ID = 4
    # Bits of a set, since these may come once only: to a second one parsers object.
    HOST = 8
    LENGTH = 16
    CONTENT_TYPE = 32
    SCHEME = 64
    # These may come again.
    FORWARDED_HOST = 128
    CACHE_DIRECTIVE = 256
    CLOSE = 512
    KEEP_ALIVE = 1024

# Names are of letters, digits and hyphens: the other token characters are left out. An underscore
# most of all: once it is a variable of an environ it is a hyphen.
cdef extern from "spans.h" nogil:
    size_t talos_alnum_span(const uint8_t* text, size_t length, uint8_t other)
    size_t talos_json_span(const uint8_t* text, size_t length)
    size_t talos_printable_span(const uint8_t* text, size_t length)


cdef bint text_is(
    const uint8_t* text, size_t length, const char* lower, size_t lower_length
) noexcept nogil:
    """Compare without letter case. ``lower`` is of lower-case letters, digits and hyphens."""
    cdef size_t i
    if length != lower_length:
        return False
    for i in range(length):
        # The bit that parts the cases is free to differ. Of a hyphen or a digit it is set, and
        # without it they are control characters, which are in no text that comes here.
        if (text[i] | 0x20) != <uint8_t>lower[i]:
            return False
    return True


cdef HeaderMeaning header_meaning(const uint8_t* name, size_t length) noexcept nogil:
    """What a header does to the reading of a request. By length: most names stop there."""
    if length == 2:
        if text_is(name, length, b"te", 2):
            return NOT_OURS
    elif length == 4:
        if text_is(name, length, b"host", 4):
            return HOST
    elif length == 6:
        if (
            text_is(name, length, b"expect", 6) or text_is(name, length, b"origin", 6)
        ):
            return NOT_OURS
        if text_is(name, length, b"pragma", 6):
            return CACHE_DIRECTIVE
    elif length == 7:
        if text_is(name, length, b"upgrade", 7) or text_is(name, length, b"trailer", 7):
            return NOT_OURS
    elif length == 10:
        if text_is(name, length, b"connection", 10):
            return CONNECTION
    elif length == 12:
        if text_is(name, length, b"x-request-id", 12):
            return REQUEST_ID
        if text_is(name, length, b"content-type", 12):
            return CONTENT_TYPE
    elif length == 13:
        if text_is(name, length, b"cache-control", 13):
            return CACHE_DIRECTIVE
    elif length == 14:
        if text_is(name, length, b"content-length", 14):
            return LENGTH
        # With an origin, what browsers say of the page that a request comes from. Whether that page
        # may send it is decided in talos/http/middleware/cross_origin.py.
        if text_is(name, length, b"sec-fetch-site", 14) or text_is(
            name, length, b"http2-settings", 14
        ):
            return NOT_OURS
    elif length == 15:
        if text_is(name, length, b"x-forwarded-ssl", 15):
            return SCHEME
    elif length == 16:
        if text_is(name, length, b"x-forwarded-host", 16):
            return FORWARDED_HOST
        if text_is(name, length, b"proxy-connection", 16) or text_is(
            name, length, b"content-encoding", 16
        ):
            return NOT_OURS
    elif length == 17:
        if text_is(name, length, b"transfer-encoding", 17):
            return NOT_OURS
        if text_is(name, length, b"x-forwarded-proto", 17):
            return SCHEME
    elif length == 20:
        if text_is(name, length, b"x-forwarded-protocol", 20):
            return SCHEME
    return PLAIN


cdef bint has_directive(const uint8_t* value, size_t length) noexcept nogil:
    """Whether ``no-`` is in a value, as in no-cache and no-store, the directives that count (6.8)."""
    cdef size_t i
    for i in range(2, length):
        if value[i] == c"-" and value[i - 1] | 0x20 == c"o" and value[i - 2] | 0x20 == c"n":
            return True
    return False


cdef bint plain_host(const uint8_t* value, size_t length) noexcept nogil:
    """``[A-Za-z0-9.:-]+``: a name or an IPv4 address with or without a port."""
    cdef size_t i
    cdef uint8_t c
    for i in range(length):
        c = value[i]
        if not (
            c"a" <= c <= c"z" or c"0" <= c <= c"9" or c"A" <= c <= c"Z"
            or c == c"." or c == c":" or c == c"-"
        ):
            return False
    return length > 0


cdef bint plain_length(const uint8_t* value, size_t length, size_t* number) noexcept nogil:
    """Up to five digits and no leading zero: one spelling for each number. No body is not ours."""
    cdef size_t i
    if length == 0 or length > 5 or value[0] == c"0":
        return False
    number[0] = 0
    for i in range(length):
        if not is_digit(value[i]):
            return False
        number[0] = number[0] * 10 + (value[i] - c"0")
    return number[0] <= RECOGNISED_BODY_MAX


cdef bint recognise(
    const uint8_t* data, size_t start, size_t size, Recognised* found
) noexcept nogil:
    """Recognise one whole request at ``start`` of a buffer of ``size`` bytes; ``start <= size``.

    Where the head is recognised and only the body is not all there, that is no, and ``found.end``
    lies behind ``size``; at any other no it is 0.
    """
    cdef size_t at = start, name, name_length, value, value_length, limit
    cdef size_t headers = 0, length = 0
    cdef int seen = 0
    cdef HeaderMeaning meaning

    found.end = 0
    if (
        size - at >= VERIFY_LINE_BYTES + LINE_END_BYTES
        and memcmp(data + at, VERIFY_LINE, VERIFY_LINE_BYTES) == 0
    ):
        found.batch = False
        at += VERIFY_LINE_BYTES
    elif (
        size - at >= BATCH_LINE_BYTES + LINE_END_BYTES
        and memcmp(data + at, BATCH_LINE, BATCH_LINE_BYTES) == 0
    ):
        found.batch = True
        at += BATCH_LINE_BYTES
    else:
        return False
    if data[at] != c"1" and data[at] != c"0":
        return False
    found.http10 = data[at] == c"0"
    if data[at + 1] != c"\r" or data[at + 2] != c"\n":
        return False
    at += LINE_END_BYTES
    found.request_id = found.request_id_length = 0
    limit = min(size, start + RECOGNISED_HEAD_MAX)
    # Each turn reads one line; nothing at or behind ``limit`` is looked at.
    while True:
        if at + 2 > limit:
            return False
        if data[at] == c"\r":
            if data[at + 1] != c"\n":
                return False
            at += 2
            break
        headers += 1
        if headers > RECOGNISED_HEADERS_MAX:
            return False
        name = at
        name_length = talos_alnum_span(data + at, limit - at, c"-")
        at += name_length
        if name_length == 0 or at >= limit or data[at] != c":":
            return False
        at += 1
        if at < limit and data[at] == c" ":
            at += 1
        value = at
        value_length = talos_printable_span(data + at, limit - at)
        at += value_length
        if at + 2 > limit or data[at] != c"\r" or data[at + 1] != c"\n":
            return False
        at += 2
        # A value with blanks around it means the same to all, and is rare: not ours.
        if value_length and (data[value] == c" " or data[value + value_length - 1] == c" "):
            return False

        meaning = header_meaning(data + name, name_length)
        if meaning == PLAIN:
            continue
        if meaning == NOT_OURS:
            return False
        if meaning == FORWARDED_HOST:
            seen |= <int>FORWARDED_HOST
            continue
        if meaning == CACHE_DIRECTIVE:
            if has_directive(data + value, value_length):
                return False
            continue
        if meaning == CONNECTION:
            if text_is(data + value, value_length, b"keep-alive", 10):
                seen |= <int>KEEP_ALIVE
            elif text_is(data + value, value_length, b"close", 5):
                seen |= <int>CLOSE
            else:
                return False
            continue
        if seen & <int>meaning:
            # Of several request ids the first line counts; all else may come once.
            if meaning != REQUEST_ID:
                return False
            continue
        seen |= <int>meaning
        if meaning == REQUEST_ID:
            # Empty, or too long to be echoed: a fresh one is made.
            if 1 <= value_length <= REQUEST_ID_MAX:
                found.request_id = value
                found.request_id_length = value_length
        elif meaning == HOST:
            if not plain_host(data + value, value_length):
                return False
            found.host = value
            found.host_length = value_length
        elif meaning == LENGTH:
            if not plain_length(data + value, value_length, &length):
                return False

    if not seen & HOST or not seen & LENGTH:
        return False
    # What RFC 9112, 9.3 says, as in talos/serving/http/head.py.
    found.close = seen & CLOSE or (found.http10 and not seen & KEEP_ALIVE)
    found.forwarded_host = (seen & FORWARDED_HOST) != 0
    found.body = at
    found.end = at + length
    return found.end <= size


cdef tuple recognised_parts(bytes data, Py_ssize_t start, bint batch):
    cdef Recognised found
    cdef size_t size = <size_t>PyBytes_GET_SIZE(data)
    if start < 0 or <size_t>start > size:
        raise ValueError("start lies outside of the data")
    if not recognise(bytes_data(data), <size_t>start, size, &found) or found.batch != batch:
        return None
    return (
        data[found.body : found.end],
        data[found.request_id : found.request_id + found.request_id_length],
        found.end,
        not found.close,
        0 if found.http10 else 1,
        found.forwarded_host,
    )


def recognise_verify(bytes data not None, Py_ssize_t start=0):
    return recognised_parts(data, start, False)


def recognise_batch_verify(bytes data not None, Py_ssize_t start=0):
    return recognised_parts(data, start, True)
