# XXH3 with a seed, 64 bits: for placing keys and for telling torn values, never for a secret.

from xxhash import xxh3_64_intdigest

cdef extern from "xxh3.h":
    uint64_t talos_xxh3(const void* data, size_t length, uint64_t seed) noexcept nogil
    uint64_t talos_xxh3_portable(const void* data, size_t length, uint64_t seed) noexcept nogil


def xxh3_64(bytes data not None, uint64_t seed, *, bint portable=False):
    cdef size_t length = <size_t>PyBytes_GET_SIZE(data)
    if portable:
        return talos_xxh3_portable(PyBytes_AS_STRING(data), length, seed)
    return talos_xxh3(PyBytes_AS_STRING(data), length, seed)


cdef int require_known_hashes() except -1:
    """Raise ImportError where a hash is not the xxhash package's, as of a core compiled wrongly."""
    cdef bytes data = bytes(range(256)) * 17
    cdef uint64_t seed = 0x9E3779B97F4A7C15
    for length in (0, 3, 8, 16, 40, 128, 240, 241, 1024, 1025, 4168):
        if xxh3_64(data[:length], seed) != xxh3_64_intdigest(data[:length], seed):
            raise ImportError(
                f"it was compiled wrongly, its XXH3 of {length} bytes is not that of the xxhash "
                "package; build it with another compiler or other options"
            )
    return 0


require_known_hashes()
