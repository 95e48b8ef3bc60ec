# Base58 with the Bitcoin alphabet: a number in base 58, big-endian, with one leading "1" for every
# leading zero byte. Every byte string has exactly one text and every text over the alphabet exactly
# one byte string, so comparing texts and comparing bytes are the same thing.
#
# Numbers are held as little-endian arrays of limbs. base58_digits.h decodes. In encoding, digits leave
# five at a time, because 58**5 is the largest power of 58 below 2**32: one division does the work of
# five.

cdef extern from "base58_digits.h" nogil:
    enum:
        BASE58_MAX_TEXT
    Py_ssize_t base58_decode_digits(
        const uint8_t* text, Py_ssize_t length, uint8_t* out, Py_ssize_t capacity,
        const int8_t* values
    )

cdef enum:
    # The cost grows with the square of the length, so length is bounded. Keys need 60 bytes at most.
    BASE58_MAX_BYTES = 1024
    # ceil(1024 * 8 / log2(58**5))
    BASE58_ENCODE_LIMBS = 280
    BASE58_GROUP = 5
    # 58 ** 5
    BASE58_RADIX = 656356768

cdef const uint8_t* BASE58_ALPHABET = (
    <const uint8_t*>b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
)

# The value of every byte as a digit, -1 where it is none. Filled once, when the module is imported.
cdef int8_t BASE58_VALUE[256]


cdef void fill_base58_values() noexcept:
    cdef int digit
    memset(BASE58_VALUE, 0xFF, sizeof(BASE58_VALUE))
    for digit in range(58):
        BASE58_VALUE[BASE58_ALPHABET[digit]] = <int8_t>digit


fill_base58_values()


cdef Py_ssize_t base58_decode_into(
    const uint8_t* text, Py_ssize_t length, uint8_t* out, Py_ssize_t capacity
) noexcept nogil:
    """The number of bytes written to ``out``, or -1: not Base58, or more than ``capacity`` bytes."""
    return base58_decode_digits(text, length, out, capacity, BASE58_VALUE)


# cdivision: only unsigned numbers are divided, and only by constants that are not zero, so C's
# division is Python's, and Cython's test for a zero divisor has nothing to find.
@cython.cdivision(True)
cdef Py_ssize_t base58_encode_into(
    const uint8_t* data, Py_ssize_t length, uint8_t* out, Py_ssize_t capacity
) noexcept nogil:
    """The number of characters written to ``out``, or -1 if they are more than ``capacity``."""
    cdef uint32_t limbs[BASE58_ENCODE_LIMBS]
    cdef Py_ssize_t used = 0, zeros = 0, position, stop, i, size
    cdef uint64_t carry
    cdef uint32_t limb
    cdef int bits, place

    while zeros < length and data[zeros] == 0:
        zeros += 1

    position = zeros
    while position < length:
        stop = min(position + 4, length)
        carry = 0
        bits = 0
        while position < stop:
            carry = carry << 8 | data[position]
            bits += 8
            position += 1
        # With R = 58**5: limbs[i] <= R - 1 and carry <= 2**32 - 1, so the sum is below R * 2**32
        # (no overflow) and its quotient by R below 2**32 (the bound on carry holds again).
        for i in range(used):
            carry += <uint64_t>limbs[i] << bits
            limbs[i] = <uint32_t>(carry % BASE58_RADIX)
            carry //= BASE58_RADIX
        # One group of bytes can need two limbs, for 2**32 > R.
        while carry != 0:
            if used == BASE58_ENCODE_LIMBS:
                return -1
            limbs[used] = <uint32_t>(carry % BASE58_RADIX)
            carry //= BASE58_RADIX
            used += 1

    # Five digits for each limb, less the leading zero digits of the top one, which is not zero.
    size = zeros + BASE58_GROUP * used
    if used > 0:
        limb = limbs[used - 1]
        while limb < BASE58_RADIX // 58:
            limb *= 58
            size -= 1
    if size > capacity:
        return -1

    memset(out, c"1", <size_t>zeros)
    position = size
    for i in range(used):
        limb = limbs[i]
        for place in range(BASE58_GROUP):
            if position == zeros:
                break
            position -= 1
            out[position] = BASE58_ALPHABET[limb % 58]
            limb //= 58
    return size


def base58_encode(bytes data not None):
    cdef uint8_t text[BASE58_MAX_TEXT]
    cdef Py_ssize_t size
    if PyBytes_GET_SIZE(data) > BASE58_MAX_BYTES:
        raise ValueError(f"at most {BASE58_MAX_BYTES} bytes can be encoded")
    size = base58_encode_into(bytes_data(data), PyBytes_GET_SIZE(data), text, BASE58_MAX_TEXT)
    assert size >= 0, "the limits of the encoder do not fit each other"
    return PyUnicode_DecodeASCII(<const char*>text, size, NULL)


def base58_decode(str text not None):
    cdef uint8_t data[BASE58_MAX_BYTES]
    cdef Py_ssize_t length, size
    cdef const uint8_t* characters = ascii_data(text, &length)
    if characters == NULL:
        raise ValueError("not Base58")
    if length > BASE58_MAX_TEXT:
        raise ValueError(f"at most {BASE58_MAX_TEXT} characters can be decoded")
    size = base58_decode_into(characters, length, data, BASE58_MAX_BYTES)
    if size < 0:
        raise ValueError("not Base58")
    return PyBytes_FromStringAndSize(<const char*>data, size)
