/* Filters that lie one after the other, each a run of numbers, multiplied by one run of numbers of the input. */
#ifndef ROWS_H
#define ROWS_H

#include <string.h>

#include "core.h"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define PW_VNNI
#include <immintrin.h>
#endif

/* Vector units multiply int8 by int8, or, those of PCs, by uint8: then numbers have 128 added, and biases less for it. */
#ifdef PW_MVE
typedef int8_t pw_number;
#define PW_FLIP 0x00u
#define PW_ROWS_BIAS(bias, sum) (bias)
#else
typedef uint8_t pw_number;
#define PW_FLIP 0x80u
#define PW_ROWS_BIAS(bias, sum) ((int32_t)((uint32_t)(bias)-128u * (uint32_t)(sum)))
#endif

#ifdef PW_VNNI
PW_INLINE __mmask64 pw_first_of_64(int32_t count)
{
    return count < 64 ? ((__mmask64)1 << count) - 1 : ~(__mmask64)0;
}
#endif

PW_INLINE void pw_copy_numbers(pw_number *target, const int8_t *source, int32_t count)
{
#ifdef PW_MVE
    for (; count > 0; count -= 16, source += 16, target += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)count);
        vstrbq_p_s8(target, vldrbq_z_s8(source, some), some);
    }
#elif defined(PW_VNNI)
    for (; count > 0; count -= 64, source += 64, target += 64) {
        const __mmask64 some = pw_first_of_64(count);
        _mm512_mask_storeu_epi8(target, some,
                                _mm512_xor_si512(_mm512_maskz_loadu_epi8(some, source), _mm512_set1_epi8(-128)));
    }
#else
    for (int32_t i = 0; i < count; i++) {
        target[i] = (pw_number)((uint8_t)source[i] ^ PW_FLIP);
    }
#endif
}

struct pw_rows {
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
    int32_t filters, run;
    struct pw_result result;
};

#ifdef PW_MVE

/* The results of four filters from `filter` on, of their sums. */
PW_INLINE void pw_rows_results(const struct pw_rows *rows, int32_t filter, int32x4_t sums, int8_t *output)
{
    const int32x4_t high = vqrdmulhq_s32(sums, vldrwq_s32(rows->multiplier + filter));
    const int32x4_t shifts = vnegq_s32(vaddq_n_s32(vldrbq_s32(rows->shift + filter), 1));
    /* VRSHL rounds a half up; one less makes it round away from zero where the value is negative. */
    const int32x4_t away = vshrq_n_s32(vandq_s32(high, shifts), 31);
    int32x4_t results = vrshlq_s32(vqaddq_s32(high, away), shifts);
    results = vmaxq_s32(results, vdupq_n_s32(rows->result.least));
    results = vminq_s32(results, vdupq_n_s32(rows->result.greatest));
    vstrbq_s32(output, vaddq_n_s32(results, rows->result.zero_point));
}

PW_INLINE int32_t pw_rows_rest(const struct pw_rows *rows, int32_t filter, const pw_number *numbers, int8_t *output)
{
    int32_t shifts;
    for (; filter + 4 <= rows->filters; filter += 4) {
        const int8_t *w = rows->weights + filter * rows->run;
        const int32_t run = rows->run;
        int32_t a = rows->bias[filter], b = rows->bias[filter + 1];
        int32_t c = rows->bias[filter + 2], d = rows->bias[filter + 3];
        memcpy(&shifts, rows->shift + filter, sizeof shifts);
        if (((uint32_t)shifts & 0x80808080u) != 0) {
            break;
        }
        for (int32_t i = 0; i < run; i += 16, w += 16) {
            const int8x16_t x = vldrbq_s8(numbers + i);
            a = vmladavaq_s8(a, x, vldrbq_s8(w));
            b = vmladavaq_s8(b, x, vldrbq_s8(w + run));
            c = vmladavaq_s8(c, x, vldrbq_s8(w + 2 * run));
            d = vmladavaq_s8(d, x, vldrbq_s8(w + 3 * run));
        }
        {
            int32x4_t sums = vdupq_n_s32(a);
            sums = vsetq_lane_s32(b, sums, 1);
            sums = vsetq_lane_s32(c, sums, 2);
            sums = vsetq_lane_s32(d, sums, 3);
            pw_rows_results(rows, filter, sums, output + filter);
        }
    }
    return filter;
}

#endif

PW_INLINE int32_t pw_dot(const int8_t *weights, const pw_number *numbers, int32_t count, int32_t sum)
{
#ifdef PW_MVE
    for (int32_t i = 0; i < count; i += 16) {
        sum = vmladavaq_s8(sum, vldrbq_s8(numbers + i), vldrbq_s8(weights + i));
    }
#else
    for (int32_t i = 0; i < count; i++) {
        sum += weights[i] * numbers[i];
    }
#endif
    return sum;
}

#define PW_ROWS_TOGETHER 16

#ifdef PW_VNNI

/* a0+a2 b0+b2 a1+a3 b1+b3 of each four numbers of `a` and `b`. */
PW_INLINE __m512i pw_add_pairs(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* The sums of each four numbers of `a` ... `d`. */
PW_INLINE __m512i pw_add_fours(__m512i a, __m512i b, __m512i c, __m512i d)
{
    const __m512i first = pw_add_pairs(a, b), second = pw_add_pairs(c, d);
    return _mm512_add_epi32(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second));
}

