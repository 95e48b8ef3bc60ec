# The shared key cache: finding, reading, leases, holds and eviction. key_sets.pxi publishes.
#
# Three ideas carry it; docs/shared-memory.md argues them at length.
#
# 1. A value is worth something only under its stripe's epoch. A filler takes the epoch *before* it
#    reads the row (that is the lease) and stores it in the value; a reader compares the two at the
#    very end of its read. Eviction is one addition to the epoch: it waits for nobody, needs no
#    lock, and no filler can undo it, however late. The reader's load of the epoch is the instant
#    at which its answer was true.
# 2. A hold refuses leases. A writer puts it up before its transaction and lifts it after the
#    commit, so what was read from the database in between is never published. It lapses by the
#    monotonic clock, so a writer that died costs some reads of the database and nothing else.
# 3. A set of values is a seqlock: an odd word means that its owner is writing. Readers copy, then
#    look again; they write nothing but a recency bit. A set whose owner has died is emptied by the
#    next writer. Even two writers at once could harm nothing but the values of their set: every
#    number is bounded before it is used, and every value proves itself by its check word.

cdef enum:
    KEY_WORDS = 6
    SET_WORDS = 1024
    ENTRIES = 64                 # of one set, at most
    CHUNK_WORDS = 8
    CHUNKS = 118                 # what a set has left for values: (SET_WORDS - ARENA) / CHUNK_WORDS
    # Words of a set. Readers load the first line, the entries and one value; in the second line
    # they load, and now and then write, the recency bits.
    SEQUENCE = 0                 # version << 24 | mark of the owner, 0 while nobody writes
    COUNT = 1                    # chunks in use << 8 | entries
    RECENCY = 8
    HAND = 9
    REJECTED = 10                # 16 tags of keys of 16 bits, newest first
    REJECTED_WORDS = 4
    REJECTED_PROOFS = 14         # 8 tags of proofs
    REJECTED_PROOF_WORDS = 2
    ENTRY = 16                   # tag << 48 | first chunk << 40 | chunks << 32 | second of expiry
    ARENA = 80
    MARK_MASK = 0xFFFFFF
    NEXT_VERSION = 0x1000000
    # Words of a value.
    CHECK = 0
    LEASE = 1
    KEY = 2                      # network (2 words), id (4 words)
    EXPIRES = 8
    SHAPE = 9                    # stripe << 32 | kind << 16 | payload bytes
    VALUE_HEADER_WORDS = 10
    MAX_PAYLOAD = 4096
    MAX_VALUE_WORDS = 522
    # Proofs of derived tokens: the low byte of their kind, and what they may take of a set, which is
    # half, and so 29 entries. Who has a macaroon makes as many tokens of it as wanted, all of them
    # good, without asking anybody.
    TOKEN_KIND = 2
    PROOF_CHUNKS = 59
    READ_ATTEMPTS = 4
    READ_MISS = -1
    READ_AGAIN = -2

cdef enum Counter:
    HITS
    MISSES
    PUBLISHED
    STALE
    BUSY
    COLD
    LARGE
    EVICTIONS
    HOLDS_PUT_UP
    TAKEOVERS
    CACHE_COUNTERS_USED


cdef struct CacheKey:
    uint64_t words[KEY_WORDS]
    uint64_t kind                # 16 bits
    uint64_t home                # word offset of the first set
    uint64_t other               # word offset of the second set, perhaps the same
    uint64_t stripe              # index of the epoch
    uint64_t line                # word offset of the line of holds
    uint64_t tag                 # 16 bits, never 0


cdef struct CacheView:
    # Where the parts of the mapping lie in this process; constant.
    Membership* process
    uint64_t* epochs
    uint64_t* holds
    uint64_t* sets
    uint64_t set_count
    uint64_t stripe_mask
    uint64_t seed


# ---- finding -----------------------------------------------------------------------------------

cdef inline uint64_t reduced(uint64_t hashed, uint64_t n) noexcept nogil:
    """A uniform 32-bit number as one below ``n``, which is at most 2**32."""
    return (<uint64_t><uint32_t>hashed * n) >> 32


