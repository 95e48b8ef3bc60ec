/* Comparison in time that depends on the length alone, never on the content. */

#ifndef TALOS_CONSTANT_TIME_H
#define TALOS_CONSTANT_TIME_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__GNUC__)
#error "the barrier below needs GCC or Clang"
#endif

/*
 * Tells the compiler that the value may have become anything. Without it, an optimiser is free to
 * see that the accumulated difference can only grow, and to leave the loop at the first one.
 */
#define TALOS_OPAQUE(value) __asm__ volatile("" : "+r"(value))

/*
 * 1 if the n bytes at a and b are equal, else 0. No branch and no address depends on the content.
 * memcpy is how C reads a word at any alignment without undefined behaviour; it compiles to a load.
 */
static inline int talos_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
    uint64_t difference = 0;

    while (n >= sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        difference |= x ^ y;
        TALOS_OPAQUE(difference);
        a += sizeof x;
        b += sizeof y;
        n -= sizeof x;
    }
    while (n > 0) {
        difference |= (uint64_t)(*a++ ^ *b++);
        TALOS_OPAQUE(difference);
        n--;
    }
    /* The top bit of (d | -d) is set exactly when d is not zero. Unsigned, so wrapping is defined. */
    return (int)(((difference | (0 - difference)) >> 63) ^ 1);
}

#endif