/* The sums of the first and of the last two quarters of `a`, then those of `b`. */
PW_INLINE __m512i pw_add_quarters(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD));
}

/* The sums of sixteen filters, each by all numbers. */
PW_INLINE __m512i pw_sixteen_dots(const int8_t *weights, const pw_number *numbers, int32_t run, const int32_t *bias)
{
    __m512i parts[16], four[4];
#pragma GCC unroll 16
    for (int32_t i = 0; i < 16; i++) {
        parts[i] = _mm512_setzero_si512();
    }
    for (int32_t at = 0; at < run; at += 64) {
        const __mmask64 some = pw_first_of_64(run - at);
        const __m512i x = _mm512_maskz_loadu_epi8(some, numbers + at);
#pragma GCC unroll 16
        for (int32_t i = 0; i < 16; i++) {
            parts[i] = _mm512_dpbusd_epi32(parts[i], x, _mm512_maskz_loadu_epi8(some, weights + i * run + at));
        }
    }
#pragma GCC unroll 4
    for (int32_t i = 0; i < 4; i++) {
        four[i] = pw_add_fours(parts[4 * i], parts[4 * i + 1], parts[4 * i + 2], parts[4 * i + 3]);
    }
    four[0] = pw_add_quarters(pw_add_quarters(four[0], four[1]), pw_add_quarters(four[2], four[3]));
    return _mm512_add_epi32(four[0], _mm512_loadu_si512(bias));
}

/* The results of sixteen filters from `filter` on. */
static inline void pw_rows_sixteen(const struct pw_rows *rows, int32_t filter, const pw_number *numbers, int8_t *output)
{
    const int32_t *const multiplier = rows->multiplier + filter;
    const int8_t *const shift = rows->shift + filter;
    const struct pw_result result = rows->result;
    const __m512i sums = pw_sixteen_dots(rows->weights + filter * rows->run, numbers, rows->run, rows->bias + filter);
    const __m128i shifts = _mm_loadu_si128((const void *)shift);
    if (_mm_movemask_epi8(shifts) != 0) {
        int32_t each[16];
        _mm512_storeu_si512(each, sums);
        for (int32_t i = 0; i < 16; i++) {
            output[filter + i] = pw_clamp(pw_rescale_sum(each[i], multiplier[i], shift[i]), result);
        }
        return;
    }
    {
        const __m512i twice = _mm512_slli_epi32(sums, 1), factors = _mm512_loadu_si512(multiplier);
        const __m512i half = _mm512_set1_epi64((int64_t)1 << 31);
        const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(twice, factors), half);
        const __m512i odd =
            _mm512_mul_epi32(_mm512_srli_epi64(twice, 32), _mm512_srli_epi64(factors, 32));
        __m512i values =
            _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), _mm512_add_epi64(odd, half));
        values = _mm512_add_epi32(values, _mm512_srai_epi32(values, 31));
        values = _mm512_srav_epi32(values, _mm512_cvtepi8_epi32(shifts));
        values = _mm512_srai_epi32(_mm512_add_epi32(values, _mm512_set1_epi32(1)), 1);
        values = _mm512_max_epi32(values, _mm512_set1_epi32(result.least));
        values = _mm512_min_epi32(values, _mm512_set1_epi32(result.greatest));
        values = _mm512_add_epi32(values, _mm512_set1_epi32(result.zero_point));
        _mm_storeu_si128((void *)(output + filter), _mm512_cvtepi32_epi8(values));
    }
}

#endif

/* The results of at most PW_ROWS_TOGETHER filters from `filter` on; loops are such that compilers make vectors of them. */
static inline void pw_rows_together(const struct pw_rows *rows, int32_t filter, int32_t count,
                                    const pw_number *numbers, int8_t *output)
{
    const int32_t *const multiplier = rows->multiplier + filter;
    const int8_t *const shift = rows->shift + filter;
    const struct pw_result result = rows->result;
    int32_t sums[PW_ROWS_TOGETHER], any_shift = 0;
    for (int32_t i = 0; i < count; i++) {
        sums[i] = pw_dot(rows->weights + (filter + i) * rows->run, numbers, rows->run, rows->bias[filter + i]);
        any_shift |= shift[i];
    }
    if (any_shift < 0) {
        for (int32_t i = 0; i < count; i++) {
            output[filter + i] = pw_clamp(pw_rescale_sum(sums[i], multiplier[i], shift[i]), result);
        }
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        const int32_t value = pw_high_multiply_doubled(sums[i] * 2, multiplier[i]);
        sums[i] = (((value + (value >> 31)) >> shift[i]) + 1) >> 1;
    }
    for (int32_t i = 0; i < count; i++) {
        output[filter + i] = pw_clamp(sums[i], result);
    }
}

/* The results of all filters. */
static inline void pw_rows(const struct pw_rows *rows, const pw_number *numbers, int8_t *output)
{
    int32_t filter = 0;
#ifdef PW_MVE
    filter = pw_rows_rest(rows, filter, numbers, output);
#endif
    for (; filter + PW_ROWS_TOGETHER <= rows->filters; filter += PW_ROWS_TOGETHER) {
#ifdef PW_VNNI
        pw_rows_sixteen(rows, filter, numbers, output);
#else
        pw_rows_together(rows, filter, PW_ROWS_TOGETHER, numbers, output);
#endif
    }
    if (filter < rows->filters) {
        pw_rows_together(rows, filter, rows->filters - filter, numbers, output);
    }
}

#endif