cdef void locate(CacheView* view, CacheKey* key) noexcept nogil:
    """Fill in where a key belongs. The kind takes part: the two tables share no value."""
    cdef uint64_t first = talos_xxh3(key.words, WORD * KEY_WORDS, view.seed ^ key.kind)
    # A second choice from the same digest: an odd multiplier, and the half that every bit reaches.
    cdef uint64_t second = first * <uint64_t>0x9E3779B97F4A7C15
    key.home = reduced(first >> 32, view.set_count) * SET_WORDS
    key.other = reduced(second >> 32, view.set_count) * SET_WORDS
    key.tag = (first & 0xFFFF) | ((first & 0xFFFF) == 0)
    key.stripe = (first >> 16) & view.stripe_mask
    key.line = (key.stripe % HOLD_LINES) * HOLDS


cdef inline uint64_t pack_entry(
    uint64_t tag, uint64_t start, uint64_t chunks, uint64_t expires_s
) noexcept nogil:
    return (tag << 48) | (start << 40) | (chunks << 32) | expires_s


cdef inline uint64_t entry_tag(uint64_t entry) noexcept nogil:
    return entry >> 48


cdef inline uint64_t entry_start(uint64_t entry) noexcept nogil:
    return (entry >> 40) & 0xFF


cdef inline uint64_t entry_chunks(uint64_t entry) noexcept nogil:
    return (entry >> 32) & 0xFF


cdef inline uint64_t entry_expires_s(uint64_t entry) noexcept nogil:
    return <uint32_t>entry


# ---- reading -----------------------------------------------------------------------------------

cdef int judge_value(
    CacheView* view, const CacheKey* key, int64_t now_ns, const uint64_t* value, uint64_t words
) noexcept nogil:
    """The payload's length if an undisturbed copy of ``words`` words is the key's good value."""
    cdef uint64_t length = value[SHAPE] & 0xFFFF
    if (
        length > MAX_PAYLOAD
        or VALUE_HEADER_WORDS * WORD + length > words * WORD
        or memcmp(&value[KEY], key.words, WORD * KEY_WORDS) != 0
        or ((value[SHAPE] >> 16) & 0xFFFF) != key.kind
        or <int64_t>value[EXPIRES] <= now_ns
        or value[CHECK] != talos_xxh3(
            &value[LEASE], (VALUE_HEADER_WORDS - 1) * WORD + length, view.seed
        )
    ):
        return READ_MISS
    # Last, and seq_cst. Pairs with the addition in cache_evict(): an eviction that returned before
    # this load is seen by it. That is the promise of the whole cache.
    if value[LEASE] != load_seq_cst(&view.epochs[key.stripe]) + 1:
        return READ_MISS
    return <int>length


cdef int read_once(
    CacheView* view, const CacheKey* key, uint64_t* members, int64_t now_ns, uint64_t* value
) noexcept nogil:
    """One look into a set: a payload's length, READ_MISS, or READ_AGAIN where a writer was at it.

    Until the sequence word has been seen a second time, whatever was loaded may be any bytes, so
    every number is bounded before it is used.
    """
    cdef uint64_t sequence, entries, index, entry, start, words, word, recency
    cdef int length
    # Pairs with the release store in unlock(): all that its writer wrote is seen.
    sequence = load_acquire(&members[SEQUENCE])
    if sequence & 1:
        return READ_AGAIN
    entries = load_relaxed(&members[COUNT]) & 0xFF
    if entries > ENTRIES:
        return READ_AGAIN
    for index in range(entries):
        entry = load_relaxed(&members[ENTRY + index])
        if entry_tag(entry) != key.tag:
            continue
        start = entry_start(entry)
        words = entry_chunks(entry) * CHUNK_WORDS
        if start * CHUNK_WORDS + words > CHUNKS * CHUNK_WORDS or words < VALUE_HEADER_WORDS:
            return READ_AGAIN
        if words > MAX_VALUE_WORDS:
            words = MAX_VALUE_WORDS
        for word in range(words):
            value[word] = load_relaxed(&members[ARENA + start * CHUNK_WORDS + word])
        # Pairs with fence_release() in lock(): had any load above seen a later writer's word, the
        # load below would see that writer's sequence.
        fence_acquire()
        if load_relaxed(&members[SEQUENCE]) != sequence:
            return READ_AGAIN
        length = judge_value(view, key, now_ns, value, words)
        if length == READ_MISS:
            continue
        recency = load_relaxed(&members[RECENCY])
        if not (recency >> index) & 1:
            # A hint. A writer may be moving entries by now: then the bit is lost, or another's.
            fetch_or_relaxed(&members[RECENCY], <uint64_t>1 << index)
        return length
    # As above. An entry that was being moved must not be taken for one that is not there.
    fence_acquire()
    return READ_MISS if load_relaxed(&members[SEQUENCE]) == sequence else READ_AGAIN


