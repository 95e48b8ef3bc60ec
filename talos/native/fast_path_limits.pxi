# Keys with a rate limit on the fast path (contract 6.7): a call is counted, and the published body gets
# the members that tell of it. Counting comes last, so nothing in here declines.

cdef enum:
    LIMIT_HEADERS_MAX = 256
    LIMIT_MEMBERS_MAX = 256

cdef bytes REFUSED = b'{"is_valid":false,'
cdef bytes REFUSAL = (
    b'"error_code":"VERIFICATION_ERROR_RATE_LIMITED","error_message":"rate limit exceeded",'
)


cdef bint limit_is_sound(const CachedEntry* entry) noexcept:
    """Whether the places lie inside the body, and the policy is one that ``limit_admit`` takes."""
    cdef uint64_t error = entry.gates[GATE_PLACES] >> 32
    cdef uint64_t left = <uint32_t>entry.gates[GATE_PLACES]
    return (
        <uint64_t>PyBytes_GET_SIZE(VALID) <= error <= left <= entry.length
        and 1 <= entry.gates[GATE_QUOTA] <= LARGEST_QUOTA
        and 1 <= entry.gates[GATE_WINDOW] <= LONGEST_WINDOW_S
    )


cdef limit_verdict admit(FastPath path, const CachedEntry* entry, limit_state* state) noexcept:
    """Count one call, under the name that the limiter has for the key's id as text."""
    cdef uint8_t text[HASH_TEXT]
    cdef uint8_t* end
    cdef const uint8_t* id = <const uint8_t*>&entry.key.words[2]
    if entry.key.kind == path.kind:
        end = put_uuid(text, id)
    else:
        end = put_hex(text, id, HASHED_NAME_BYTES)
    return limit_admit(
        &path.limits.table,
        path.limits.name_of(path.network.network_text, UUID_TEXT, text, <size_t>(end - text)),
        entry.gates[GATE_QUOTA],
        entry.gates[GATE_WINDOW],
        state,
    )


cdef uint8_t* verify_limited(
    FastPath path, const uint8_t* data, const Recognised* request, const CachedEntry* entry,
    int64_t now_ns, uint8_t* out
) except NULL:
    """Count a call, and write its answer: headers and members as of contract 6.7."""
    cdef uint8_t headers[LIMIT_HEADERS_MAX]
    cdef uint8_t members[LIMIT_MEMBERS_MAX]
    cdef uint8_t* header = headers
    cdef uint8_t* member = members
    cdef limit_state state
    cdef limit_verdict verdict = LIMIT_UNENFORCED
    cdef size_t error = entry.gates[GATE_PLACES] >> 32
    cdef size_t left = <uint32_t>entry.gates[GATE_PLACES]
    cdef size_t length = entry.length, skipped = 0
    cdef uint64_t nanosecond
    if path.network.limits_enabled and path.limits is not None:
        verdict = admit(path, entry, &state)
    header = put(header, b'\r\nRatelimit-Policy: "default";q=', 32)
    header = put_number(header, entry.gates[GATE_QUOTA])
    header = put(header, b";w=", 3)
    header = put_number(header, entry.gates[GATE_WINDOW])
    if verdict != LIMIT_UNENFORCED:
        header = put(header, b'\r\nRatelimit: "default";r=', 25)
        header = put_number(header, state.remaining)
        member = put(member, b'"rate_limit_remaining":"', 24)
        member = put_number(member, state.remaining)
        member = put(member, b'","rate_limit_reset_time":"', 27)
        nanosecond = <uint64_t>now_ns % NANOSECONDS + state.reset_after_ns % NANOSECONDS
        member = put_instant(
            member,
            <uint64_t>now_ns // NANOSECONDS + state.reset_after_ns // NANOSECONDS
            + nanosecond // NANOSECONDS,
            nanosecond % NANOSECONDS,
        )
        member = put(member, b'",', 2)
    if verdict == LIMIT_REFUSED:
        header = put(header, b"\r\nRetry-After: ", 15)
        header = put_number(header, max(<uint64_t>1, state.reset_after_ns // NANOSECONDS))
        skipped = <size_t>PyBytes_GET_SIZE(VALID)
        length += <size_t>(PyBytes_GET_SIZE(REFUSED) + PyBytes_GET_SIZE(REFUSAL)) - skipped
    if path.limits is not None:
        header = put(header, b"\r\nCache-Control: no-store", 25)
    length += <size_t>(member - members)
    out = path.put_head(
        path.head, data, request, length, out, headers, <size_t>(header - headers)
    )
    if verdict == LIMIT_REFUSED:
        out = put_bytes(out, REFUSED)
    out = put(out, entry.body + skipped, error - skipped)
    if verdict == LIMIT_REFUSED:
        out = put_bytes(out, REFUSAL)
    out = put(out, entry.body + error, left - error)
    out = put(out, members, <size_t>(member - members))
    return put(out, entry.body + left, entry.length - left)
