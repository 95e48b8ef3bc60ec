# Which credentials the fast path takes for its own, under the settings that it was configured with.

cdef bint is_derived(FastPath path, const uint8_t* credential, size_t length) except -1:
    """Whether the credential is a derived token's (contract 5.6)."""
    cdef bytes beginning
    if jwt_shape(credential, <Py_ssize_t>length):
        return True
    for beginning in path.foreign:
        if (
            <size_t>PyBytes_GET_SIZE(beginning) <= length
            and memcmp(
                credential, bytes_data(beginning), <size_t>PyBytes_GET_SIZE(beginning)
            ) == 0
        ):
            return True
    return False


cdef bint accepted(
    FastPath path, const uint8_t* credential, size_t length, const IssuedShape* shape, int64_t now_ns
) except -1:
    """Steps 1 to 3 of the rules: ours, of an accepted age, under an accepted prefix."""
    cdef uint8_t claimed[DIGEST_SIZE]
    cdef uint8_t digest[DIGEST_SIZE]
    cdef const uint8_t* checksum = credential + shape.signed_length
    cdef Py_ssize_t checksum_length = <Py_ssize_t>length - shape.signed_length
    cdef int64_t age_ns
    cdef bint valid = False
    cdef Py_ssize_t index
    cdef KeyedHmac mac
    cdef bytes beginning
    # Bounded first, so that the nanoseconds below fit in a word.
    if not 0 <= shape.timestamp_s <= now_ns // NANOSECONDS + SKEW_MAX_S:
        return False
    if shape.timestamp_s > FOREVER_NS // NANOSECONDS:
        return False
    age_ns = now_ns - shape.timestamp_s * NANOSECONDS
    if age_ns < -path.skew_ns or (path.max_ttl_ns > 0 and age_ns > path.max_ttl_ns):
        return False
    for beginning in path.prefixes:
        if (
            PyBytes_GET_SIZE(beginning) == shape.prefix_length
            and memcmp(credential, bytes_data(beginning), <size_t>shape.prefix_length) == 0
        ):
            break
    else:
        return False
    if (
        checksum_length > DIGEST_TEXT_MAX
        or base58_decode_into(checksum, checksum_length, claimed, DIGEST_SIZE) != DIGEST_SIZE
    ):
        return False
    # No early way out: how long this takes does not tell which secret fitted.
    for index in range(len(path.macs)):
        if now_ns >= path.mac_ends[index]:
            continue
        mac = <KeyedHmac>path.macs[index]
        mac.digest_into(credential, <size_t>shape.signed_length, digest)
        valid |= talos_equal(digest, claimed, DIGEST_SIZE)
    return valid
