# Instants as text, as talos/domain/timestamps.py prints them (contract 2.4).

cdef enum:
    NANOSECONDS = 1_000_000_000
    SECONDS_A_DAY = 86_400
    # 2026-01-02T03:04:05.123456789Z
    INSTANT_MAX = 30


cdef uint8_t* put_digits(uint8_t* out, uint64_t number, int count) noexcept nogil:
    """Write the last ``count`` digits of a number."""
    cdef int i
    for i in range(count):
        out[count - 1 - i] = <uint8_t>(c"0" + number % 10)
        number //= 10
    return out + count


cdef uint8_t* put_instant(uint8_t* out, uint64_t second, uint64_t nanosecond) noexcept nogil:
    """Write an instant since 1970, before the year 10000, with 0, 3, 6 or 9 digits of a fraction.

    The calendar is counted in eras of 400 years, the years of which begin in March: so a leap day
    is the last day of its year, and the lengths of the months before it follow one line.
    """
    cdef uint64_t of_day = second % SECONDS_A_DAY
    # Days since 0000-03-01, and of the era.
    cdef uint64_t days = second // SECONDS_A_DAY + 719_468
    cdef uint64_t day = days % 146_097
    cdef uint64_t year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    cdef uint64_t month
    day -= 365 * year + year // 4 - year // 100
    year += days // 146_097 * 400
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    if month < 10:
        month += 3
    else:
        month -= 9
        year += 1
    out = put_digits(out, year, 4)
    out[0] = c"-"
    out = put_digits(out + 1, month, 2)
    out[0] = c"-"
    out = put_digits(out + 1, day + 1, 2)
    out[0] = c"T"
    out = put_digits(out + 1, of_day // 3_600, 2)
    out[0] = c":"
    out = put_digits(out + 1, of_day // 60 % 60, 2)
    out[0] = c":"
    out = put_digits(out + 1, of_day % 60, 2)
    if nanosecond:
        out[0] = c"."
        if nanosecond % 1_000_000 == 0:
            out = put_digits(out + 1, nanosecond // 1_000_000, 3)
        elif nanosecond % 1_000 == 0:
            out = put_digits(out + 1, nanosecond // 1_000, 6)
        else:
            out = put_digits(out + 1, nanosecond, 9)
    out[0] = c"Z"
    return out + 1
