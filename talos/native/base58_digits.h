/* Base58 to bytes. Ten digits enter at a time, because 58**10 is the largest power of 58 below 2**64:
 * one multiplication of a 64-bit limb does the work of ten. */
#ifndef TALOS_BASE58_DIGITS_H
#define TALOS_BASE58_DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    BASE58_MAX_TEXT = 1399,
    BASE58_DECODE_LIMBS = 129, /* ceil(1399 * log2(58) / 64) */
    BASE58_HALF = 5,
    BASE58_HALF_SCALE = 656356768, /* 58 ** 5 */
    BASE58_GROUP = 2 * BASE58_HALF,
};

__extension__ typedef unsigned __int128 base58_wide;

static inline uint64_t base58_powers(ptrdiff_t digits) {
    uint64_t scale = 1;
    while (digits-- > 0) {
        scale *= 58;
    }
    return scale;
}

/* Five digits as a number. `strange` becomes negative if one of them is none. */
static inline uint64_t base58_half(const uint8_t *text, const int8_t *values, int *strange) {
    int a = values[text[0]], b = values[text[1]], c = values[text[2]];
    int d = values[text[3]], e = values[text[4]];
    *strange |= a | b | c | d | e;
    /* Pairs first: the multiplications of one pair need not wait for those of another. */
    return (uint64_t)((int64_t)(a * 58 + b) * (58 * 58 * 58) + (c * 58 + d) * 58 + e);
}

/* The number of bytes written to `out`, or -1: not Base58, or more than `capacity` bytes. `values`
 * has the value of every byte as a digit, -1 where it is none; `length` is at most BASE58_MAX_TEXT. */
static inline ptrdiff_t base58_decode_digits(const uint8_t *text, ptrdiff_t length, uint8_t *out,
                                             ptrdiff_t capacity, const int8_t *values) {
    uint64_t limbs[BASE58_DECODE_LIMBS];
    ptrdiff_t used = 0, zeros = 0;
    int strange = 0;

    while (zeros < length && text[zeros] == '1') {
        zeros++;
    }
    ptrdiff_t at = zeros;
    while (at < length) {
        uint64_t carry = 0, scale;
        if (length - at >= BASE58_GROUP) {
            carry = base58_half(text + at, values, &strange) * BASE58_HALF_SCALE +
                    base58_half(text + at + BASE58_HALF, values, &strange);
            scale = (uint64_t)BASE58_HALF_SCALE * BASE58_HALF_SCALE;
            at += BASE58_GROUP;
        } else {
            scale = base58_powers(length - at);
            for (; at < length; at++) {
                strange |= values[text[at]];
                carry = carry * 58 + (uint64_t)values[text[at]];
            }
        }
        if (strange < 0) {
            return -1;
        }
        /* carry < 58**10 < 2**59 here, and stays so: the largest sum is
         * (2**64 - 1) * 58**10 + 2**59 < 2**123, whose upper half is below 2**59. */
        for (ptrdiff_t i = 0; i < used; i++) {
            base58_wide sum = (base58_wide)limbs[i] * scale + carry;
            limbs[i] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        if (carry != 0) {
            if (used == BASE58_DECODE_LIMBS) {
                return -1;
            }
            limbs[used++] = carry;
        }
    }

    /* The top limb is never zero (only a carry that is not zero becomes one), so the number's length
     * is eight bytes for each limb, less the zero bytes at the very top. */
    ptrdiff_t size = zeros + 8 * used;
    if (used > 0) {
        size -= __builtin_clzll(limbs[used - 1]) / 8;
    }
    if (size > capacity) {
        return -1;
    }
    memset(out, 0, (size_t)zeros);
    if (used > 0) {
        /* The lowest limb ends the text, and the highest one gives what is left before the others. */
        uint8_t *place = out + size;
        for (ptrdiff_t i = 0; i < used - 1; i++) {
            uint64_t limb = limbs[i];
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            limb = __builtin_bswap64(limb);
#endif
            place -= sizeof limb;
            memcpy(place, &limb, sizeof limb);
        }
        for (uint64_t limb = limbs[used - 1]; limb != 0; limb >>= 8) {
            *--place = (uint8_t)limb;
        }
    }
    return size;
}

#endif
