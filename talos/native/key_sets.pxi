# Publishing into a set of the shared key cache: the lock, what makes room, and who is let in.
#
# A writer takes the entries into a copy of its own, checks them, decides on the copy, and writes
# last. So it stays inside its set whatever it finds there, even if it should share the set with
# another writer whom it believed dead.

cdef enum:
    LOCK_ATTEMPTS = 64
    SMALLEST_VALUE = 2           # chunks: the header alone is longer than one

cdef enum Publication:
    PUBLICATION_DONE
    PUBLICATION_STALE            # evicted or held since the lease, or no lease, or expired
    PUBLICATION_BUSY             # others write in both sets, or this process has no owner slot
    PUBLICATION_COLD             # the set is full of keys in use; asked again soon, it is let in
    PUBLICATION_LARGE            # longer than MAX_PAYLOAD, or a proof beyond the share of proofs


cdef struct SetScan:
    # The entries of one set as a writer found them, and which of them it means to keep.
    uint64_t entries[ENTRIES]
    uint64_t count
    uint64_t keep                # a bit for each entry
    uint64_t kept
    uint64_t chunks              # of those kept
    uint64_t proofs              # a bit for each entry that is one, kept or not
    uint64_t token_chunks        # of those kept
    uint64_t recency
    bint was_recent              # the key's own old entry had been hit


# ---- the lock ----------------------------------------------------------------------------------

cdef bint lock(CacheView* view, uint64_t* members) noexcept nogil:
    """Take the set for writing; False where somebody alive has it.

    A set whose owner has died is taken over and emptied, since its bytes may be torn.
    """
    cdef uint64_t sequence = 0, free
    cdef int attempt
    for attempt in range(LOCK_ATTEMPTS):
        # Acquire, for is_dead(): the owner had stored its incarnation before it signed.
        sequence = load_acquire(&members[SEQUENCE])
        if not sequence & 1:
            # Acquire pairs with unlock() of the writer before; release with the load above of who
            # finds us dead.
            if compare_exchange_acq_rel(
                &members[SEQUENCE], sequence, sequence | view.process.mark
            ):
                # Pairs with fence_acquire() in read_once().
                fence_release()
                return True
        relax()
    if not sequence & 1 or not is_dead(view.process, sequence & MARK_MASK):
        return False
    # A new version as well. Every version is locked at most once, so the word that we saw tells
    # exactly one owner: of two who take over only one succeeds, and neither after it was let go.
    free = (sequence & ~<uint64_t>MARK_MASK) + NEXT_VERSION
    if not compare_exchange_acq_rel(&members[SEQUENCE], sequence, free | view.process.mark):
        return False
    fence_release()
    store_relaxed(&members[COUNT], 0)
    store_relaxed(&members[RECENCY], 0)
    store_relaxed(&members[HAND], 0)
    count(view.process.counters[0], TAKEOVERS)
    return True


cdef void unlock(uint64_t* members) noexcept nogil:
    cdef uint64_t sequence = load_relaxed(&members[SEQUENCE])
    # Pairs with the acquire loads in read_once() and lock().
    store_release(&members[SEQUENCE], (sequence & ~<uint64_t>MARK_MASK) + NEXT_VERSION)


# ---- what is there -----------------------------------------------------------------------------

cdef bint is_key(const uint64_t* value, const CacheKey* key) noexcept nogil:
    cdef uint64_t word
    for word in range(<uint64_t>KEY_WORDS):
        if load_relaxed(&value[KEY + word]) != key.words[word]:
            return False
    return True


cdef inline bint is_token(uint64_t kind) noexcept nogil:
    return (kind & 0xFF) == TOKEN_KIND