cdef int read_set(
    CacheView* view, const CacheKey* key, uint64_t* members, int64_t now_ns, uint64_t* value
) noexcept nogil:
    """Look a few times: a writer holds a set for about a microsecond. Then it is a miss."""
    cdef int attempt, length
    for attempt in range(READ_ATTEMPTS):
        length = read_once(view, key, members, now_ns, value)
        if length != READ_AGAIN:
            return length
        relax()
    return READ_MISS


cdef int cache_read(
    CacheView* view, const CacheKey* key, int64_t now_ns, uint64_t* value
) noexcept nogil:
    """Copy the key's value into ``value``, which has room for MAX_VALUE_WORDS.

    Returns the length in bytes of the payload, which begins at word VALUE_HEADER_WORDS, or
    READ_MISS. Touches no Python object.
    """
    cdef int length = read_set(view, key, view.sets + key.home, now_ns, value)
    if length == READ_MISS and key.other != key.home:
        length = read_set(view, key, view.sets + key.other, now_ns, value)
    count(view.process.counters[0], MISSES if length == READ_MISS else HITS)
    return length


# ---- leases, holds, eviction -------------------------------------------------------------------

cdef uint64_t cache_lease(
    CacheView* view, const CacheKey* key, uint64_t now_mono_ns
) noexcept nogil:
    """The right to publish what is read from the database after this; 0 while a hold stands.

    It is the epoch plus one, so that memory which was never written holds no lease.
    """
    cdef uint64_t* holds = view.holds + key.line
    # The epoch first, then the holds. Pairs with cache_hold(), which stores the hold and then moves
    # the epoch: either the hold is seen here, or the lease is worthless.
    cdef uint64_t epoch = load_seq_cst(&view.epochs[key.stripe])
    cdef int slot
    for slot in range(HOLDS):
        if load_seq_cst(&holds[slot]) > now_mono_ns:
            return 0
    return epoch + 1


cdef void cache_evict(CacheView* view, const CacheKey* key) noexcept nogil:
    """Forget every value of the key's stripe, and refuse every lease taken on it so far."""
    # Pairs with the last load in judge_value() and the first in cache_lease().
    fetch_add_seq_cst(&view.epochs[key.stripe], 1)
    count(view.process.counters[0], EVICTIONS)


cdef int cache_hold(
    CacheView* view, const CacheKey* key, uint64_t now_mono_ns, uint64_t until_mono_ns
) noexcept nogil:
    """Put up a hold until ``until_mono_ns``, then evict. Returns what cache_lift() wants.

    That is the place of the hold in its line, or HOLDS where the line was full: then the hold that
    would have ended first was made to last for ours too. Its owner will not find it again, and it
    stands until it lapses.
    """
    cdef uint64_t* holds = view.holds + key.line
    cdef uint64_t ends, earliest
    cdef int place = HOLDS, slot, nearest
    cdef bint standing = False
    # Taken anew when another writer was quicker: then that one got on, and writers are few.
    while not standing:
        nearest = 0
        earliest = <uint64_t>-1
        for slot in range(HOLDS):
            ends = load_seq_cst(&holds[slot])
            if ends <= now_mono_ns:
                standing = compare_exchange_seq_cst(&holds[slot], ends, until_mono_ns)
                place = slot
                break
            if ends < earliest:
                earliest = ends
                nearest = slot
        else:
            # Always a new value, else the slot's owner could lift what now stands for us as well.
            standing = compare_exchange_seq_cst(
                &holds[nearest], earliest, max(until_mono_ns, earliest + 1)
            )
            place = HOLDS
    count(view.process.counters[0], HOLDS_PUT_UP)
    # The hold first, then the epoch: see cache_lease().
    cache_evict(view, key)
    return place


cdef void cache_lift(
    CacheView* view, const CacheKey* key, int place, uint64_t until_mono_ns
) noexcept nogil:
    """Evict once more, then take the hold down if it is still ours.

    The second eviction is for the writer that was so slow that its hold had lapsed: what was read
    and published since then is forgotten. It comes first, so that who dies in between has done it.
    """
    cache_evict(view, key)
    if place < HOLDS:
        compare_exchange_seq_cst(&view.holds[key.line + place], until_mono_ns, 0)


cdef void cache_flush(CacheView* view) noexcept nogil:
    """Evict everything, stripe by stripe. What is published meanwhile under a new epoch stays."""
    cdef uint64_t stripe
    for stripe in range(view.stripe_mask + 1):
        fetch_add_seq_cst(&view.epochs[stripe], 1)
