# The id of an imported key, contract 5.3: SHA-512/256 over network, zero byte and key. As
# talos/credentials/imported.py has it, for the hot path, from the interpreter's own OpenSSL (see
# keyed_hmac.pxi). Where that does not have the function, the hot path leaves imported keys alone.

cdef enum:
    IMPORTED_ID_BYTES = 32

ctypedef void* (*md_fetch_t)(void*, const char*, const char*) noexcept nogil
ctypedef void* (*md_new_t)() noexcept nogil
ctypedef void (*md_free_t)(void*) noexcept nogil
ctypedef int (*md_init_t)(void*, void*, const OsslParam*) noexcept nogil
ctypedef int (*md_update_t)(void*, const void*, size_t) noexcept nogil
ctypedef int (*md_final_t)(void*, uint8_t*, unsigned int*) noexcept nogil

cdef md_new_t md_new = NULL
cdef md_free_t md_free = NULL
cdef md_init_t md_init = NULL
cdef md_update_t md_update = NULL
cdef md_final_t md_final = NULL
# NULL where it is not to be had.
cdef void* sha512_256 = NULL


cdef bint imported_id(
    void* context, const uint8_t* network, const uint8_t* key, size_t length, uint8_t* out
) noexcept nogil:
    """Write the IMPORTED_ID_BYTES of a key's id; ``network`` is a UUID as text. False: OpenSSL failed.

    ``context`` comes from ``md_new``, and keeps nothing from one call to the next that counts.
    """
    cdef unsigned int written = 0
    return (
        md_init(context, sha512_256, NULL)
        and md_update(context, network, UUID_TEXT)
        and md_update(context, b"\0", 1)
        and md_update(context, key, length)
        and md_final(context, out, &written)
        and written == IMPORTED_ID_BYTES
    )


cdef bint hashes_as_it_should():
    """Whether OpenSSL gives the digest of a known text, and gives it again."""
    cdef bytes network = b"00000000-0000-0000-0000-000000000000"
    cdef bytes known = bytes.fromhex(
        "ba6fde891a2e2a42bf9f13078a22d9b585720569a97293b6f2421793737cdb4e"
    )
    cdef uint8_t out[IMPORTED_ID_BYTES]
    cdef void* context = md_new()
    cdef int attempt
    cdef bint same = context != NULL
    for attempt in range(2):
        same = (
            same
            and imported_id(context, bytes_data(network), bytes_data(b"one key"), 7, out)
            and memcmp(out, bytes_data(known), IMPORTED_ID_BYTES) == 0
        )
    if context != NULL:
        md_free(context)
    return same


def _bind_sha512_256():
    """Find OpenSSL's functions, and try them before they are trusted."""
    global md_new, md_free, md_init, md_update, md_final, sha512_256
    cdef void* library = openssl_library()
    cdef md_fetch_t md_fetch
    if library == NULL:
        return
    md_fetch = <md_fetch_t>dlsym(library, "EVP_MD_fetch")
    md_new = <md_new_t>dlsym(library, "EVP_MD_CTX_new")
    md_free = <md_free_t>dlsym(library, "EVP_MD_CTX_free")
    md_init = <md_init_t>dlsym(library, "EVP_DigestInit_ex2")
    md_update = <md_update_t>dlsym(library, "EVP_DigestUpdate")
    md_final = <md_final_t>dlsym(library, "EVP_DigestFinal_ex")
    if (
        md_fetch == NULL or md_new == NULL or md_free == NULL
        or md_init == NULL or md_update == NULL or md_final == NULL
    ):
        return
    sha512_256 = md_fetch(NULL, "SHA512-256", NULL)
    if sha512_256 != NULL and not hashes_as_it_should():
        sha512_256 = NULL


_bind_sha512_256()
del globals()["_bind_sha512_256"]
