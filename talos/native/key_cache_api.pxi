# What Python sees of the shared key cache.

from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef enum:
    # Spellings of an id, so that no two texts share a key. They stand beside the kind.
    SPELLING_NONE = 0
    SPELLING_UUID = 1
    SPELLING_HASH = 2
    KIND_BITS = 8
    NETWORK_BYTES = 16
    HASH_TEXT = 64
    # A hold's token: its end << 4 | its place in the line.
    PLACE_BITS = 4
    PLACE_MASK = 0xF

PUBLISH_DONE = PUBLICATION_DONE
PUBLISH_STALE = PUBLICATION_STALE
PUBLISH_BUSY = PUBLICATION_BUSY
PUBLISH_COLD = PUBLICATION_COLD
PUBLISH_LARGE = PUBLICATION_LARGE

KIND_OF_TOKENS = TOKEN_KIND

cdef int64_t LONGEST_HOLD_NS = 86_400 * 1_000_000_000

# The names of the cache's counters; the number of each is its place.
KEY_CACHE_COUNTERS = (
    "hits", "misses", "published", "refused_stale", "refused_busy", "refused_cold", "refused_large",
    "evictions", "holds", "takeovers",
)


cdef uint64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t>now.tv_sec * 1_000_000_000 + <uint64_t>now.tv_nsec


@cython.final
@cython.auto_pickle(False)
cdef class KeyCache:
    cdef readonly SharedMemory memory
    cdef CacheView view

    def __cinit__(self, SharedMemory memory not None):
        cdef uint64_t* base = memory.base
        self.memory = memory
        self.view.process = &memory.process
        self.view.epochs = base + memory.layout.epochs
        self.view.holds = base + memory.layout.holds
        self.view.sets = base + memory.layout.sets
        self.view.set_count = memory.layout.set_count
        self.view.stripe_mask = memory.layout.stripe_count - 1
        self.view.seed = base[SEED]

    def __reduce__(self):
        raise TypeError("a KeyCache cannot be pickled")

    cdef bint name(self, CacheKey* key, object network, int kind, str key_id) except -1:
        """Locate a key; False for one that is never cached, whose spelling is not canonical.

        Every operation asks here first, so what cannot be evicted cannot be published either.
        """
        cdef Py_ssize_t length
        cdef const uint8_t* text
        cdef uint8_t* words = <uint8_t*>key.words
        cdef uint64_t spelling
        if not 0 <= kind < 1 << KIND_BITS:
            raise ValueError("a kind is 0 to 255")
        if isinstance(network, bytes):
            if PyBytes_GET_SIZE(network) != NETWORK_BYTES:
                raise ValueError("a network is 16 bytes")
            memcpy(words, PyBytes_AS_STRING(network), NETWORK_BYTES)
        else:
            text = ascii_data(<str?>network, &length)
            if text == NULL or not uuid_bytes(text, length, words):
                return False
        words += NETWORK_BYTES
        memset(words, 0, WORD * KEY_WORDS - NETWORK_BYTES)
        text = ascii_data(key_id, &length)
        if text == NULL:
            return False
        if uuid_bytes(text, length, words):
            spelling = SPELLING_UUID
        elif length == HASH_TEXT and hex_bytes(text, HASH_TEXT // 2, words) == 0:
            spelling = SPELLING_HASH
        else:
            return False
        key.kind = spelling << KIND_BITS | <uint64_t>kind
        locate(&self.view, key)
        return True

    def get(self, network not None, int kind, str key_id not None, *, int64_t now_ns):
        cdef CacheKey key
        cdef uint64_t value[MAX_VALUE_WORDS]
        cdef int length
        if not self.name(&key, network, kind, key_id):
            return None
        length = cache_read(&self.view, &key, now_ns, value)
        if length == READ_MISS:
            return None
        return PyBytes_FromStringAndSize(<char*>&value[VALUE_HEADER_WORDS], length)

    def lease(self, network not None, int kind, str key_id not None):
        cdef CacheKey key
        if not self.name(&key, network, kind, key_id):
            return 0
        return cache_lease(&self.view, &key, monotonic_ns())

    def publish(
        self, uint64_t lease, network not None, int kind, str key_id not None,
        bytes payload not None, *, int64_t expires_at_ns, int64_t now_ns
    ):
        cdef CacheKey key
        if not self.name(&key, network, kind, key_id):
            return PUBLISH_STALE
        return <int>cache_publish(
            &self.view, &key, lease, bytes_data(payload), <uint64_t>PyBytes_GET_SIZE(payload),
            now_ns, expires_at_ns
        )

    def hold(self, network not None, int kind, str key_id not None, *, int64_t for_ns):
        cdef CacheKey key
        cdef uint64_t now, until
        if not 0 < for_ns <= LONGEST_HOLD_NS:
            raise ValueError("a hold lasts more than nothing and at most a day")
        if not self.name(&key, network, kind, key_id):
            return 0
        now = monotonic_ns()
        until = now + <uint64_t>for_ns
        return until << PLACE_BITS | <uint64_t>cache_hold(&self.view, &key, now, until)

    def lift(self, uint64_t token, network not None, int kind, str key_id not None):
        cdef CacheKey key
        cdef uint64_t until = token >> PLACE_BITS
        if not self.name(&key, network, kind, key_id):
            return False
        cache_lift(&self.view, &key, <int>(token & PLACE_MASK), until)
        return monotonic_ns() < until

    def evict(self, network not None, int kind, str key_id not None):
        cdef CacheKey key
        if self.name(&key, network, kind, key_id):
            cache_evict(&self.view, &key)

    def flush(self):
        with nogil:
            cache_flush(&self.view)
        count(self.view.process.counters[0], EVICTIONS)
