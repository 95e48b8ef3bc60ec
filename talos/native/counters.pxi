# Counters of all processes of a host, in a mapping of their own: they are there cache or no cache, and
# what counts is not what is counted.
#
# Each process that counts has a slot, a line of words that it alone writes. The number of a counter is
# the sum over all slots. A process that ends leaves its numbers where they are, and the next one to
# take its slot counts on from them, so no sum ever goes back. docs/shared-memory.md draws it; what each
# counter is stands in talos/adapters/observability/counters.py.

cdef enum:
    # Of a slot: whole cache lines, so that no two processes write to the same one.
    LINE_WORDS = 8
    # The first counters are the core's own: those of KEY_CACHE_COUNTERS, then from here on those of
    # FAST_PATH_COUNTERS. Others begin behind these.
    FAST_PATH_COUNTER = 16
    CORE_COUNTERS_END = 40
    MOST_COUNTERS = 4096

FIRST_FREE_COUNTER = CORE_COUNTERS_END

cdef object counter_mappings = WeakSet()


cdef inline void count(uint64_t* own, uint64_t counter) noexcept nogil:
    """Add one to a counter of this process's slot; nothing where it has none.

    To be called with the interpreter lock: of a process, one thread at a time writes its slot.
    """
    if own != NULL:
        own += counter
        # Pairs with the load in Counters.read, which wants each number and no order among them.
        store_relaxed(own, load_relaxed(own) + 1)


cdef void forget_slots() noexcept:
    """A child is not its parent: until it attaches, it must not count in the parent's slot."""
    cdef Counters counters
    for counters in counter_mappings:
        counters.own = NULL


register_at_fork(after_in_child=lambda: forget_slots())


@cython.final
@cython.auto_pickle(False)
cdef class Counters:
    cdef uint64_t* base
    cdef uint64_t* own           # the slot of this process; NULL while it has none
    cdef uint64_t slot_words
    cdef uint64_t counters
    cdef int lock_file
    cdef object __weakref__

    def __cinit__(self, int counters):
        self.lock_file = -1
        if not CORE_COUNTERS_END <= counters <= MOST_COUNTERS:
            raise ValueError("there are 40 to 4096 counters")
        self.counters = <uint64_t>counters
        self.slot_words = (<uint64_t>counters + LINE_WORDS - 1) // LINE_WORDS * LINE_WORDS
        self.base = map_shared(OWNERS * self.slot_words * WORD)
        self.lock_file = file_without_name()
        counter_mappings.add(self)

    def __dealloc__(self):
        if self.lock_file >= 0:
            close(self.lock_file)
        if self.base != NULL:
            munmap(self.base, OWNERS * self.slot_words * WORD)

    def __reduce__(self):
        raise TypeError("counters are inherited by a fork, and in no other way")

    @property
    def size(self):
        return self.counters

    def attach(self):
        cdef uint64_t slot
        if self.own != NULL:
            return True
        for slot in range(<uint64_t>OWNERS):
            # The claim makes this process the only writer of the slot. What the one before it has
            # counted is seen: the kernel, which took the claim from the one, gave it to the other.
            if claim_slot(self.lock_file, slot):
                self.own = self.base + slot * self.slot_words
                return True
        return False

    @property
    def attached(self):
        return self.own != NULL

    def add(self, counter, uint64_t amount=1):
        cdef uint64_t index = self.index(counter)
        cdef uint64_t* word
        if self.own != NULL:
            word = self.own + index
            # As in count().
            store_relaxed(word, load_relaxed(word) + amount)

    def read(self, counter):
        cdef uint64_t slot, total = 0
        cdef uint64_t index = self.index(counter)
        for slot in range(<uint64_t>OWNERS):
            # Pairs with the stores of count() and add(). A word only grows, and so does a sum.
            total += load_relaxed(self.base + slot * self.slot_words + index)
        return total

    cdef uint64_t index(self, counter) except? -1:
        if not 0 <= counter < self.counters:
            raise IndexError("no such counter")
        return <uint64_t>counter
