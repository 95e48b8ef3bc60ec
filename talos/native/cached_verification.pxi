# What is published for a key or an authentic token: gates that the fast path reads, the body as it is sent,
# and a tail that only others read. docs/shared-memory.md has the layout.

cdef enum:
    # Words of a payload's gates. Behind them lie the body and the tail.
    GATE_SHAPE = 0               # layout << 56 | mark << 32 | bytes of the body
    GATE_GENERATION = 1
    GATE_EXPIRES = 2             # the last instant at which it may be told, ns
    GATE_PUBLISHED = 3           # of a key: when, ns; it is told for cache.ttl from then on
    GATE_BEGINS = 3              # of a token, ns; before it, no more than the skew of clocks
    GATE_WORDS = 4
    # Only of a key with a rate limit:
    GATE_QUOTA = 4
    GATE_WINDOW = 5              # s
    GATE_PLACES = 6              # in the body: of an error << 32 | of what is left of the limit
    LIMITED_GATE_WORDS = 7
    GATE_LAYOUT = 2
    # Marks: how it may be answered for.
    MARK_DECLINED = 0
    MARK_PLAIN = 1
    MARK_LIMITED = 2
    MARK_TOKEN = 3

cdef int64_t FOREVER_NS = 0x7FFFFFFFFFFFFFFF
cdef bytes VALID = b'{"is_valid":true,'


cdef inline uint64_t gate_shape(uint64_t mark, uint64_t body_bytes) noexcept nogil:
    return (<uint64_t>GATE_LAYOUT << 56) | (mark << 32) | body_bytes


cdef inline uint64_t gate_mark(uint64_t shape) noexcept nogil:
    return (shape >> 32) & 0xFF


cdef inline uint64_t gate_words(uint64_t mark) noexcept nogil:
    return LIMITED_GATE_WORDS if mark == MARK_LIMITED else GATE_WORDS


cdef int64_t end_ns(object ends) except? -1:
    """An end of validity as a word: None, and what is beyond 64 bits, is forever."""
    return FOREVER_NS if ends is None or ends > FOREVER_NS else ends


cdef uint64_t member_places(bytes body) except? 0:
    """Where an answer tells of a refusal and of the limit's state; 0 where that is not to be seen.

    What comes behind the policy is of the server's own making: numbers, and names of enumerations.
    So the last text that looks like a member is that member, whatever metadata may hold.
    """
    cdef Py_ssize_t error, state
    state = body.rfind(b',"visibility":"')
    error = body.rfind(b',"rate_limit_policy":{"', 0, max(state, 0))
    if error < 0 or not body.startswith(VALID):
        return 0
    return <uint64_t>(error + 1) << 32 | <uint64_t>(state + 1)


def pack_answer(
    bytes body not None, bytes tail not None, *, uint64_t generation, expires_at_ns, bint plain,
    tuple limit=None, begins_at_ns=None, published_at_ns=None
):
    cdef uint64_t gates[LIMITED_GATE_WORDS]
    cdef uint64_t mark = MARK_PLAIN if plain else MARK_DECLINED
    if limit is not None and begins_at_ns is not None:
        raise ValueError("a token has no limit of its own")
    # Without an instant of its own, as a proof, it does not age.
    gates[GATE_PUBLISHED] = <uint64_t>end_ns(published_at_ns)
    if plain and begins_at_ns is not None:
        mark = MARK_TOKEN
        gates[GATE_BEGINS] = <uint64_t>end_ns(max(begins_at_ns, 0))
    if plain and limit is not None:
        quota, window_s = limit
        mark = MARK_DECLINED
        if 1 <= quota <= LARGEST_QUOTA and 1 <= window_s <= LONGEST_WINDOW_S:
            gates[GATE_QUOTA] = quota
            gates[GATE_WINDOW] = window_s
            gates[GATE_PLACES] = member_places(body)
            if gates[GATE_PLACES] != 0:
                mark = MARK_LIMITED
    gates[GATE_SHAPE] = gate_shape(mark, <uint64_t>PyBytes_GET_SIZE(body))
    gates[GATE_GENERATION] = generation
    gates[GATE_EXPIRES] = <uint64_t>end_ns(expires_at_ns)
    return (
        PyBytes_FromStringAndSize(<char*>gates, <Py_ssize_t>(gate_words(mark) * WORD)) + body + tail
    )


def unpack_answer(bytes payload not None):
    cdef uint64_t shape, begin, body
    cdef uint64_t length = <uint64_t>PyBytes_GET_SIZE(payload)
    if length < WORD:
        return None
    memcpy(&shape, PyBytes_AS_STRING(payload), WORD)
    begin = gate_words(gate_mark(shape)) * WORD
    body = <uint32_t>shape
    if shape >> 56 != GATE_LAYOUT or length < begin or body > length - begin:
        return None
    return payload[begin : begin + body], payload[begin + body :]
