/* XXH3 with a seed, 64 bits, as its specification defines it
 * (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
 *
 * For placing keys and for telling torn values, never for a secret. All integers of the algorithm are
 * little-endian, whatever the machine's are. Sums and products wrap, as those of unsigned words do.
 *
 * Texts of more than 240 bytes are summed up in eight lanes. Machines with SSE2 do two at a time; the
 * portable form does the same in plain C, and is compiled everywhere, so that tests see both.
 */
#ifndef TALOS_XXH3_H
#define TALOS_XXH3_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define XXH3_P32_1 UINT64_C(0x9E3779B1)
#define XXH3_P32_2 UINT64_C(0x85EBCA77)
#define XXH3_P32_3 UINT64_C(0xC2B2AE3D)
#define XXH3_P64_1 UINT64_C(0x9E3779B185EBCA87)
#define XXH3_P64_2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define XXH3_P64_3 UINT64_C(0x165667B19E3779F9)
#define XXH3_P64_4 UINT64_C(0x85EBCA77C2B2AE63)
#define XXH3_P64_5 UINT64_C(0x27D4EB2F165667C5)
#define XXH3_MIX_1 UINT64_C(0x165667919E3779F9)
#define XXH3_MIX_2 UINT64_C(0x9FB21C651E98DF25)

enum {
    XXH3_SECRET_BYTES = 192,
    XXH3_STRIPE_BYTES = 64,
    XXH3_LANES = 8,
    /* Each stripe of a block goes eight bytes further in the secret. */
    XXH3_BLOCK_STRIPES = (XXH3_SECRET_BYTES - XXH3_STRIPE_BYTES) / 8,
    XXH3_LONGEST_MIDDLE = 240,
};

