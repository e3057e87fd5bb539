/* Fully connected layer: four units at a time. */
#include <string.h>

#include "core.h"

/* Adds what `count` numbers, by fours, add to the sums of four units. */
PW_APART static void add_numbers(const int8_t *x, int32_t count, const uint32_t *weights, int32_t *sums)
{
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    for (; count > 0; count -= 4, x += 4, weights += 4) {
#ifdef PW_DSP
        const uint32_t numbers = pw_load_word(x);
        uint32_t pair = pw_sxtb16(numbers), bytes = weights[0];
        PW_SMLAD(a, pw_sxtb16(bytes), pair);
        PW_SMLAD(b, pw_sxtb16_8(bytes), pair);
        bytes = weights[1];
        PW_SMLAD(c, pw_sxtb16(bytes), pair);
        PW_SMLAD(d, pw_sxtb16_8(bytes), pair);
        pair = pw_sxtb16_8(numbers);
        bytes = weights[2];
        PW_SMLAD(a, pw_sxtb16(bytes), pair);
        PW_SMLAD(b, pw_sxtb16_8(bytes), pair);
        bytes = weights[3];
        PW_SMLAD(c, pw_sxtb16(bytes), pair);
        PW_SMLAD(d, pw_sxtb16_8(bytes), pair);
#else
#ifdef __GNUC__
#pragma GCC unroll 4
#endif
        for (int32_t i = 0; i < 4; i++) {
            const int8_t *const four = (const int8_t *)weights + (i & 1) * 8 + (i & 2);
            const int32_t number = x[i];
            a += four[0] * number;
            PW_NOW(a);
            b += four[1] * number;
            PW_NOW(b);
            c += four[4] * number;
            PW_NOW(c);
            d += four[5] * number;
            PW_NOW(d);
        }
#endif
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

void pw_dense_s8(const struct pw_dense_s8 *layer, const int8_t *input, int8_t *output)
{
    const struct pw_result result = layer->result;
    const int32_t rest = layer->features & 3, features = layer->features - rest;
    const uint32_t *weights = layer->weights;
    for (int32_t unit = 0; unit < layer->units; unit += 4) {
        int32_t sums[4];
        memcpy(sums, layer->bias + unit, sizeof sums);
        add_numbers(input, features, weights, sums);
        weights += features;
        if (rest != 0) {
            int8_t last[4] = {0, 0, 0, 0};
            memcpy(last, input + features, (uint32_t)rest);
            add_numbers(last, 4, weights, sums);
            weights += 4;
        }
        for (int32_t i = 0; i < 4 && unit + i < layer->units; i++) {
            const int32_t at = unit + i;
            output[at] = pw_clamp(pw_rescale_sum(sums[i], layer->multiplier[at], layer->shift[at]), result);
        }
    }
}
