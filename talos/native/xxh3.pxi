# XXH3 with a seed, 64 bits: for placing keys and for telling torn values, never for a secret.
#
# The C of the xxhash package is called where it lies, without its Python face: the module's own
# file is opened, which only finds it where it is loaded already, and asked for the function. Where
# the package was built in a way that hides it, the Python face answers the same, more slowly.

from posix.dlfcn cimport RTLD_NOW, dlopen, dlsym

from os import fsencode

from xxhash import xxh3_64_intdigest

ctypedef uint64_t (*Xxh3)(const void* data, size_t length, uint64_t seed) noexcept nogil


cdef uint64_t xxh3_by_face(const void* data, size_t length, uint64_t seed) noexcept with gil:
    """The same through Python. For want of memory it is 0, which makes a miss."""
    try:
        return xxh3_64_intdigest((<const char*>data)[:length], seed)
    except MemoryError:
        return 0


cdef Xxh3 find_xxh3():
    """The function of the package's library, or NULL. The library stays loaded for good."""
    cdef void* library
    try:
        from xxhash import _xxhash
        path = fsencode(_xxhash.__file__)
    except (ImportError, AttributeError):
        return NULL
    library = dlopen(path, RTLD_NOW)
    return NULL if library == NULL else <Xxh3>dlsym(library, "XXH3_64bits_withSeed")


cdef Xxh3 xxh3_by_library = find_xxh3()
XXH3_IS_DIRECT = xxh3_by_library != NULL