/* The default secret. */
static const uint8_t xxh3_secret[XXH3_SECRET_BYTES] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static inline uint64_t xxh3_load64(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint64_t xxh3_load32(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static inline void xxh3_store64(uint8_t *bytes, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(bytes, &word, sizeof word);
}

static inline uint64_t xxh3_rotated(uint64_t word, int bits)
{
    return (word << bits) | (word >> (64 - bits));
}

/* The two halves of a product, one over the other. */
static inline uint64_t xxh3_folded(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t xxh3_avalanche(uint64_t hash)
{
    hash = (hash ^ (hash >> 37)) * XXH3_MIX_1;
    return hash ^ (hash >> 32);
}

/* The one of XXH64. */
static inline uint64_t xxh3_avalanche_64(uint64_t hash)
{
    hash = (hash ^ (hash >> 33)) * XXH3_P64_2;
    hash = (hash ^ (hash >> 29)) * XXH3_P64_3;
    return hash ^ (hash >> 32);
}

/* ---- up to 16 bytes --------------------------------------------------------------------------- */

static inline uint64_t xxh3_1_to_3(const uint8_t *data, size_t length, uint64_t seed)
{
    uint64_t combined = ((uint64_t)data[0] << 16) | ((uint64_t)data[length >> 1] << 24) |
                        (uint64_t)data[length - 1] | ((uint64_t)length << 8);
    uint64_t flip = (xxh3_load32(xxh3_secret) ^ xxh3_load32(xxh3_secret + 4)) + seed;

    return xxh3_avalanche_64(combined ^ flip);
}

static inline uint64_t xxh3_4_to_8(const uint8_t *data, size_t length, uint64_t seed)
{
    uint64_t flip = xxh3_load64(xxh3_secret + 8) ^ xxh3_load64(xxh3_secret + 16);
    uint64_t hash;

    seed ^= (uint64_t)__builtin_bswap32((uint32_t)seed) << 32;
    hash = xxh3_load32(data + length - 4) + (xxh3_load32(data) << 32);
    hash ^= flip - seed;
    hash ^= xxh3_rotated(hash, 49) ^ xxh3_rotated(hash, 24);
    hash *= XXH3_MIX_2;
    hash ^= (hash >> 35) + length;
    hash *= XXH3_MIX_2;
    return hash ^ (hash >> 28);
}

static inline uint64_t xxh3_9_to_16(const uint8_t *data, size_t length, uint64_t seed)
{
    uint64_t low_flip = (xxh3_load64(xxh3_secret + 24) ^ xxh3_load64(xxh3_secret + 32)) + seed;
    uint64_t high_flip = (xxh3_load64(xxh3_secret + 40) ^ xxh3_load64(xxh3_secret + 48)) - seed;
    uint64_t low = xxh3_load64(data) ^ low_flip;
    uint64_t high = xxh3_load64(data + length - 8) ^ high_flip;

    return xxh3_avalanche(length + __builtin_bswap64(low) + high + xxh3_folded(low, high));
}

static inline uint64_t xxh3_0_to_16(const uint8_t *data, size_t length, uint64_t seed)
{
    if (length > 8)
        return xxh3_9_to_16(data, length, seed);
    if (length >= 4)
        return xxh3_4_to_8(data, length, seed);
    if (length > 0)
        return xxh3_1_to_3(data, length, seed);
    return xxh3_avalanche_64(seed ^ xxh3_load64(xxh3_secret + 56) ^ xxh3_load64(xxh3_secret + 64));
}

/* ---- 17 to 240 bytes -------------------------------------------------------------------------- */

/* 16 bytes, under the secret at an offset. */
static inline uint64_t xxh3_mixed(const uint8_t *data, size_t offset, uint64_t seed)
{
    return xxh3_folded(
        xxh3_load64(data) ^ (xxh3_load64(xxh3_secret + offset) + seed),
        xxh3_load64(data + 8) ^ (xxh3_load64(xxh3_secret + offset + 8) - seed));
}

/* From both ends towards the middle, where pieces may overlap. */
static inline uint64_t xxh3_17_to_128(const uint8_t *data, size_t length, uint64_t seed)
{
    const uint8_t *end = data + length;
    uint64_t sum = length * XXH3_P64_1;

    if (length > 32) {
        if (length > 64) {
            if (length > 96) {
                sum += xxh3_mixed(data + 48, 96, seed);
                sum += xxh3_mixed(end - 64, 112, seed);
            }
            sum += xxh3_mixed(data + 32, 64, seed);
            sum += xxh3_mixed(end - 48, 80, seed);
        }
        sum += xxh3_mixed(data + 16, 32, seed);
        sum += xxh3_mixed(end - 32, 48, seed);
    }
    sum += xxh3_mixed(data, 0, seed);
    sum += xxh3_mixed(end - 16, 16, seed);
    return xxh3_avalanche(sum);
}

/* Forwards; past the first 128 bytes the secret begins again, three bytes further. */
static inline uint64_t xxh3_129_to_240(const uint8_t *data, size_t length, uint64_t seed)
{
    size_t piece, pieces = length / 16;
    uint64_t sum = length * XXH3_P64_1;
    /* The secret's last 16 bytes but for one, as if it had the 136 that the shortest one has. */
    uint64_t rest = xxh3_mixed(data + length - 16, 136 - 17, seed);

    sum += xxh3_mixed(data, 0, seed);
    sum += xxh3_mixed(data + 16, 16, seed);
    sum += xxh3_mixed(data + 32, 32, seed);
    sum += xxh3_mixed(data + 48, 48, seed);
    sum += xxh3_mixed(data + 64, 64, seed);
    sum += xxh3_mixed(data + 80, 80, seed);
    sum += xxh3_mixed(data + 96, 96, seed);
    sum += xxh3_mixed(data + 112, 112, seed);
    for (piece = 8; piece < pieces; piece++)
        rest += xxh3_mixed(data + 16 * piece, 16 * (piece - 8) + 3, seed);
    return xxh3_avalanche(xxh3_avalanche(sum) + rest);
}

/* ---- more than 240 bytes ---------------------------------------------------------------------- */

/* Add a stripe of the text to the lanes. */
static inline void xxh3_add_portable(uint64_t *lanes, const uint8_t *stripe, const uint8_t *secret)
{
    for (size_t i = 0; i < XXH3_LANES; i++) {
        uint64_t word = xxh3_load64(stripe + 8 * i);
        uint64_t keyed = word ^ xxh3_load64(secret + 8 * i);
        lanes[i ^ 1] += word;
        lanes[i] += (keyed & 0xFFFFFFFF) * (keyed >> 32);
    }
}

/* Stir the lanes behind a block. */
static inline void xxh3_scramble_portable(uint64_t *lanes, const uint8_t *secret)
{
    for (size_t i = 0; i < XXH3_LANES; i++) {
        uint64_t lane = lanes[i];
        lane ^= lane >> 47;
        lane ^= xxh3_load64(secret + 8 * i);
        lanes[i] = lane * XXH3_P32_1;
    }
}

/* Defines a function that adds a whole text, for either form of the lanes. The last stripe overlaps
 * the one before it where the length is no multiple of a stripe's. */
#define XXH3_SUM_UP(name, lane_type, add, scramble)                                                 \
    static inline void name(lane_type *lanes, const uint8_t *data, size_t length,                   \
                            const uint8_t *secret)                                                  \
    {                                                                                               \
        const uint8_t *last = data + length - XXH3_STRIPE_BYTES;                                    \
        size_t stripe, stripes = (length - 1) / XXH3_STRIPE_BYTES;                                  \
                                                                                                    \
        for (; stripes >= XXH3_BLOCK_STRIPES; stripes -= XXH3_BLOCK_STRIPES) {                      \
            for (stripe = 0; stripe < XXH3_BLOCK_STRIPES; stripe++) {                               \
                add(lanes, data, secret + 8 * stripe);                                              \
                data += XXH3_STRIPE_BYTES;                                                          \
            }                                                                                       \
            scramble(lanes, secret + XXH3_SECRET_BYTES - XXH3_STRIPE_BYTES);                        \
        }                                                                                           \
        for (stripe = 0; stripe < stripes; stripe++) {                                              \
            add(lanes, data, secret + 8 * stripe);                                                  \
            data += XXH3_STRIPE_BYTES;                                                              \
        }                                                                                           \
        add(lanes, last, secret + XXH3_SECRET_BYTES - XXH3_STRIPE_BYTES - 7);                       \
    }

XXH3_SUM_UP(xxh3_sum_up_portable, uint64_t, xxh3_add_portable, xxh3_scramble_portable)

#ifdef __SSE2__

static inline __m128i xxh3_load128(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

static inline __m128i xxh3_added_pair(__m128i lanes, const uint8_t *stripe, const uint8_t *secret)
{
    __m128i words = xxh3_load128(stripe);
    __m128i keyed = _mm_xor_si128(words, xxh3_load128(secret));
    __m128i high = _mm_srli_epi64(keyed, 32);
    __m128i crossed = _mm_shuffle_epi32(words, _MM_SHUFFLE(1, 0, 3, 2));

    return _mm_add_epi64(_mm_add_epi64(lanes, crossed), _mm_mul_epu32(keyed, high));
}

static inline __m128i xxh3_scrambled_pair(__m128i lanes, const uint8_t *secret)
{
    const __m128i prime = _mm_set1_epi32((int)XXH3_P32_1);
    __m128i stirred = _mm_xor_si128(lanes, _mm_srli_epi64(lanes, 47));
    __m128i keyed = _mm_xor_si128(stirred, xxh3_load128(secret));
    __m128i high = _mm_srli_epi64(keyed, 32);

    /* 64 by 32 bits, of the products of which only the lower 64 count. */
    return _mm_add_epi64(_mm_mul_epu32(keyed, prime),
                         _mm_slli_epi64(_mm_mul_epu32(high, prime), 32));
}

/* Written out: then the lanes stay in registers. */
static inline void xxh3_add_sse2(__m128i *lanes, const uint8_t *stripe, const uint8_t *secret)
{
    lanes[0] = xxh3_added_pair(lanes[0], stripe, secret);
    lanes[1] = xxh3_added_pair(lanes[1], stripe + 16, secret + 16);
    lanes[2] = xxh3_added_pair(lanes[2], stripe + 32, secret + 32);
    lanes[3] = xxh3_added_pair(lanes[3], stripe + 48, secret + 48);
}

static inline void xxh3_scramble_sse2(__m128i *lanes, const uint8_t *secret)
{
    lanes[0] = xxh3_scrambled_pair(lanes[0], secret);
    lanes[1] = xxh3_scrambled_pair(lanes[1], secret + 16);
    lanes[2] = xxh3_scrambled_pair(lanes[2], secret + 32);
    lanes[3] = xxh3_scrambled_pair(lanes[3], secret + 48);
}

XXH3_SUM_UP(xxh3_sum_up_sse2, __m128i, xxh3_add_sse2, xxh3_scramble_sse2)

#endif

/* The lanes of a text, of either form. */
static inline void xxh3_sum_up(uint64_t *lanes, const uint8_t *data, size_t length,
                               const uint8_t *secret, int portable)
{
#ifdef __SSE2__
    if (!portable) {
        __m128i pairs[XXH3_LANES / 2];
        memcpy(pairs, lanes, sizeof pairs);
        xxh3_sum_up_sse2(pairs, data, length, secret);
        memcpy(lanes, pairs, sizeof pairs);
        return;
    }
#endif
    (void)portable;
    xxh3_sum_up_portable(lanes, data, length, secret);
}

__attribute__((always_inline)) static inline uint64_t xxh3_long_form(const uint8_t *data,
                                                                     size_t length, uint64_t seed,
                                                                     int portable)
{
    uint64_t lanes[XXH3_LANES] = {
        XXH3_P32_3, XXH3_P64_1, XXH3_P64_2, XXH3_P64_3,
        XXH3_P64_4, XXH3_P32_2, XXH3_P64_5, XXH3_P32_1,
    };
    uint8_t secret[XXH3_SECRET_BYTES];
    uint64_t sum = length * XXH3_P64_1;

    for (size_t i = 0; i < XXH3_SECRET_BYTES; i += 16) {
        xxh3_store64(secret + i, xxh3_load64(xxh3_secret + i) + seed);
        xxh3_store64(secret + i + 8, xxh3_load64(xxh3_secret + i + 8) - seed);
    }
    xxh3_sum_up(lanes, data, length, secret, portable);
    for (size_t i = 0; i < XXH3_LANES; i += 2)
        sum += xxh3_folded(lanes[i] ^ xxh3_load64(secret + 11 + 8 * i),
                           lanes[i + 1] ^ xxh3_load64(secret + 11 + 8 * i + 8));
    return xxh3_avalanche(sum);
}

/* Not inline: a call costs nothing beside it. */
__attribute__((noinline, unused)) static uint64_t xxh3_long(const uint8_t *data, size_t length,
                                                            uint64_t seed)
{
    return xxh3_long_form(data, length, seed, 0);
}

__attribute__((noinline, unused)) static uint64_t xxh3_long_portable(const uint8_t *data,
                                                                     size_t length, uint64_t seed)
{
    return xxh3_long_form(data, length, seed, 1);
}

/* The hash of `length` bytes. */
static inline uint64_t talos_xxh3(const void *data, size_t length, uint64_t seed)
{
    if (length <= 16)
        return xxh3_0_to_16(data, length, seed);
    if (length <= 128)
        return xxh3_17_to_128(data, length, seed);
    if (length <= XXH3_LONGEST_MIDDLE)
        return xxh3_129_to_240(data, length, seed);
    return xxh3_long(data, length, seed);
}

/* The same without instructions of one kind of machine. */
static inline uint64_t talos_xxh3_portable(const void *data, size_t length, uint64_t seed)
{
    return length <= XXH3_LONGEST_MIDDLE ? talos_xxh3(data, length, seed)
                                         : xxh3_long_portable(data, length, seed);
}

#endif
