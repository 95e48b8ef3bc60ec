# How much work a JSON text will be, told before a decoder is let at it: how many values it can hold at
# most, and how deep they are nested. One pass without the interpreter lock, so that a large body holds
# nobody up. Up to the first fault of syntax it sees strings as every decoder does; there they stop.

cdef enum:
    # Less is done before the lock could be taken back.
    EXTENT_UNLOCKED_BYTES = 16384


cdef void json_extent(
    const uint8_t* text, size_t size, size_t* values, size_t* depth
) noexcept nogil:
    cdef size_t at = 0, level = 0
    cdef uint8_t c
    values[0] = 1
    depth[0] = 0
    while at < size:
        c = text[at]
        at += 1
        if c == c'"':
            while at < size and text[at] != c'"':
                # Of an escape the second byte can be a quote; it may lie behind the end.
                at += 2 if text[at] == c"\\" else 1
            at += 1
        elif c == c",":
            values[0] += 1
        elif c == c"[" or c == c"{":
            values[0] += 1
            level += 1
            depth[0] = max(depth[0], level)
        elif c == c"]" or c == c"}":
            if level <= 1:
                return
            level -= 1


def measure_json(bytes text not None):
    cdef const uint8_t* data = bytes_data(text)
    cdef size_t size = <size_t>PyBytes_GET_SIZE(text)
    cdef size_t values, depth
    if size <= EXTENT_UNLOCKED_BYTES:
        json_extent(data, size, &values, &depth)
    else:
        with nogil:
            json_extent(data, size, &values, &depth)
    return values, depth