cdef void scan_set(
    CacheView* view, const uint64_t* members, const CacheKey* key, uint64_t now_s, SetScan* scan
) noexcept nogil:
    """Copy the entries and mark those worth keeping: not expired, not evicted, not of ``key``.

    Values lie one behind the other in the order of their entries. Where they do not, something
    went wrong that was never meant to happen, and the set is taken for empty.
    """
    cdef uint64_t index, entry, start = 0
    cdef const uint64_t* value
    scan.count = load_relaxed(&members[COUNT]) & 0xFF
    scan.recency = load_relaxed(&members[RECENCY])
    scan.keep = scan.kept = scan.chunks = 0
    scan.proofs = scan.token_chunks = 0
    scan.was_recent = False
    if scan.count > ENTRIES:
        scan.count = 0
    for index in range(scan.count):
        entry = load_relaxed(&members[ENTRY + index])
        if (
            entry_start(entry) != start
            or entry_chunks(entry) < SMALLEST_VALUE
            or start + entry_chunks(entry) > CHUNKS
        ):
            scan.count = scan.keep = scan.kept = scan.chunks = 0
            scan.proofs = scan.token_chunks = 0
            return
        scan.entries[index] = entry
        value = &members[ARENA + start * CHUNK_WORDS]
        start += entry_chunks(entry)
        if entry_expires_s(entry) <= now_s:
            continue
        if load_relaxed(&value[LEASE]) != 1 + load_relaxed(
            &view.epochs[(load_relaxed(&value[SHAPE]) >> 32) & view.stripe_mask]
        ):
            continue
        if entry_tag(entry) == key.tag and is_key(value, key):
            scan.was_recent = (scan.recency >> index) & 1
            continue
        scan.keep |= <uint64_t>1 << index
        scan.kept += 1
        scan.chunks += entry_chunks(entry)
        if is_token(load_relaxed(&value[SHAPE]) >> 16):
            scan.proofs |= <uint64_t>1 << index
            scan.token_chunks += entry_chunks(entry)


# ---- who is let in -----------------------------------------------------------------------------

cdef bint asked_before(uint64_t* members, uint64_t tag, bint proof) noexcept nogil:
    """Whether the tag was turned away lately; if not, remember that it is now.

    Proofs have words of their own: however many are turned away, no key is forgotten for them.
    """
    cdef uint64_t word, lane, tags, pushed_out, carry = tag
    cdef uint64_t* rejected = &members[REJECTED_PROOFS if proof else REJECTED]
    cdef uint64_t words = REJECTED_PROOF_WORDS if proof else REJECTED_WORDS
    for word in range(words):
        tags = load_relaxed(&rejected[word])
        for lane in range(4):
            if ((tags >> (16 * lane)) & 0xFFFF) == tag:
                return True
    for word in range(words):
        tags = load_relaxed(&rejected[word])
        pushed_out = tags >> 48
        store_relaxed(&rejected[word], (tags << 16) | carry)
        carry = pushed_out
    return False


cdef inline void give_up(SetScan* scan, uint64_t index) noexcept nogil:
    cdef uint64_t bit = <uint64_t>1 << index
    cdef uint64_t chunks = entry_chunks(scan.entries[index])
    scan.keep &= ~bit
    scan.kept -= 1
    scan.chunks -= chunks
    if scan.proofs & bit:
        scan.token_chunks -= chunks


cdef inline bint share_fits(const SetScan* scan, uint64_t chunks) noexcept nogil:
    """Whether one more proof of so many chunks stays within the share of proofs."""
    return scan.token_chunks + chunks <= PROOF_CHUNKS


cdef inline bint fits(const SetScan* scan, uint64_t chunks, bint proof) noexcept nogil:
    return (
        scan.chunks + chunks <= CHUNKS
        and scan.kept < ENTRIES
        and (not proof or share_fits(scan, chunks))
    )


cdef void give_up_unused(
    SetScan* scan, uint64_t chunks, bint proof, uint64_t candidates
) noexcept nogil:
    """Give up candidates that were never hit since they came, oldest first, until it fits."""
    cdef uint64_t index
    candidates &= scan.keep & ~scan.recency
    for index in range(scan.count):
        if fits(scan, chunks, proof):
            return
        if (candidates >> index) & 1:
            give_up(scan, index)


@cython.cdivision(True)
cdef void give_up_by_turns(
    uint64_t* members, SetScan* scan, uint64_t chunks, bint proof, uint64_t candidates
) noexcept nogil:
    """Have the hand of a clock go round, take the marks of candidates away, and give up what it
    finds without one, until it fits."""
    cdef uint64_t hand = load_relaxed(&members[HAND])
    cdef uint64_t index, step
    for step in range(2 * scan.count):
        if fits(scan, chunks, proof):
            break
        index = (hand + step) % scan.count
        if not (scan.keep & candidates) >> index & 1:
            continue
        if (scan.recency >> index) & 1:
            scan.recency &= ~(<uint64_t>1 << index)
        else:
            give_up(scan, index)
            store_relaxed(&members[HAND], index)


