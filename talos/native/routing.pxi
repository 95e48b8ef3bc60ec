# Which kind of credential a text is, contract 5.6. The first match wins.

ROUTE_JWT = 1
ROUTE_MACAROON = 2
ROUTE_ISSUED = 3
ROUTE_IMPORTED = 4


cdef inline bint is_base64url(uint8_t c) noexcept nogil:
    """``[A-Za-z0-9_-]``"""
    return is_word(c) or c == c"-"


cdef bint jwt_shape(const uint8_t* text, Py_ssize_t length) noexcept nogil:
    """``^eyJ[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$`` on the whole text."""
    cdef Py_ssize_t i, start = 3
    cdef int dots = 0
    if length < 3 or memcmp(text, b"eyJ", 3) != 0:
        return False
    for i in range(3, length):
        if text[i] == c".":
            if i == start or dots == 2:
                return False
            dots += 1
            start = i + 1
        elif not is_base64url(text[i]):
            return False
    return dots == 2 and start < length


cdef bint macaroon_shape(str credential, tuple prefixes):
    cdef str prefix
    for prefix in prefixes:
        # An empty prefix stands for no prefix (contract 5.7: an empty value is skipped).
        if (
            prefix
            and credential.startswith(prefix)
            and credential.startswith("_v1_", len(prefix))
        ):
            return True
    return False


def route(str credential not None, tuple macaroon_prefixes not None):
    cdef IssuedShape shape
    cdef Py_ssize_t length
    # JWTs and issued keys are ASCII. What follows a macaroon's prefix may be anything.
    cdef const uint8_t* text = ascii_data(credential, &length)
    if text != NULL and jwt_shape(text, length):
        return ROUTE_JWT
    if macaroon_shape(credential, macaroon_prefixes):
        return ROUTE_MACAROON
    if text != NULL and issued_shape(text, length, &shape):
        return ROUTE_ISSUED
    return ROUTE_IMPORTED
