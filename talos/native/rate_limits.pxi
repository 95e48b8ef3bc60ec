# What Python sees of the rate limits; rate_limits.h has the algorithm, and why it is right.
#
# The table has a mapping of its own, so that limits are enforced without a cache too. It needs no
# owners: a process that ends in the middle of a call leaves nothing behind that another would have
# to wait for, or to mend.

cdef extern from "rate_limits.h" nogil:
    enum:
        LIMIT_ENTRIES
        LIMIT_BUCKET_BYTES
        LIMIT_WINDOWS
    enum limit_verdict:
        LIMIT_UNENFORCED
        LIMIT_REFUSED
        LIMIT_ADMITTED
    ctypedef struct limit_table:
        uint64_t* buckets
        uint64_t bucket_count
        uint64_t* windows
        uint64_t* unenforced
        const uint64_t* clock
    ctypedef struct limit_state:
        uint64_t remaining
        uint64_t reset_after_ns
    limit_verdict limit_admit(
        const limit_table* table, uint64_t hash, uint64_t quota, uint64_t window_s, limit_state* state
    )
    uint64_t limit_unenforced(const limit_table* table)

cdef enum:
    LIMITS_LAYOUT_VERSION = 2
    # Words of the header: two cache lines, of which calls write the second one alone, and the list of
    # windows.
    LIMITS_MAGIC = 0
    LIMITS_VERSION = 1
    LIMITS_MAPPED_BYTES = 2
    LIMITS_SEED = 3
    LIMITS_BUCKETS = 4
    LIMITS_UNENFORCED = 8
    LIMITS_WINDOWS = 16
    LIMITS_HEADER_BYTES = 128 + 8 * 256

# "taloslim", read as a little-endian number.
cdef uint64_t LIMITS_MAGIC_WORD = 0x6D696C736F6C6174
# Buckets are counted in 32 bits.
cdef uint64_t LARGEST_LIMITS = <uint64_t>LIMIT_BUCKET_BYTES << 32
cdef uint64_t LARGEST_QUOTA = 0x7FFFFFFFFFFFFFFF
cdef uint64_t LONGEST_WINDOW_S = 9_223_372_036


@cython.final
@cython.auto_pickle(False)
cdef class RateLimits:
    cdef uint64_t* base
    cdef limit_table table
    cdef const uint64_t[::1] clock
    cdef readonly uint64_t size_bytes

    def __cinit__(self, size_bytes, *, clock=None):
        if not isinstance(size_bytes, int):
            raise TypeError("size_bytes is an int")
        if not LIMITS_HEADER_BYTES + 2 * LIMIT_BUCKET_BYTES <= size_bytes <= LARGEST_LIMITS:
            raise ValueError("size_bytes is too small for two buckets, or beyond any machine")
        self.size_bytes = size_bytes
        if clock is not None:
            self.clock = clock
            if self.clock.shape[0] != 1:
                raise ValueError("a clock is one word")
            self.table.clock = &self.clock[0]
        self.base = map_shared(self.size_bytes)
        self.table.buckets = self.base + LIMITS_HEADER_BYTES // WORD
        self.table.bucket_count = (self.size_bytes - LIMITS_HEADER_BYTES) // LIMIT_BUCKET_BYTES
        self.table.windows = self.base + LIMITS_WINDOWS
        self.table.unenforced = self.base + LIMITS_UNENFORCED
        # Plain stores: there is no second process yet, and the fork orders them.
        self.base[LIMITS_MAGIC] = LIMITS_MAGIC_WORD
        self.base[LIMITS_VERSION] = LIMITS_LAYOUT_VERSION
        self.base[LIMITS_MAPPED_BYTES] = self.size_bytes
        self.base[LIMITS_SEED] = int.from_bytes(urandom(WORD), "little")
        self.base[LIMITS_BUCKETS] = self.table.bucket_count

    def __dealloc__(self):
        if self.base != NULL:
            munmap(self.base, self.size_bytes)

    def __reduce__(self):
        raise TypeError("rate limits are inherited by a fork, and in no other way")

    @property
    def capacity(self):
        return self.table.bucket_count * LIMIT_ENTRIES

    @property
    def unenforced(self):
        return limit_unenforced(&self.table)

    def admit(self, str network_id not None, str key_id not None, quota, window_s):
        cdef limit_state state
        cdef limit_verdict verdict
        if not 1 <= quota <= LARGEST_QUOTA:
            raise ValueError("a quota is 1 to 2**63 - 1")
        if not 1 <= window_s <= LONGEST_WINDOW_S:
            raise ValueError("a window is 1 to 9223372036 seconds")
        verdict = limit_admit(
            &self.table, self.name(network_id, key_id), quota, window_s, &state
        )
        if verdict == LIMIT_UNENFORCED:
            return None
        return verdict == LIMIT_ADMITTED, state.remaining, state.reset_after_ns

    cdef uint64_t name(self, str network_id, str key_id) except 0:
        cdef Py_ssize_t network_length, key_length
        cdef const char* network = PyUnicode_AsUTF8AndSize(network_id, &network_length)
        cdef const char* key = PyUnicode_AsUTF8AndSize(key_id, &key_length)
        return self.name_of(network, <size_t>network_length, key, <size_t>key_length)

    cdef uint64_t name_of(
        self, const void* network, size_t network_length, const void* key, size_t key_length
    ) noexcept nogil:
        """Hash a key; never 0. No two keys share 56 bits of it but by a chance of 2**-56.

        The network's hash is the seed of the key's, so that where one text ends and the other begins
        takes part. Ids are made by servers, not by those who present credentials.
        """
        cdef uint64_t name = talos_xxh3(network, network_length, self.base[LIMITS_SEED])
        name = talos_xxh3(key, key_length, name)
        return name | (name == 0)