cdef bint make_room(
    uint64_t* members, const CacheKey* key, uint64_t chunks, SetScan* scan
) noexcept nogil:
    """Give up entries until ``chunks`` and one entry are free; False turns the newcomer away.

    Those that were never hit since they came go first, oldest first: a scan of cold keys feeds on
    itself. If that is not enough, a newcomer is let in at its second asking, and the clock decides
    who leaves. For a proof that is another proof, never a key in use; and where proofs have their
    share already, nothing but a proof leaves at all.
    """
    cdef bint proof = is_token(key.kind)
    cdef uint64_t everybody = ~<uint64_t>0
    cdef SetScan before = scan[0]
    if proof and not share_fits(scan, chunks):
        give_up_unused(scan, chunks, proof, scan.proofs)
    if not proof or share_fits(scan, chunks):
        give_up_unused(scan, chunks, proof, everybody)
    if fits(scan, chunks, proof):
        return True
    if asked_before(members, key.tag, proof):
        give_up_by_turns(members, scan, chunks, proof, scan.proofs if proof else everybody)
        if fits(scan, chunks, proof):
            return True
    # Nobody leaves for one who does not come.
    scan[0] = before
    return False


# ---- writing -----------------------------------------------------------------------------------

cdef void close_gaps(uint64_t* members, const SetScan* scan) noexcept nogil:
    """Leave only what is kept. Values move down and in order: a word is read, then overwritten."""
    cdef uint64_t index, entry, start, chunks, word
    cdef uint64_t kept = 0, used = 0, recency = 0
    for index in range(scan.count):
        if not (scan.keep >> index) & 1:
            continue
        entry = scan.entries[index]
        start = entry_start(entry)
        chunks = entry_chunks(entry)
        if start != used:
            for word in range(chunks * CHUNK_WORDS):
                store_relaxed(
                    &members[ARENA + used * CHUNK_WORDS + word],
                    load_relaxed(&members[ARENA + start * CHUNK_WORDS + word]),
                )
        if kept != index:
            store_relaxed(
                &members[ENTRY + kept],
                pack_entry(entry_tag(entry), used, chunks, entry_expires_s(entry)),
            )
        recency |= ((scan.recency >> index) & 1) << kept
        kept += 1
        used += chunks
    store_relaxed(&members[COUNT], (used << 8) | kept)
    store_relaxed(&members[RECENCY], recency)


cdef void append(
    uint64_t* members, const CacheKey* key, const uint64_t* value, uint64_t words,
    uint64_t expires_s, const SetScan* scan
) noexcept nogil:
    """Write a value behind those kept; make_room() has seen to it that it fits."""
    cdef uint64_t chunks = (words + CHUNK_WORDS - 1) // CHUNK_WORDS
    cdef uint64_t recency, word
    for word in range(words):
        store_relaxed(&members[ARENA + scan.chunks * CHUNK_WORDS + word], value[word])
    store_relaxed(
        &members[ENTRY + scan.kept], pack_entry(key.tag, scan.chunks, chunks, expires_s)
    )
    recency = load_relaxed(&members[RECENCY]) & ~(<uint64_t>1 << scan.kept)
    # A key that is published anew does not lose what it has earned.
    store_relaxed(&members[RECENCY], recency | (<uint64_t>scan.was_recent << scan.kept))
    store_relaxed(&members[COUNT], ((scan.chunks + chunks) << 8) | (scan.kept + 1))


cdef uint64_t fill_in(
    CacheView* view, const CacheKey* key, uint64_t lease, const uint8_t* payload, uint64_t length,
    int64_t expires_ns, uint64_t* value
) noexcept nogil:
    """Make the value in memory of our own; its length in words."""
    cdef uint64_t words = VALUE_HEADER_WORDS + (length + WORD - 1) // WORD
    # The bytes behind the payload are defined.
    value[words - 1] = 0
    value[LEASE] = lease
    memcpy(&value[KEY], key.words, WORD * KEY_WORDS)
    value[EXPIRES] = <uint64_t>expires_ns
    value[SHAPE] = (key.stripe << 32) | (key.kind << 16) | length
    memcpy(&value[VALUE_HEADER_WORDS], payload, length)
    value[CHECK] = talos_xxh3(
        &value[LEASE], (VALUE_HEADER_WORDS - 1) * WORD + length, view.seed
    )
    return words


