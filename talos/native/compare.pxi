# Constant-time comparison (contract 14, 5), and the one way this module computes an HMAC.

cdef extern from "constant_time.h":
    bint talos_equal(const uint8_t *a, const uint8_t *b, size_t n) nogil

cdef enum:
    DIGEST_SIZE = 32


cdef inline const uint8_t* bytes_data(bytes value) noexcept:
    return <const uint8_t*>PyBytes_AS_STRING(value)


cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(str)
    void* PyUnicode_DATA(str)
    Py_ssize_t PyUnicode_GET_LENGTH(str)


cdef inline const uint8_t* ascii_data(str text, Py_ssize_t* length) noexcept:
    """The characters of an ASCII text, borrowed, with their number; NULL if any is not ASCII.

    CPython stores an ASCII text as one byte a character, so nothing is converted and nothing can
    fail: lone surrogates and NULs are only characters here.
    """
    length[0] = PyUnicode_GET_LENGTH(text)
    return <const uint8_t*>PyUnicode_DATA(text) if PyUnicode_IS_ASCII(text) else NULL


cdef bytes hmac_sha256(bytes key, bytes message):
    """``H(k, m)`` of contract 5. The primitive is OpenSSL's, never ours."""
    return hmac_digest(key, message, "sha256")


def compare_digest(bytes a not None, bytes b not None):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(a)
    # The length of a secret is not the secret: leaving here tells nothing about its content.
    if size != PyBytes_GET_SIZE(b):
        return False
    return bool(talos_equal(bytes_data(a), bytes_data(b), <size_t>size))
