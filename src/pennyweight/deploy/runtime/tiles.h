/* Sixteen filters at a time, of each of which four numbers lie side by side, at some pixels of the input at once. */
#ifndef TILES_H
#define TILES_H

#include <string.h>

#include "fixed_point.h"

#define PW_TILE 16

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#include <immintrin.h>
#define PW_VNNI
#define PW_TILE_PIXELS 4
#elif defined(__AVX2__)
#include <immintrin.h>
#define PW_TILE_PIXELS 2
#else
#define PW_TILE_PIXELS 4
#endif

/* Numbers have 128 added, so that they are not negative, as vector units of PCs multiply int8 by uint8. */
#define PW_TILE_ADDED 0x80u

PW_INLINE void pw_tile_numbers(uint8_t *target, const int8_t *source, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        target[i] = (uint8_t)((uint8_t)source[i] ^ PW_TILE_ADDED);
    }
}

/* Where the numbers of a window lie: `rows` of `columns` runs of `run` numbers. What follows a run, up to a multiple of
 * four, meets weights of 0. */
struct pw_runs {
    int32_t rows, columns, run, row_pitch, column_pitch;
};

/* The parameters of sixteen filters, of which `count` are there; `is_small` says that no shift is negative. */
struct pw_tile {
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
    int32_t count, is_small;
    struct pw_result result;
};

PW_INLINE int32_t pw_tile_is_small(const int8_t *shift)
{
    int32_t all = 0;
    for (int32_t i = 0; i < PW_TILE; i++) {
        all |= shift[i];
    }
    return all >= 0;
}

/* The sums of sixteen filters at a pixel. pw_tile_add adds what the next four weights of each make of the next four
 * numbers of each of some pixels, which lie `step` apart. */
#ifdef PW_VNNI

typedef __m512i pw_tile_sums;

PW_INLINE pw_tile_sums pw_tile_bias(const int32_t *bias)
{
    return _mm512_loadu_si512(bias);
}

PW_INLINE void pw_tile_add(pw_tile_sums *sums, const int8_t *weights, const uint8_t *numbers, int32_t step,
                           const int32_t pixels)
{
    __m512i w = _mm512_loadu_si512(weights);
    __asm__("" : "+v"(w)); /* else GCC loads it again for each pixel */
#pragma GCC unroll 4
    for (int32_t p = 0; p < pixels; p++) {
        int32_t four;
        memcpy(&four, numbers + p * step, sizeof four);
        sums[p] = _mm512_dpbusd_epi32(sums[p], _mm512_set1_epi32(four), w);
    }
}

PW_INLINE void pw_tile_each(pw_tile_sums sums, int32_t *each)
{
    _mm512_storeu_si512(each, sums);
}

#elif defined(__AVX2__)

/* Of each filter two parts, side by side. */
typedef struct {
    __m256i fours[4];
} pw_tile_sums;

PW_INLINE pw_tile_sums pw_tile_bias(const int32_t *bias)
{
    pw_tile_sums sums;
#pragma GCC unroll 4
    for (int32_t i = 0; i < 4; i++) {
        sums.fours[i] = _mm256_cvtepu32_epi64(_mm_loadu_si128((const void *)(bias + 4 * i)));
    }
    return sums;
}

PW_INLINE void pw_tile_add(pw_tile_sums *sums, const int8_t *weights, const uint8_t *numbers, int32_t step,
                           const int32_t pixels)
{
    __m256i x[PW_TILE_PIXELS];
#pragma GCC unroll 2
    for (int32_t p = 0; p < pixels; p++) {
        int32_t four;
        memcpy(&four, numbers + p * step, sizeof four);
        x[p] = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)));
    }
#pragma GCC unroll 4
    for (int32_t i = 0; i < 4; i++) {
        const __m256i w = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(weights + 16 * i)));
#pragma GCC unroll 2
        for (int32_t p = 0; p < pixels; p++) {
            sums[p].fours[i] = _mm256_add_epi32(sums[p].fours[i], _mm256_madd_epi16(x[p], w));
        }
    }
}

PW_INLINE void pw_tile_each(pw_tile_sums sums, int32_t *each)
{
#pragma GCC unroll 2
    for (int32_t i = 0; i < 2; i++) {
        const __m256i eight = _mm256_hadd_epi32(sums.fours[2 * i], sums.fours[2 * i + 1]);
        _mm256_storeu_si256((void *)(each + 8 * i), _mm256_permute4x64_epi64(eight, 0xD8));
    }
}

#else

/* Of each filter four parts, so that compilers make vectors of the loop; without signs, as what 128 adds may leave
 * int32 before the bias takes it back. */
typedef struct {
    uint32_t parts[4 * PW_TILE];
} pw_tile_sums;

