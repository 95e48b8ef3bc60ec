# Batches on the fast path: all of one is answered, or it is declined (contract 4.15).

cdef uint8_t* verify_batch(
    FastPath path, const uint8_t* data, const Recognised* request, int64_t now_ns, uint8_t* out
) except? NULL:
    """As ``FastPath.verify``, for a batch. Its length stands before it, so it is moved behind its head."""
    cdef size_t credential, length, at
    cdef CachedEntry entry
    cdef uint8_t* results = out + HEAD_MAX
    cdef uint8_t* to = results
    cdef int items = 0
    if path.batch_head is None:
        path.declined = DECLINED_KIND
        return NULL
    at = begin_batch(data, request.body, request.end)
    to = put(to, b'{"results":[', 12)
    while True:
        at = match_credential(data, at, request.end, &credential, &length)
        if at > request.end or items == BATCH_MAX:
            path.declined = DECLINED_FORM
            return NULL
        # Without room it is for the next call, which begins with an empty buffer: that has room
        # for the largest batch.
        if to - path.out > OUT_BYTES - ITEM_MAX:
            return NULL
        if not path.find(data + credential, length, now_ns, &entry):
            return NULL
        if entry.mark == MARK_LIMITED:
            path.declined = DECLINED_LIMIT
            return NULL
        to = put(to, entry.body, entry.length)
        items += 1
        if not next_item(data, &at, request.end):
            break
        to = put(to, b",", 1)
    if end_batch(data, at, request.end) != request.end:
        path.declined = DECLINED_FORM
        return NULL
    to = put(to, b"]}", 2)
    length = <size_t>(to - results)
    out = path.put_head(path.batch_head, data, request, length, out, NULL, 0)
    memmove(out, results, length)
    return out + length
