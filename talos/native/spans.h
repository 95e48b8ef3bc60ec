/* How far a text goes on in bytes of one kind: eight bytes a step, without a branch for any of them.
 *
 * A word holds eight bytes, a byte a lane. With the top bit of each lane taken off, a sum with
 * 0x80 - n sets that bit again where the lane is n or more, and never reaches the next lane, since
 * 0x7f + 0x7f < 0x100. Lanes whose top bit was set to begin with are no member of any kind here.
 */
#ifndef TALOS_SPANS_H
#define TALOS_SPANS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TALOS_LANES(byte) ((uint64_t)(byte) * 0x0101010101010101u)

/* Eight bytes, the first one lowest. */
static inline uint64_t talos_word(const uint8_t *text) {
    uint64_t word;
    memcpy(&word, text, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The top bit of each lane: is it n or more? For lanes and n up to 0x7f. */
static inline uint64_t talos_at_least(uint64_t lanes, uint8_t n) {
    return lanes + TALOS_LANES(0x80 - n);
}

/* The top bit of each lane: is it a letter or digit of ASCII, or `other`, which is below 0x80? */
static inline uint64_t talos_alnum_lanes(uint64_t word, uint8_t other) {
    uint64_t low = word & TALOS_LANES(0x7f);
    uint64_t folded = low | TALOS_LANES(0x20);
    uint64_t letter = talos_at_least(folded, 'a') ^ talos_at_least(folded, 'z' + 1);
    uint64_t digit = talos_at_least(low, '0') ^ talos_at_least(low, '9' + 1);
    uint64_t differs = talos_at_least(low ^ TALOS_LANES(other), 1);
    return (letter | digit | ~differs) & ~word;
}

/* The top bit of each lane: is it a blank or a visible character of ASCII? */
static inline uint64_t talos_printable_lanes(uint64_t word) {
    uint64_t low = word & TALOS_LANES(0x7f);
    return talos_at_least(low, ' ') & ~talos_at_least(low, 0x7f) & ~word;
}

/* The same, but for the two characters that JSON text has a meaning for. */
static inline uint64_t talos_json_lanes(uint64_t word) {
    uint64_t low = word & TALOS_LANES(0x7f);
    return talos_printable_lanes(word) & talos_at_least(low ^ TALOS_LANES('"'), 1) &
           talos_at_least(low ^ TALOS_LANES('\\'), 1);
}

/* The length of the run of members that a text of `length` bytes begins with, where MEMBERS tells
 * the members of a word. The last word overlaps the one before it, whose bytes are all members; a
 * text that is shorter than a word is completed by zeros, which are members of no kind. */
#define TALOS_SPAN(text, length, MEMBERS)                                                           \
    size_t at = 0;                                                                                  \
    uint64_t others;                                                                                \
    if (length < 8) {                                                                               \
        uint64_t word = 0;                                                                          \
        for (size_t i = 0; i < length; i++) {                                                       \
            word |= (uint64_t)text[i] << 8 * i;                                                     \
        }                                                                                           \
        others = ~(MEMBERS) & TALOS_LANES(0x80);                                                    \
        return (size_t)__builtin_ctzll(others) / 8;                                                 \
    }                                                                                               \
    for (;;) {                                                                                      \
        uint64_t word = talos_word(text + at);                                                      \
        others = ~(MEMBERS) & TALOS_LANES(0x80);                                                    \
        if (others != 0) {                                                                          \
            return at + (size_t)__builtin_ctzll(others) / 8;                                        \
        }                                                                                           \
        if (at == length - 8) {                                                                     \
            return length;                                                                          \
        }                                                                                           \
        at = at + 16 <= length ? at + 8 : length - 8;                                               \
    }

/* Letters, digits and `other`, which is below 0x80 and not zero. */
static inline size_t talos_alnum_span(const uint8_t *text, size_t length, uint8_t other) {
    TALOS_SPAN(text, length, talos_alnum_lanes(word, other))
}

/* Blanks and visible characters that stand for themselves in a string of JSON. */
static inline size_t talos_json_span(const uint8_t *text, size_t length) {
    TALOS_SPAN(text, length, talos_json_lanes(word))
}

/* Blanks and visible characters. */
static inline size_t talos_printable_span(const uint8_t *text, size_t length) {
    TALOS_SPAN(text, length, talos_printable_lanes(word))
}

#endif