PW_INLINE pw_tile_sums pw_tile_bias(const int32_t *bias)
{
    pw_tile_sums sums = {{0}};
    for (int32_t i = 0; i < PW_TILE; i++) {
        sums.parts[4 * i] = (uint32_t)bias[i];
    }
    return sums;
}

PW_INLINE void pw_tile_add(pw_tile_sums *sums, const int8_t *weights, const uint8_t *numbers, int32_t step,
                           const int32_t pixels)
{
    for (int32_t p = 0; p < pixels; p++) {
        uint8_t x[4 * PW_TILE];
        for (int32_t i = 0; i < PW_TILE; i++) {
            memcpy(x + 4 * i, numbers + p * step, 4);
        }
        for (int32_t i = 0; i < 4 * PW_TILE; i++) {
            sums[p].parts[i] += (uint32_t)(weights[i] * x[i]);
        }
    }
}

PW_INLINE void pw_tile_each(pw_tile_sums sums, int32_t *each)
{
    for (int32_t i = 0; i < PW_TILE; i++) {
        const uint32_t *const parts = sums.parts + 4 * i;
        each[i] = (int32_t)(parts[0] + parts[1] + parts[2] + parts[3]);
    }
}

#endif

/* The results of a tile at a pixel; no shift is negative. */
PW_INLINE void pw_tile_store(const struct pw_tile *tile, pw_tile_sums sums, int8_t *output)
{
#ifdef PW_VNNI
    const __m512i twice = _mm512_slli_epi32(sums, 1), factors = _mm512_loadu_si512(tile->multiplier);
    const __m512i half = _mm512_set1_epi64((int64_t)1 << 31);
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(twice, factors), half);
    const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(twice, 32), _mm512_srli_epi64(factors, 32));
    const __m512i shifts = _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)tile->shift));
    const __mmask16 some = (__mmask16)((1u << tile->count) - 1u);
    __m512i values = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), _mm512_add_epi64(odd, half));
    values = _mm512_add_epi32(values, _mm512_srai_epi32(values, 31));
    values = _mm512_srav_epi32(values, shifts);
    values = _mm512_srai_epi32(_mm512_add_epi32(values, _mm512_set1_epi32(1)), 1);
    values = _mm512_max_epi32(values, _mm512_set1_epi32(tile->result.least));
    values = _mm512_min_epi32(values, _mm512_set1_epi32(tile->result.greatest));
    values = _mm512_add_epi32(values, _mm512_set1_epi32(tile->result.zero_point));
    _mm512_mask_cvtepi32_storeu_epi8(output, some, values);
#else
    int32_t each[PW_TILE];
    int8_t results[PW_TILE];
    pw_tile_each(sums, each);
    for (int32_t i = 0; i < PW_TILE; i++) {
        const int32_t value = pw_high_multiply_doubled((int32_t)(2u * (uint32_t)each[i]), tile->multiplier[i]);
        results[i] = pw_clamp((((value + (value >> 31)) >> tile->shift[i]) + 1) >> 1, tile->result);
    }
    memcpy(output, results, (uint32_t)tile->count);
#endif
}

/* The same for any shift. */
static inline void pw_tile_store_any(const struct pw_tile *tile, pw_tile_sums sums, int8_t *output)
{
    int32_t each[PW_TILE];
    pw_tile_each(sums, each);
    for (int32_t i = 0; i < tile->count; i++) {
        output[i] = pw_clamp(pw_rescale_sum(each[i], tile->multiplier[i], tile->shift[i]), tile->result);
    }
}

/* The results of a tile at `pixels` pixels, a constant; their windows begin `step` apart, their results lie `apart`. */
PW_INLINE void pw_tile(const struct pw_tile *tile, const struct pw_runs *runs, const uint8_t *numbers, int32_t step,
                       int8_t *output, int32_t apart, const int32_t pixels)
{
    const int8_t *weights = tile->weights;
    pw_tile_sums sums[PW_TILE_PIXELS];
#ifdef __GNUC__
#pragma GCC unroll 4
#endif
    for (int32_t p = 0; p < pixels; p++) {
        sums[p] = pw_tile_bias(tile->bias);
    }
    for (int32_t i = 0; i < runs->rows; i++) {
        for (int32_t j = 0; j < runs->columns; j++) {
            const uint8_t *x = numbers + i * runs->row_pitch + j * runs->column_pitch;
            for (int32_t rest = runs->run; rest > 0; rest -= 4, x += 4, weights += 4 * PW_TILE) {
                pw_tile_add(sums, weights, x, step, pixels);
            }
        }
    }
#ifdef __GNUC__
#pragma GCC unroll 4
#endif
    for (int32_t p = 0; p < pixels; p++) {
        if (tile->is_small) {
            pw_tile_store(tile, sums[p], output + p * apart);
        } else {
            pw_tile_store_any(tile, sums[p], output + p * apart);
        }
    }
}

#endif
