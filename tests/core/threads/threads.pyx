# cython: language_level=3
"""The core's own sources, and loops over the shared key cache that give the interpreter lock up.

Threads of one process stand in for processes: they meet on the same words, which is what a
sanitizer watches. tests/core/thread_sanitize.sh builds and runs this.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from hmac import digest as hmac_digest

include "native/compare.pxi"
include "native/uuid.pxi"
include "native/xxh3.pxi"
include "native/mapping.pxi"
include "native/counters.pxi"
include "native/shared_memory.pxi"
include "native/key_cache.pxi"
include "native/key_sets.pxi"
include "native/key_cache_api.pxi"

cdef enum:
    KEYS = 64
    MOST_REPEATS = 200

cdef extern from *:
    """
    static uint64_t talos_versions[64];
    static uint64_t talos_plain;
    """
    uint64_t talos_versions[KEYS]
    uint64_t talos_plain

cdef int64_t NOW = 10**18
cdef int64_t LATER = 2 * 10**18


cdef uint64_t step(uint64_t* state) noexcept nogil:
    """Xorshift: which key is next."""
    state[0] ^= state[0] << 13
    state[0] ^= state[0] >> 7
    state[0] ^= state[0] << 17
    return state[0]


cdef uint64_t repeats(uint64_t number, uint64_t version) noexcept nogil:
    return 1 + (number * 31 + version * 17) % <uint64_t>MOST_REPEATS


cdef class Threads:
    """What the threads share. Each method is one thread's work, for so many rounds."""

    cdef KeyCache cache
    cdef CacheKey keys[KEYS]

    def __cinit__(self, KeyCache cache not None):
        cdef int i
        self.cache = cache
        for i in range(KEYS):
            cache.name(&self.keys[i], bytes(16), 1, f"{i:08x}-0000-4000-8000-000000000000")

    def read(self, uint64_t rounds, uint64_t seed):
        """The number of hits. Raises AssertionError for a torn or stale one."""
        cdef uint64_t value[MAX_VALUE_WORDS]
        cdef uint64_t number, committed, word, words, hits = 0, wrong = 0
        cdef int length
        with nogil:
            for _ in range(rounds):
                number = step(&seed) % <uint64_t>KEYS
                committed = load_seq_cst(&talos_versions[number])
                length = cache_read(&self.cache.view, &self.keys[number], NOW, value)
                if length == READ_MISS:
                    continue
                hits += 1
                words = <uint64_t>length // WORD
                if value[VALUE_HEADER_WORDS] < committed:
                    wrong += 1
                elif words != repeats(number, value[VALUE_HEADER_WORDS]):
                    wrong += 1
                else:
                    for word in range(words):
                        if value[VALUE_HEADER_WORDS + word] != value[VALUE_HEADER_WORDS]:
                            wrong += 1
        assert not wrong, f"{wrong} of {hits} hits were wrong"
        return hits

    def fill(self, uint64_t rounds, uint64_t seed):
        cdef uint64_t payload[MOST_REPEATS]
        cdef uint64_t number, version, lease, word, words
        with nogil:
            for _ in range(rounds):
                number = step(&seed) % <uint64_t>KEYS
                lease = cache_lease(&self.cache.view, &self.keys[number], monotonic_ns())
                version = load_seq_cst(&talos_versions[number])
                words = repeats(number, version)
                for word in range(words):
                    payload[word] = version
                cache_publish(
                    &self.cache.view, &self.keys[number], lease, <uint8_t*>payload, words * WORD,
                    NOW, LATER
                )

    def revoke(self, uint64_t rounds, uint64_t seed):
        cdef uint64_t number, now, until
        cdef int place
        with nogil:
            for _ in range(rounds):
                number = step(&seed) % <uint64_t>KEYS
                now = monotonic_ns()
                until = now + <uint64_t>3_600_000_000_000
                place = cache_hold(&self.cache.view, &self.keys[number], now, until)
                fetch_add_seq_cst(&talos_versions[number], 1)
                cache_lift(&self.cache.view, &self.keys[number], place, until)

    def race(self, uint64_t rounds, uint64_t seed):
        """What a sanitizer has to report, of two threads."""
        global talos_plain
        with nogil:
            # Both are past the interpreter's lock, which would order one before the other.
            fetch_add_seq_cst(&talos_versions[0], 1)
            while load_seq_cst(&talos_versions[0]) < 2:
                relax()
            for _ in range(rounds):
                talos_plain += step(&seed) & 1
