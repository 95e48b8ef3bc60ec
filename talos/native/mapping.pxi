# Memory that processes share because they were forked after it was made, and what goes with it: the
# atomics, and the claims by which a process has a slot of such a mapping for itself.

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
    WORD = 8
    # Processes that may write at one time; two generations of workers overlap in a restart.
    OWNERS = 256


cdef uint64_t* map_shared(uint64_t size_bytes) except NULL:
    """Memory full of zeros that this process will share with its children, and theirs."""
    cdef void* mapped = mmap(
        NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0
    )
    if mapped == MAP_FAILED:
        raise OSError(errno, (<bytes>strerror(errno)).decode())
    return <uint64_t*>mapped


cdef int file_without_name() except -1:
    """A file for the claims of owners, in memory where the system has such a thing."""
    import os
    import tempfile

    if hasattr(os, "memfd_create"):
        return os.memfd_create("talos-owners", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
