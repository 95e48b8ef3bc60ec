# What the fast path counts: its answers, and each request that it leaves to the parser, by the reason.

from libc.string cimport memchr

cdef enum:
    COUNT_SINGLE = FAST_PATH_COUNTER
    COUNT_BATCHES
    COUNT_DECLINED               # and from here on, by the reason

cdef enum Decline:
    # Why a request is left to the parser. NOT_DECLINED: it was answered, or is not all there.
    NOT_DECLINED = -1
    DECLINED_OFF                 # the settings turn the fast path off
    DECLINED_OPERATION           # another operation than a verification
    DECLINED_FORM                # head or body are not as clients send them
    DECLINED_HOST                # nothing is answered under that host
    DECLINED_KIND                # batches, tokens or imported keys, where those are not answered
    DECLINED_CREDENTIAL          # not ours, too old, or of a prefix that is not accepted
    DECLINED_MISS                # nothing is published for it
    DECLINED_GATES               # published with gates that are not judged here: an address list
    DECLINED_STALE               # published under other settings or too long ago; ended, or not begun
    DECLINED_LIMIT               # a key with a rate limit, in a batch

# The names of these counters; the number of each is its place behind FAST_PATH_COUNTER.
FAST_PATH_COUNTERS = (
    "single", "batch",
    "declined_off", "declined_operation", "declined_form", "declined_host", "declined_kind",
    "declined_credential", "declined_miss", "declined_gates", "declined_stale", "declined_limit",
)
FIRST_FAST_PATH_COUNTER = FAST_PATH_COUNTER


cdef bint head_is_whole(const uint8_t* data, size_t size) noexcept:
    """Whether an empty line stands in ``data``."""
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + size
    while end - at >= 4:
        at = <const uint8_t*>memchr(at, c"\r", <size_t>(end - at - 3))
        if at == NULL:
            return False
        if memcmp(at, b"\r\n\r\n", 4) == 0:
            return True
        at += 1
    return False


cdef bint is_verification(const uint8_t* data, size_t size) noexcept:
    """Whether ``data`` begins with the request line of a verification, alone or of a batch."""
    return (
        size >= VERIFY_LINE_BYTES and memcmp(data, VERIFY_LINE, VERIFY_LINE_BYTES) == 0
    ) or (size >= BATCH_LINE_BYTES and memcmp(data, BATCH_LINE, BATCH_LINE_BYTES) == 0)