cdef bint has_tag(const uint64_t* members, uint64_t tag) noexcept nogil:
    """Whether some entry has the tag; a hint, since nobody is kept from writing meanwhile."""
    cdef uint64_t index, entries = load_relaxed(&members[COUNT]) & 0xFF
    for index in range(min(entries, <uint64_t>ENTRIES)):
        if entry_tag(load_relaxed(&members[ENTRY + index])) == tag:
            return True
    return False


cdef uint64_t* lock_one(CacheView* view, const CacheKey* key) noexcept nogil:
    """Lock one of the key's two sets; NULL where others write in both.

    Preferably the one where readers find the key already, else the roomier one. A value of the key
    in the set not chosen does no harm: it is right under the same epoch and goes with it.
    """
    cdef uint64_t* home = view.sets + key.home
    cdef uint64_t* other = view.sets + key.other
    if not has_tag(home, key.tag) and (
        has_tag(other, key.tag)
        or load_relaxed(&other[COUNT]) >> 8 < load_relaxed(&home[COUNT]) >> 8
    ):
        home, other = other, home
    if lock(view, home):
        return home
    if other != home and lock(view, other):
        return other
    return NULL


@cython.cdivision(True)
cdef Publication publish_value(
    CacheView* view, const CacheKey* key, uint64_t lease, const uint8_t* payload, uint64_t length,
    int64_t now_ns, int64_t expires_ns
) noexcept nogil:
    cdef uint64_t value[MAX_VALUE_WORDS]
    cdef SetScan scan
    cdef uint64_t words, expires_s
    cdef uint64_t* members
    cdef bint admitted
    words = VALUE_HEADER_WORDS + (length + WORD - 1) // WORD
    if length > MAX_PAYLOAD or (is_token(key.kind) and words > PROOF_CHUNKS * CHUNK_WORDS):
        return PUBLICATION_LARGE
    # To save the work only: what is published under an epoch that has moved is never read.
    if lease == 0 or lease != load_relaxed(&view.epochs[key.stripe]) + 1:
        return PUBLICATION_STALE
    if now_ns < 0 or expires_ns <= now_ns:
        return PUBLICATION_STALE
    if view.process.mark == 0:
        return PUBLICATION_BUSY
    words = fill_in(view, key, lease, payload, length, expires_ns, value)
    # Rounded up, so that an entry is given up only after its value has expired, and held within
    # its 32 bits, whatever the clock says.
    expires_s = <uint64_t>(expires_ns // 1_000_000_000) + 1
    if expires_s > <uint32_t>-1:
        expires_s = <uint32_t>-1
    members = lock_one(view, key)
    if members == NULL:
        return PUBLICATION_BUSY
    scan_set(view, members, key, <uint64_t>(now_ns // 1_000_000_000), &scan)
    admitted = make_room(members, key, (words + CHUNK_WORDS - 1) // CHUNK_WORDS, &scan)
    if scan.kept != load_relaxed(&members[COUNT]) & 0xFF:
        close_gaps(members, &scan)
    if admitted:
        append(members, key, value, words, expires_s, &scan)
    unlock(members)
    return PUBLICATION_DONE if admitted else PUBLICATION_COLD


cdef Publication cache_publish(
    CacheView* view, const CacheKey* key, uint64_t lease, const uint8_t* payload, uint64_t length,
    int64_t now_ns, int64_t expires_ns
) noexcept nogil:
    """Publish a payload under a lease until ``expires_ns``. Touches no Python object."""
    cdef Publication outcome = publish_value(
        view, key, lease, payload, length, now_ns, expires_ns
    )
    # The counters of the outcomes stand in the order of the outcomes.
    count(view.process.counters[0], <uint64_t>PUBLISHED + <uint64_t>outcome)
    return outcome
