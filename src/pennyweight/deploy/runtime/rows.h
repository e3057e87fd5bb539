/* Four filters at a time, multiplied by a run of numbers of the input at one or two pixels, sixteen numbers at once. */
#ifndef ROWS_H
#define ROWS_H

#include <string.h>

#include "core.h"

#define PW_VECTOR 16

PW_INLINE void pw_copy_numbers(int8_t *target, const int8_t *source, int32_t count)
{
#ifdef PW_MVE
    for (; count > 0; count -= PW_VECTOR, source += PW_VECTOR, target += PW_VECTOR) {
        const mve_pred16_t some = vctp8q((uint32_t)count);
        vstrbq_p_s8(target, vldrbq_z_s8(source, some), some);
    }
#else
    memcpy(target, source, (uint32_t)count);
#endif
}

/* `count` is a multiple of a vector. */
PW_INLINE void pw_fill_numbers(int8_t *target, int8_t number, int32_t count)
{
#ifdef PW_MVE
    for (; count > 0; count -= PW_VECTOR, target += PW_VECTOR) {
        vstrbq_s8(target, vdupq_n_s8(number));
    }
#else
    memset(target, number, (uint32_t)count);
#endif
}

/* `run` is a multiple of a vector; results of two pixels lie `apart`. */
struct pw_rows {
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
    int32_t filters, run, apart;
    struct pw_result result;
};

#ifdef PW_MVE

/* The sums of two filters, whose vectors take turns, at two pixels. */
struct pw_square {
    int32_t sums[4];
};

PW_INLINE struct pw_square pw_square(const int8_t *w, const int8_t *first, const int8_t *second, int32_t run)
{
    int8x16_t x = vldrbq_s8(first), y = vldrbq_s8(second), one = vldrbq_s8(w), other = vldrbq_s8(w + PW_VECTOR);
    struct pw_square square = {
        {vmladavq_s8(x, one), vmladavq_s8(x, other), vmladavq_s8(y, one), vmladavq_s8(y, other)}};
    for (int32_t i = run - PW_VECTOR; i > 0; i -= PW_VECTOR) {
        first += PW_VECTOR;
        second += PW_VECTOR;
        w += 2 * PW_VECTOR;
        x = vldrbq_s8(first);
        y = vldrbq_s8(second);
        one = vldrbq_s8(w);
        other = vldrbq_s8(w + PW_VECTOR);
        square.sums[0] = vmladavaq_s8(square.sums[0], x, one);
        square.sums[1] = vmladavaq_s8(square.sums[1], x, other);
        square.sums[2] = vmladavaq_s8(square.sums[2], y, one);
        square.sums[3] = vmladavaq_s8(square.sums[3], y, other);
    }
    return square;
}

/* The sums of four filters, at two pixels and at one. */
PW_INLINE void pw_rows_sums_of_two(const int8_t *weights, const int8_t *numbers, int32_t run, int32x4_t *first,
                                   int32x4_t *second)
{
    struct pw_square square = pw_square(weights, numbers, numbers + run, run);
    *first = vsetq_lane_s32(square.sums[1], vsetq_lane_s32(square.sums[0], vuninitializedq_s32(), 0), 2);
    *second = vsetq_lane_s32(square.sums[3], vsetq_lane_s32(square.sums[2], vuninitializedq_s32(), 0), 2);
    __asm__ volatile("" : "+w"(*first), "+w"(*second)); /* now, as the core sums into seven registers only */
    square = pw_square(weights + 2 * run, numbers, numbers + run, run);
    *first = vsetq_lane_s32(square.sums[1], vsetq_lane_s32(square.sums[0], *first, 1), 3);
    *second = vsetq_lane_s32(square.sums[3], vsetq_lane_s32(square.sums[2], *second, 1), 3);
}

PW_INLINE int32x4_t pw_rows_sums_of_one(const int8_t *w, const int8_t *numbers, int32_t run)
{
    const int8_t *v = w + 2 * run;
    int32_t a = 0, b = 0, c = 0, d = 0;
    int32x4_t sums;
    for (int32_t i = run; i > 0; i -= PW_VECTOR, w += 2 * PW_VECTOR, v += 2 * PW_VECTOR, numbers += PW_VECTOR) {
        const int8x16_t x = vldrbq_s8(numbers);
        a = vmladavaq_s8(a, x, vldrbq_s8(w));
        b = vmladavaq_s8(b, x, vldrbq_s8(v));
        c = vmladavaq_s8(c, x, vldrbq_s8(w + PW_VECTOR));
        d = vmladavaq_s8(d, x, vldrbq_s8(v + PW_VECTOR));
    }
    sums = vsetq_lane_s32(c, vsetq_lane_s32(a, vuninitializedq_s32(), 0), 2);
    return vsetq_lane_s32(d, vsetq_lane_s32(b, sums, 1), 3);
}

