# HMAC-SHA256 under a key that stays: OpenSSL's EVP_MAC with the key schedule done once.
#
# The primitive is the interpreter's own OpenSSL. Its library is found by the file of ``_hashlib``,
# which is linked against it, so nothing is built against OpenSSL and the two can never differ in
# version. Where those functions are not to be had, or do not say what the standard library says
# (a static build, OpenSSL before 3, one that forgets the key), the one-shot of the standard library
# does the same at five times the cost; tests run both.

from posix.dlfcn cimport RTLD_NOW, dlopen, dlsym

cdef struct OsslParam:
    # OSSL_PARAM of openssl/core.h, part of OpenSSL 3's stable ABI.
    const char* key
    unsigned int data_type
    void* data
    size_t data_size
    size_t return_size

cdef enum:
    OSSL_PARAM_UTF8_STRING = 4

ctypedef void* (*mac_fetch_t)(void*, const char*, const char*) noexcept nogil
ctypedef void* (*mac_new_t)(void*) noexcept nogil
ctypedef void (*mac_free_t)(void*) noexcept nogil
ctypedef int (*mac_init_t)(void*, const uint8_t*, size_t, const OsslParam*) noexcept nogil
ctypedef int (*mac_update_t)(void*, const uint8_t*, size_t) noexcept nogil
ctypedef int (*mac_final_t)(void*, uint8_t*, size_t*, size_t) noexcept nogil

cdef mac_fetch_t mac_fetch = NULL
cdef mac_new_t mac_new = NULL
cdef mac_free_t mac_free = NULL
cdef mac_init_t mac_init = NULL
cdef mac_update_t mac_update = NULL
cdef mac_final_t mac_final = NULL
# NULL where only the one-shot is to be had.
cdef void* hmac_algorithm = NULL


@cython.final
@cython.auto_pickle(False)
cdef class KeyedHmac:
    cdef void* context
    # Kept only where there is no context to keep the key.
    cdef bytes key

    def __cinit__(self, bytes key not None, *, bint one_shot=False):
        cdef OsslParam params[2]
        if hmac_algorithm != NULL and not one_shot:
            memset(params, 0, sizeof(params))
            params[0].key = "digest"
            params[0].data_type = OSSL_PARAM_UTF8_STRING
            params[0].data = <void*><char*>"SHA256"
            params[0].data_size = 6
            self.context = mac_new(hmac_algorithm)
            if self.context != NULL and not mac_init(
                self.context, bytes_data(key), <size_t>PyBytes_GET_SIZE(key), params
            ):
                mac_free(self.context)
                self.context = NULL
        if self.context == NULL:
            self.key = key

    def __dealloc__(self):
        if self.context != NULL:
            mac_free(self.context)

    def __reduce__(self):
        raise TypeError("a KeyedHmac cannot be pickled")

    cdef bint digest_into(self, const uint8_t* data, size_t length, uint8_t* out) except -1:
        """Write the 32 bytes of the digest to ``out``."""
        cdef size_t written = 0
        cdef bytes digest
        if self.context == NULL:
            digest = hmac_sha256(
                self.key, PyBytes_FromStringAndSize(<const char*>data, <Py_ssize_t>length)
            )
            memcpy(out, bytes_data(digest), DIGEST_SIZE)
            return True
        # Without a key, init starts over under the key that the context has.
        if (
            not mac_init(self.context, NULL, 0, NULL)
            or not mac_update(self.context, data, length)
            or not mac_final(self.context, out, &written, DIGEST_SIZE)
            or written != DIGEST_SIZE
        ):
            raise RuntimeError("OpenSSL failed to compute an HMAC")
        return True

    @property
    def is_one_shot(self):
        return self.context == NULL

    def digest(self, bytes message not None):
        cdef uint8_t out[DIGEST_SIZE]
        self.digest_into(bytes_data(message), <size_t>PyBytes_GET_SIZE(message), out)
        return PyBytes_FromStringAndSize(<const char*>out, DIGEST_SIZE)


cdef bint says_the_same() except -1:
    """Whether a context gives the standard library's digests, and gives them again."""
    cdef bytes key = bytes(range(64)), message
    cdef KeyedHmac mac = KeyedHmac(key)
    try:
        for message in (b"", b"one message", b"another", b"one message"):
            if mac.context == NULL or mac.digest(message) != hmac_sha256(key, message):
                return False
    except RuntimeError:
        return False
    return True


cdef void* openssl_library() except? NULL:
    """What the interpreter's own hashes are linked against; NULL where that is not to be found."""
    cdef bytes path
    import os

    try:
        import _hashlib

        path = os.fsencode(_hashlib.__file__)
    except (ImportError, AttributeError):
        return NULL
    return dlopen(path, RTLD_NOW)


def _bind_openssl():
    """Find OpenSSL's functions, and try them before they are trusted."""
    global mac_fetch, mac_new, mac_free, mac_init, mac_update, mac_final, hmac_algorithm
    cdef void* library = openssl_library()
    if library == NULL:
        return
    mac_fetch = <mac_fetch_t>dlsym(library, "EVP_MAC_fetch")
    mac_new = <mac_new_t>dlsym(library, "EVP_MAC_CTX_new")
    mac_free = <mac_free_t>dlsym(library, "EVP_MAC_CTX_free")
    mac_init = <mac_init_t>dlsym(library, "EVP_MAC_init")
    mac_update = <mac_update_t>dlsym(library, "EVP_MAC_update")
    mac_final = <mac_final_t>dlsym(library, "EVP_MAC_final")
    if (
        mac_fetch == NULL or mac_new == NULL or mac_free == NULL
        or mac_init == NULL or mac_update == NULL or mac_final == NULL
    ):
        return
    hmac_algorithm = mac_fetch(NULL, "HMAC", NULL)
    if hmac_algorithm != NULL and not says_the_same():
        hmac_algorithm = NULL


_bind_openssl()
del globals()["_bind_openssl"]
OPENSSL_IS_DIRECT = hmac_algorithm != NULL
