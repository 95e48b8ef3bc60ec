# Ids that are hashes of credentials, for the fast path: of an imported key SHA-512/256 over network, zero
# byte and key (contract 5.3, as talos/credentials/imported.py has it), of a proof SHA-256 over generation
# and token (as talos/adapters/cache/verified_tokens.py has it). From the interpreter's own OpenSSL (see
# keyed_hmac.pxi). Where that does not have a function, the fast path leaves its credentials alone.

cdef enum:
    HASHED_NAME_BYTES = 32

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
cdef void* sha256 = NULL


cdef bint hashed_name(
    void* context, void* algorithm, const uint8_t* first, size_t first_length,
    const uint8_t* credential, size_t length, uint8_t* out
) noexcept nogil:
    """Write the HASHED_NAME_BYTES of the hash of both texts. False: OpenSSL failed, or has none.

    ``context`` comes from ``md_new``, and keeps nothing from one call to the next that counts.
    """
    cdef unsigned int written = 0
    return (
        context != NULL
        and algorithm != NULL
        and md_init(context, algorithm, NULL)
        and md_update(context, first, first_length)
        and md_update(context, credential, length)
        and md_final(context, out, &written)
        and written == HASHED_NAME_BYTES
    )


cdef void* fetched(md_fetch_t md_fetch, const char* name, bytes known):
    """An algorithm that gives the digest of a known text, and gives it again; else NULL."""
    cdef bytes first = b"00000000-0000-0000-0000-000000000000\0"
    cdef uint8_t out[HASHED_NAME_BYTES]
    cdef void* algorithm = md_fetch(NULL, name, NULL)
    cdef void* context = md_new()
    cdef int attempt
    cdef bint same = True
    for attempt in range(2):
        same = (
            same
            and hashed_name(
                context, algorithm, bytes_data(first), <size_t>PyBytes_GET_SIZE(first),
                bytes_data(b"one key"), 7, out
            )
            and memcmp(out, bytes_data(known), HASHED_NAME_BYTES) == 0
        )
    if context != NULL:
        md_free(context)
    return algorithm if same else NULL


def _bind_digests():
    """Find OpenSSL's functions, and try them before they are trusted."""
    global md_new, md_free, md_init, md_update, md_final, sha512_256, sha256
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
    sha512_256 = fetched(
        md_fetch,
        "SHA512-256",
        bytes.fromhex("ba6fde891a2e2a42bf9f13078a22d9b585720569a97293b6f2421793737cdb4e"),
    )
    sha256 = fetched(
        md_fetch,
        "SHA256",
        bytes.fromhex("ab9f81fa8e8365c8b2adefce2b7e2fa1113115788bf2c97412d5acbe789f4ed6"),
    )


_bind_digests()
del globals()["_bind_digests"]
