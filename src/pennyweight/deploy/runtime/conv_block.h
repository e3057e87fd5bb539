/* The innermost loop of a convolution: four filters at two pixels.
 *
 * The second pixel's numbers lie `offset` behind the first's; `step` numbers are taken at once, of which a patch's run
 * is a multiple, and they of four.
 */
#ifndef CONV_BLOCK_H
#define CONV_BLOCK_H

#include "core.h"

/* Four weights of a convolution, and a bias with the sum of its filter's weights, as the core's block takes them. */
#ifdef PW_V6M
#define PW_CONV_WEIGHTS(word) ((word) ^ 0x80808080u)
#define PW_CONV_BIAS(bias, sum) ((int32_t)((uint32_t)(bias)-128u * (uint32_t)(sum)))
#else
#define PW_CONV_WEIGHTS(word) (word)
#define PW_CONV_BIAS(bias, sum) (bias)
#endif

#ifdef PW_DSP

/* A patch holds words: of four numbers 0 ... 3 as int16 the words (0, 2) and (1, 3), as SXTB16 makes them. */
typedef uint32_t pw_lane;
#define PW_LANE_NUMBERS 2

PW_INLINE void pw_conv_block_of(const struct pw_patch *patch, const uint32_t *weights, const int32_t *bias,
                                int32_t *sums, const int32_t offset, const int32_t step)
{
    const uint32_t *x = patch->numbers;
    const int32_t run = patch->run / PW_LANE_NUMBERS, skip = (patch->pitch - patch->run) / PW_LANE_NUMBERS;
    int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];
    int32_t a2 = a, b2 = b, c2 = c, d2 = d;
    int32_t rows = patch->rows;
    do {
        const uint32_t *const end = x + run;
        do {
#pragma GCC unroll 14
            for (int32_t pair = 0; pair < step / PW_LANE_NUMBERS; pair++) {
                const uint32_t first = x[pair], second = x[offset / PW_LANE_NUMBERS + pair];
                uint32_t bytes = weights[2 * pair], halves = pw_sxtb16(bytes);
                PW_SMLAD(a, halves, first);
                PW_SMLAD(a2, halves, second);
                halves = pw_sxtb16_8(bytes);
                PW_SMLAD(b, halves, first);
                PW_SMLAD(b2, halves, second);
                bytes = weights[2 * pair + 1];
                halves = pw_sxtb16(bytes);
                PW_SMLAD(c, halves, first);
                PW_SMLAD(c2, halves, second);
                halves = pw_sxtb16_8(bytes);
                PW_SMLAD(d, halves, first);
                PW_SMLAD(d2, halves, second);
            }
            x += step / PW_LANE_NUMBERS;
            weights += step;
        } while (x != end);
        x += skip;
    } while (--rows != 0);
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    sums[4] = a2;
    sums[5] = b2;
    sums[6] = c2;
    sums[7] = d2;
}

#elif defined(PW_V6M)

typedef int8_t pw_lane;
#define PW_LANE_NUMBERS 1

void pw_conv_block_v6m(const struct pw_patch *patch, const uint32_t *weights, const int32_t *bias, int32_t *sums);

PW_INLINE void pw_conv_block_of(const struct pw_patch *patch, const uint32_t *weights, const int32_t *bias,
                                int32_t *sums, const int32_t offset, const int32_t step)
{
    (void)offset;
    (void)step;
    pw_conv_block_v6m(patch, weights, bias, sums);
}

#else

typedef int8_t pw_lane;
#define PW_LANE_NUMBERS 1

PW_INLINE void pw_conv_block_of(const struct pw_patch *patch, const uint32_t *weights, const int32_t *bias,
                                int32_t *sums, const int32_t offset, const int32_t step)
{
    const int8_t *x = patch->numbers, *w = (const int8_t *)weights;
    int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];
    int32_t a2 = a, b2 = b, c2 = c, d2 = d;
    int32_t rows = patch->rows;
    (void)step;
    do {
        const int8_t *const end = x + patch->run;
        do {
#ifdef __GNUC__
#pragma GCC unroll 4
#endif
            for (int32_t i = 0; i < 4; i++) {
                const int32_t first = x[i], second = x[offset + i];
                const int8_t *const four = w + (i & 1) * 8 + (i & 2);
                int32_t weight;
                weight = four[0];
                a += weight * first;
                PW_NOW(a);
                a2 += weight * second;
                PW_NOW(a2);
                weight = four[1];
                b += weight * first;
                PW_NOW(b);
                b2 += weight * second;
                PW_NOW(b2);
                weight = four[4];
                c += weight * first;
                PW_NOW(c);
                c2 += weight * second;
                PW_NOW(c2);
                weight = four[5];
                d += weight * first;
                PW_NOW(d);
                d2 += weight * second;
                PW_NOW(d2);
            }
            x += 4;
            w += 16;
        } while (x != end);
        x += patch->pitch - patch->run;
    } while (--rows != 0);
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    sums[4] = a2;
    sums[5] = b2;
    sums[6] = c2;
    sums[7] = d2;
}

#endif

#endif
