# The bodies of a verify and of a batch of them, as clients write them: no member but the credential
# and an empty list of audiences. Any other body is left to the parser.

cdef inline size_t skip_blanks(const uint8_t* data, size_t at, size_t end) noexcept nogil:
    """Past JSON's white space."""
    while at < end and (
        data[at] == c" " or data[at] == c"\n" or data[at] == c"\r" or data[at] == c"\t"
    ):
        at += 1
    return at


cdef inline size_t skip_word(
    const uint8_t* data, size_t at, size_t end, const char* word, size_t length
) noexcept nogil:
    """Past ``word`` and the blanks behind it; ``end + 1`` when it does not stand there."""
    if at > end or end - at < length or memcmp(data + at, word, length) != 0:
        return end + 1
    return skip_blanks(data, at + length, end)


cdef size_t match_credential(
    const uint8_t* data, size_t at, size_t end, size_t* credential, size_t* length
) noexcept nogil:
    """Match ``{"credential":"...","expected_audiences":[]}``, the second member optional or null.

    Returns the position behind the object, or ``end + 1``. The credential is of characters of
    ASCII that stand for themselves in JSON; any other goes to the parser.
    """
    if at > end:
        return end + 1
    if end - at >= 15 and memcmp(data + at, b'{"credential":"', 15) == 0:
        at += 15
    else:
        at = skip_word(data, at, end, b"{", 1)
        at = skip_word(data, at, end, b'"credential"', 12)
        at = skip_word(data, at, end, b":", 1)
        if at >= end or data[at] != c'"':
            return end + 1
        at += 1
    credential[0] = at
    length[0] = talos_json_span(data + at, end - at)
    at = skip_word(data, at + length[0], end, b'"', 1)
    if at < end and data[at] == c",":
        at = skip_word(data, at, end, b",", 1)
        at = skip_word(data, at, end, b'"expected_audiences"', 20)
        at = skip_word(data, at, end, b":", 1)
        if at < end and data[at] == c"n":
            at = skip_word(data, at, end, b"null", 4)
        else:
            at = skip_word(data, at, end, b"[", 1)
            at = skip_word(data, at, end, b"]", 1)
    return skip_word(data, at, end, b"}", 1)


cdef size_t begin_batch(const uint8_t* data, size_t at, size_t end) noexcept nogil:
    """Past ``{"requests":[``, where the first item stands; ``end + 1`` for anything else."""
    at = skip_word(data, at, end, b"{", 1)
    at = skip_word(data, at, end, b'"requests"', 10)
    at = skip_word(data, at, end, b":", 1)
    return skip_word(data, at, end, b"[", 1)


cdef bint next_item(const uint8_t* data, size_t* at, size_t end) noexcept nogil:
    """Whether a comma follows: then ``at`` is where the next item has to stand."""
    if at[0] >= end or data[at[0]] != c",":
        return False
    at[0] = skip_blanks(data, at[0] + 1, end)
    return True


cdef size_t end_batch(const uint8_t* data, size_t at, size_t end) noexcept nogil:
    """Past ``]}``; ``end + 1`` for anything else."""
    at = skip_word(data, at, end, b"]", 1)
    return skip_word(data, at, end, b"}", 1)


def match_verify(bytes body not None):
    cdef size_t credential, length
    cdef size_t size = <size_t>PyBytes_GET_SIZE(body)
    if match_credential(bytes_data(body), 0, size, &credential, &length) != size:
        return None
    return body[credential : credential + length]


def match_batch_verify(bytes body not None):
    cdef const uint8_t* data = bytes_data(body)
    cdef size_t credential, length
    cdef size_t size = <size_t>PyBytes_GET_SIZE(body)
    cdef size_t at = begin_batch(data, 0, size)
    cdef list found = []
    while True:
        at = match_credential(data, at, size, &credential, &length)
        if at > size or len(found) == BATCH_MAX:
            return None
        found.append(body[credential : credential + length])
        if not next_item(data, &at, size):
            break
    return found if end_batch(data, at, size) == size else None
