# One mapping for all workers of a host: made empty before the fork, and never moved or grown.
# docs/shared-memory.md draws the layout; lay_out() below computes it.
#
#   header | incarnations | holds | epochs | sets
#
# A process that writes sets takes an owner slot after the fork. Reading, evicting and
# holding need none, so nothing that keeps an answer true can run out or be left behind.

cdef enum:
    LAYOUT_VERSION = 3
    PAGE_WORDS = 512
    # Words of the header.
    MAGIC = 0
    VERSION = 1
    MAPPED_BYTES = 2
    SEED = 3
    STRIPES = 4
    SETS = 5
    HEADER_WORDS = 256
    # What an owner signs a lock with: bit 0 is set, then its slot, then its incarnation.
    SLOT_SHIFT = 1
    SLOT_MASK = 0xFF
    INCARNATION_SHIFT = 9
    INCARNATION_MASK = 0x7FFF
    # Holds of one line, side by side; lines are coarser than epochs, as holds are few.
    HOLDS = 8
    HOLD_LINES = 4096
    SET_BYTES = 8192
    STRIPES_PER_SET = 8

# "talosshm", read as a little-endian number.
cdef uint64_t MAGIC_WORD = 0x6D6873736F6C6174
# Sets and stripes are counted in 32 bits; this leaves a margin.
cdef uint64_t LARGEST_MAPPING = <uint64_t>1 << 40


cdef struct Layout:
    # Word offsets from the start of the mapping, and how many there are.
    uint64_t incarnations
    uint64_t holds
    uint64_t epochs
    uint64_t sets
    uint64_t stripe_count
    uint64_t set_count


cdef struct Membership:
    # What this process is in the mapping.
    uint64_t* incarnations
    uint64_t** counters          # where Counters has its slot of this process
    uint64_t mark                # 0 while not attached
    int lock_file


cdef uint64_t power_of_two(uint64_t at_least) noexcept nogil:
    cdef uint64_t power = 1
    while power < at_least:
        power <<= 1
    return power


cdef uint64_t lay_out(uint64_t sets, Layout* layout) noexcept nogil:
    """Place everything for that many sets; the bytes that it takes. Sets begin on a page."""
    layout.set_count = sets
    layout.stripe_count = power_of_two(sets * STRIPES_PER_SET)
    layout.incarnations = HEADER_WORDS
    layout.holds = layout.incarnations + OWNERS
    layout.epochs = layout.holds + HOLD_LINES * HOLDS
    layout.sets = layout.epochs + layout.stripe_count
    layout.sets += -layout.sets % <uint64_t>PAGE_WORDS
    return layout.sets * WORD + sets * SET_BYTES


cdef bint is_dead(Membership* process, uint64_t mark) noexcept nogil:
    """Whether the process that signed a lock with ``mark`` can never write again."""
    cdef uint64_t slot = (mark >> SLOT_SHIFT) & SLOT_MASK
    cdef uint64_t incarnation = (mark >> INCARNATION_SHIFT) & INCARNATION_MASK
    # Pairs with the release store in attach(): the signer stored its incarnation, then signed the
    # lock, and the caller read the lock with acquire. So what is read here is the signer's own or
    # that of a later owner of the slot, who could only come once the signer was gone.
    if (load_acquire(&process.incarnations[slot]) & INCARNATION_MASK) != incarnation:
        return True
    # The kernel does not tell a process of its own claim. Another thread may be at work.
    if mark == process.mark:
        return False
    return not slot_is_claimed(process.lock_file, slot)


cdef object mappings = WeakSet()


cdef void forget_owners() noexcept:
    """A child is not its parent: until it attaches, it must not write in the parent's name."""
    cdef SharedMemory memory
    for memory in mappings:
        memory.process.mark = 0


register_at_fork(after_in_child=lambda: forget_owners())


@cython.final
@cython.auto_pickle(False)
cdef class SharedMemory:
    cdef uint64_t* base
    cdef Layout layout
    cdef Membership process
    cdef readonly Counters counters
    cdef readonly uint64_t size_bytes
    cdef object __weakref__

    def __cinit__(self, size_bytes, *, Counters counters=None):
        cdef uint64_t sets
        self.process.lock_file = -1
        if not isinstance(size_bytes, int):
            raise TypeError("size_bytes is an int")
        if not 0 <= size_bytes <= LARGEST_MAPPING:
            raise ValueError("size_bytes is beyond any machine")
        self.size_bytes = size_bytes
        sets = self.size_bytes // SET_BYTES
        while sets > 0 and lay_out(sets, &self.layout) > self.size_bytes:
            sets -= 1
        if sets == 0:
            raise ValueError("size_bytes is too small for a single set")
        self.base = map_shared(self.size_bytes)
        self.process.lock_file = file_without_name()
        self.counters = Counters(CORE_COUNTERS_END) if counters is None else counters
        self.process.counters = &self.counters.own
        self.process.incarnations = self.base + self.layout.incarnations
        # Plain stores: there is no second process yet, and the fork orders them.
        self.base[MAGIC] = MAGIC_WORD
        self.base[VERSION] = LAYOUT_VERSION
        self.base[MAPPED_BYTES] = self.size_bytes
        self.base[SEED] = int.from_bytes(urandom(WORD), "little")
        self.base[STRIPES] = self.layout.stripe_count
        self.base[SETS] = self.layout.set_count
        mappings.add(self)

    def __dealloc__(self):
        if self.process.lock_file >= 0:
            close(self.process.lock_file)
        if self.base != NULL:
            munmap(self.base, self.size_bytes)

    def __reduce__(self):
        raise TypeError("shared memory is inherited by a fork, and in no other way")

    def attach(self):
        cdef uint64_t slot, incarnation
        self.counters.attach()
        if self.process.mark != 0:
            return True
        for slot in range(<uint64_t>OWNERS):
            if not claim_slot(self.process.lock_file, slot):
                continue
            # The claim makes us the only writer of this word.
            incarnation = load_relaxed(&self.process.incarnations[slot]) + 1
            # Pairs with the load in is_dead().
            store_release(&self.process.incarnations[slot], incarnation)
            self.process.mark = (
                1
                | (slot << SLOT_SHIFT)
                | ((incarnation & INCARNATION_MASK) << INCARNATION_SHIFT)
            )
            return True
        return False

    @property
    def attached(self):
        return self.process.mark != 0
