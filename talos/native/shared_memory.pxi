# One mapping for all workers of a host: made empty before the fork, and never moved or grown.
# docs/shared-memory.md draws the layout; lay_out() below computes it.
#
#   header | incarnations | counters | holds | epochs | sets
#
# A process that writes sets or counts takes an owner slot after the fork. Reading, evicting and
# holding need none, so nothing that keeps an answer true can run out or be left behind.

from libc.errno cimport errno
from libc.string cimport strerror
from posix.mman cimport (
    MAP_ANONYMOUS,
    MAP_FAILED,
    MAP_SHARED,
    PROT_READ,
    PROT_WRITE,
    mmap,
    munmap,
)
from posix.unistd cimport close

from os import register_at_fork, urandom
from weakref import WeakSet

cdef extern from "atomics.h" nogil:
    uint64_t load_relaxed(const uint64_t* word)
    uint64_t load_acquire(const uint64_t* word)
    uint64_t load_seq_cst(const uint64_t* word)
    void store_relaxed(uint64_t* word, uint64_t value)
    void store_release(uint64_t* word, uint64_t value)
    uint64_t fetch_add_seq_cst(uint64_t* word, uint64_t value)
    uint64_t fetch_or_relaxed(uint64_t* word, uint64_t bits)
    bint compare_exchange_acq_rel(uint64_t* word, uint64_t expected, uint64_t desired)
    bint compare_exchange_seq_cst(uint64_t* word, uint64_t expected, uint64_t desired)
    void fence_acquire()
    void fence_release()
    void relax()

cdef extern from "process.h" nogil:
    bint claim_slot(int file, uint64_t slot)
    bint slot_is_claimed(int file, uint64_t slot)

cdef enum:
    LAYOUT_VERSION = 2
    WORD = 8
    PAGE_WORDS = 512
    # Words of the header.
    MAGIC = 0
    VERSION = 1
    MAPPED_BYTES = 2
    SEED = 3
    STRIPES = 4
    SETS = 5
    HEADER_WORDS = 256
    # Processes that may write at one time; two generations of workers overlap in a restart.
    OWNERS = 256
    # 64-bit counters of one owner. The first are the cache's own.
    COUNTERS = 64
    CACHE_COUNTERS = 16
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
    uint64_t counters
    uint64_t holds
    uint64_t epochs
    uint64_t sets
    uint64_t stripe_count
    uint64_t set_count


cdef struct Membership:
    # What this process is in the mapping.
    uint64_t* incarnations
    uint64_t* counters           # of this owner; NULL while not attached
    uint64_t mark                # 0 while not attached
    int lock_file


cdef uint64_t* map_shared(uint64_t size_bytes) except NULL:
    """Memory full of zeros that this process will share with its children, and theirs."""
    cdef void* mapped = mmap(
        NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0
    )
    if mapped == MAP_FAILED:
        raise OSError(errno, (<bytes>strerror(errno)).decode())
    return <uint64_t*>mapped


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
    layout.counters = layout.incarnations + OWNERS
    layout.holds = layout.counters + OWNERS * COUNTERS
    layout.epochs = layout.holds + HOLD_LINES * HOLDS
    layout.sets = layout.epochs + layout.stripe_count
    layout.sets += -layout.sets % <uint64_t>PAGE_WORDS
    return layout.sets * WORD + sets * SET_BYTES


cdef inline void count(Membership* process, uint64_t counter) noexcept nogil:
    """Add one. Only this process writes its counters: nothing comes between load and store."""
    cdef uint64_t* word = process.counters
    if word != NULL:
        word += counter
        # Pairs with nothing: readers of sums want each number, not an order among them.
        store_relaxed(word, load_relaxed(word) + 1)


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


cdef int file_without_name() except -1:
    """A file for the claims of owners, in memory where the system has such a thing."""
    import os
    import tempfile

    if hasattr(os, "memfd_create"):
        return os.memfd_create("talos-owners", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


cdef object mappings = WeakSet()


cdef void forget_owners() noexcept:
    """A child is not its parent: until it attaches, it must not write in the parent's name."""
    cdef SharedMemory memory
    for memory in mappings:
        memory.process.mark = 0
        memory.process.counters = NULL


register_at_fork(after_in_child=lambda: forget_owners())


@cython.final
@cython.auto_pickle(False)
cdef class SharedMemory:
    cdef uint64_t* base
    cdef Layout layout
    cdef Membership process
    cdef Xxh3 xxh3
    cdef readonly uint64_t size_bytes
    cdef object __weakref__

    def __cinit__(self, size_bytes, *, bint hash_in_python=False):
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
        self.process.incarnations = self.base + self.layout.incarnations
        self.xxh3 = xxh3_by_library
        if hash_in_python or self.xxh3 == NULL:
            self.xxh3 = xxh3_by_face
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
        if self.process.mark != 0:
            return True
        for slot in range(<uint64_t>OWNERS):
            if not claim_slot(self.process.lock_file, slot):
                continue
            # The claim makes us the only writer of this word and of the counters.
            incarnation = load_relaxed(&self.process.incarnations[slot]) + 1
            # Pairs with the load in is_dead().
            store_release(&self.process.incarnations[slot], incarnation)
            self.process.counters = self.base + self.layout.counters + slot * COUNTERS
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

    def add(self, counter, amount=1):
        cdef uint64_t index = self.own_counter(counter)
        cdef uint64_t* word
        if self.process.counters != NULL:
            word = self.process.counters + index
            store_relaxed(word, load_relaxed(word) + <uint64_t>amount)

    def counted(self, counter):
        return self.sum_of(self.own_counter(counter))

    cdef uint64_t own_counter(self, counter) except 0:
        """Where a counter lies that does not belong to the cache."""
        if not 0 <= counter < COUNTERS - CACHE_COUNTERS:
            raise IndexError("no such counter")
        return <uint64_t>counter + CACHE_COUNTERS

    cdef uint64_t sum_of(self, uint64_t index) noexcept nogil:
        """A counter over all owners, the dead included: a later owner of a slot counts on."""
        cdef uint64_t owner, total = 0
        for owner in range(<uint64_t>OWNERS):
            total += load_relaxed(
                self.base + self.layout.counters + owner * COUNTERS + index
            )
        return total
