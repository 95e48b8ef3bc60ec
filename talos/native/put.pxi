# Writing the text of an answer: each function writes at ``out`` and returns where it ended. That
# there is room is the caller's to know.


cdef inline uint8_t* put(uint8_t* out, const void* data, size_t length) noexcept nogil:
    memcpy(out, data, length)
    return out + length


cdef inline uint8_t* put_bytes(uint8_t* out, bytes text) noexcept:
    return put(out, bytes_data(text), <size_t>PyBytes_GET_SIZE(text))


cdef uint8_t* put_uuid4(uint8_t* out, const uint8_t* random) noexcept nogil:
    """Format 16 random bytes as a version 4 UUID."""
    cdef uint8_t data[UUID_BYTES]
    memcpy(data, random, UUID_BYTES)
    data[6] = (data[6] & 0x0F) | 0x40
    data[8] = (data[8] & 0x3F) | 0x80
    return put_uuid(out, data)


cdef uint8_t* put_number(uint8_t* out, uint64_t number) noexcept nogil:
    cdef uint8_t digits[20]
    cdef int count = 0
    while True:
        digits[count] = <uint8_t> (c"0" + number % 10)
        number //= 10
        count += 1
        if number == 0:
            break
    while count:
        count -= 1
        out[0] = digits[count]
        out += 1
    return out
