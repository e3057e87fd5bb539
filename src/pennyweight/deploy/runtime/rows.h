/* Filters that lie one after the other, each a run of numbers, multiplied by one run of numbers of the input. */
#ifndef ROWS_H
#define ROWS_H

#include <string.h>

#include "core.h"

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

PW_INLINE void pw_copy_numbers(pw_number *target, const int8_t *source, int32_t count)
{
#ifdef PW_MVE
    for (; count > 0; count -= 16, source += 16, target += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)count);
        vstrbq_p_s8(target, vldrbq_z_s8(source, some), some);
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
        pw_rows_together(rows, filter, PW_ROWS_TOGETHER, numbers, output);
    }
    if (filter < rows->filters) {
        pw_rows_together(rows, filter, rows->filters - filter, numbers, output);
    }
}

#endif
