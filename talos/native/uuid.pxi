# UUIDs and other identifiers in hexadecimal: text to bytes, and back.

cdef enum:
    UUID_TEXT = 36
    UUID_BYTES = 16
    # What the digits of a text have in them beyond their values.
    HEX_CAPITAL = 0x10
    HEX_STRANGE = 0x80
    HEX_VALUE_BITS = 0x0F

cdef const char* HEX_DIGITS = b"0123456789abcdef"
# The value of every byte as a digit, with HEX_CAPITAL; HEX_STRANGE where it is none.
cdef uint8_t HEX_VALUE[256]
# The two digits of every byte.
cdef uint8_t HEX_PAIR[256][2]


cdef void fill_hex_tables() noexcept:
    cdef int i
    memset(HEX_VALUE, HEX_STRANGE, sizeof(HEX_VALUE))
    for i in range(16):
        HEX_VALUE[<uint8_t>HEX_DIGITS[i]] = <uint8_t>i
    for i in range(10, 16):
        HEX_VALUE[<uint8_t>HEX_DIGITS[i] - 32] = <uint8_t>(HEX_CAPITAL | i)
    for i in range(256):
        HEX_PAIR[i][0] = <uint8_t>HEX_DIGITS[i >> 4]
        HEX_PAIR[i][1] = <uint8_t>HEX_DIGITS[i & 15]


fill_hex_tables()


cdef inline uint8_t hex_bytes(const uint8_t* text, int count, uint8_t* out) noexcept nogil:
    """Two digits for each of ``count`` bytes; returns what they have in them."""
    cdef uint8_t found = 0, high, low
    cdef int i
    for i in range(count):
        high = HEX_VALUE[text[2 * i]]
        low = HEX_VALUE[text[2 * i + 1]]
        found |= high | low
        out[i] = <uint8_t>(high << 4) | (low & HEX_VALUE_BITS)
    return found & (HEX_CAPITAL | HEX_STRANGE)


cdef inline uint8_t hyphenated_bytes(const uint8_t* text, uint8_t* out) noexcept nogil:
    """As ``hex_bytes``, of ``UUID_TEXT`` characters with hyphens at 8, 13, 18 and 23."""
    cdef uint8_t found = (
        hex_bytes(text, 4, out) | hex_bytes(text + 9, 2, out + 4)
        | hex_bytes(text + 14, 2, out + 6) | hex_bytes(text + 19, 2, out + 8)
        | hex_bytes(text + 24, 6, out + 10)
    )
    if not text[8] == text[13] == text[18] == text[23] == c"-":
        found |= HEX_STRANGE
    return found


cdef bint uuid_bytes(const uint8_t* text, Py_ssize_t length, uint8_t* out) noexcept nogil:
    """The one canonical spelling only: lower case, with hyphens."""
    return length == UUID_TEXT and hyphenated_bytes(text, out) == 0


cdef bint parse_uuid(const uint8_t* text, Py_ssize_t length, uint8_t* out) noexcept nogil:
    """Writes ``UUID_BYTES`` bytes. Any version, any variant.

    The spellings are those of the reference's UUID library: hyphenated or bare, either one also
    between braces or after ``urn:uuid:``, which must be in lower case.
    """
    if (length == 45 or length == 41) and memcmp(text, b"urn:uuid:", 9) == 0:
        text += 9
        length -= 9
    elif (length == 38 or length == 34) and text[0] == c"{" and text[length - 1] == c"}":
        text += 1
        length -= 2
    if length == UUID_TEXT:
        return not hyphenated_bytes(text, out) & HEX_STRANGE
    return length == 2 * UUID_BYTES and not hex_bytes(text, UUID_BYTES, out) & HEX_STRANGE


cdef inline uint8_t* put_hex(uint8_t* out, const uint8_t* data, int count) noexcept nogil:
    cdef int i
    for i in range(count):
        memcpy(out + 2 * i, HEX_PAIR[data[i]], 2)
    return out + 2 * count


cdef uint8_t* put_uuid(uint8_t* out, const uint8_t* data) noexcept nogil:
    """Write the canonical spelling of ``UUID_BYTES`` bytes; return the position behind it."""
    cdef int group
    out = put_hex(out, data, 4)
    for group in range(3):
        out[0] = c"-"
        out = put_hex(out + 1, data + 4 + 2 * group, 2)
    out[0] = c"-"
    return put_hex(out + 1, data + 10, 6)