/* What becomes of the sums of four filters; no shift is negative. */
struct pw_rows_factors {
    int32x4_t bias, multiplier, shift, least, greatest;
    int32_t zero_point;
};

PW_INLINE void pw_rows_store(const struct pw_rows_factors *factors, int32x4_t sums, mve_pred16_t some, int8_t *output)
{
    int32x4_t values = vqrdmulhq_s32(vaddq_s32(sums, factors->bias), factors->multiplier);
    /* VRSHL rounds a half up; one less makes it round away from zero where the value is negative. */
    values = vrshlq_s32(vaddq_s32(values, vshrq_n_s32(values, 31)), factors->shift);
    values = vminq_s32(vmaxq_s32(values, factors->least), factors->greatest);
    vstrbq_p_s32(output, vaddq_n_s32(values, factors->zero_point), some);
}

#endif

/* Whether no shift is negative. */
PW_INLINE int32_t pw_shifts_are_small(const int8_t *shift, int32_t count)
{
    int32_t all = 0;
    for (int32_t i = 0; i < count; i++) {
        all |= shift[i];
    }
    return all >= 0;
}

/* The results of all filters without vectors, whatever the shifts. */
PW_APART static void pw_rows_each(const struct pw_rows *rows, const int8_t *numbers, int8_t *output, int32_t pixels)
{
    const int32_t run = rows->run;
    for (int32_t at = 0; at < rows->filters; at++) {
        for (int32_t p = 0; p < pixels; p++) {
            const int8_t *w = rows->weights + ((at & ~3) + (at & 1) * 2) * run + (at >> 1 & 1) * PW_VECTOR;
            const int8_t *x = numbers + p * run;
            int32_t sum = rows->bias[at];
            for (int32_t rest = run; rest > 0; rest -= PW_VECTOR, w += 2 * PW_VECTOR, x += PW_VECTOR) {
                for (int32_t j = 0; j < PW_VECTOR; j++) {
                    sum += w[j] * x[j];
                }
            }
            output[p * rows->apart + at] =
                pw_clamp(pw_rescale_sum(sum, rows->multiplier[at], rows->shift[at]), rows->result);
        }
    }
}

/* The same where no shift is negative; `pixels` and the rows' run, given as `run`, are better constants. */
PW_INLINE void pw_rows(const struct pw_rows *rows, const int8_t *numbers, int8_t *output, const int32_t pixels,
                       const int32_t run)
{
#ifdef PW_MVE
    const int8_t *weights = rows->weights, *shift = rows->shift;
    const int32_t *bias = rows->bias, *multiplier = rows->multiplier;
    int8_t *second_output = output + rows->apart;
    struct pw_rows_factors factors;
    factors.least = vdupq_n_s32(rows->result.least);
    factors.greatest = vdupq_n_s32(rows->result.greatest);
    factors.zero_point = rows->result.zero_point;
    for (int32_t rest = rows->filters; rest > 0; rest -= 4) {
        const mve_pred16_t some = vctp32q((uint32_t)rest);
        int32x4_t first, second;
        if (pixels == 2) {
            pw_rows_sums_of_two(weights, numbers, run, &first, &second);
        } else {
            first = pw_rows_sums_of_one(weights, numbers, run);
        }
        factors.bias = vldrwq_s32(bias);
        factors.multiplier = vldrwq_s32(multiplier);
        factors.shift = vldrbq_s32(shift);
        __asm__("" : "+w"(factors.shift)); /* else Clang widens it in two instructions more */
        factors.shift = vmvnq_s32(factors.shift);
        pw_rows_store(&factors, first, some, output);
        if (pixels == 2) {
            pw_rows_store(&factors, second, some, second_output);
        }
        weights += 4 * run;
        bias += 4;
        multiplier += 4;
        shift += 4;
        output += 4;
        second_output += 4;
    }
#else
    (void)run;
    pw_rows_each(rows, numbers, output, pixels);
#endif
}

#endif
