/* The element-wise sum, with 20 fractional bits. `output` may be one of the inputs.
 *
 * It is compiled into each call, so that factors and zero points are constants there.
 */
#ifndef ADD_S8_H
#define ADD_S8_H

#include "core.h"

/* Each input is brought to a common scale by its own factor, the sum to the result's by the last; all are at most 1/2. */
struct pw_add_s8 {
    int32_t numbers;
    int16_t zero_points[2];
    struct pw_factor inputs[2], factor;
    struct pw_result result;
};

/* A number below 2^29 times a factor of at most 1/2. */
PW_INLINE int32_t pw_scale_down(int32_t twice, struct pw_factor factor)
{
    return pw_divide_by_power(pw_high_multiply_doubled(twice, factor.multiplier), -factor.shift);
}

#ifdef PW_MVE
/* The same of four numbers. */
PW_INLINE int32x4_t pw_scale_four_down(int32x4_t values, struct pw_factor factor)
{
    const int32x4_t high = vqrdmulhq_n_s32(values, factor.multiplier);
    if (factor.shift == 0) {
        return high;
    }
    return vrshlq_n_s32(vaddq_s32(high, vshrq_n_s32(high, 31)), factor.shift);
}
#endif

PW_INLINE void pw_add_s8(const struct pw_add_s8 *layer, const int8_t *first, const int8_t *second, int8_t *output)
{
    int32_t i = 0;
#ifdef PW_MVE
    for (; i + 4 <= layer->numbers; i += 4) {
        int32x4_t a = vsubq_n_s32(vldrbq_s32(first + i), layer->zero_points[0]);
        int32x4_t b = vsubq_n_s32(vldrbq_s32(second + i), layer->zero_points[1]);
        a = pw_scale_four_down(vshlq_n_s32(a, 20), layer->inputs[0]);
        b = pw_scale_four_down(vshlq_n_s32(b, 20), layer->inputs[1]);
        a = pw_scale_four_down(vaddq_s32(a, b), layer->factor);
        a = vmaxq_s32(a, vdupq_n_s32(layer->result.least));
        a = vminq_s32(a, vdupq_n_s32(layer->result.greatest));
        vstrbq_s32(output + i, vaddq_n_s32(a, layer->result.zero_point));
    }
#endif
    for (; i < layer->numbers; i++) {
        const int32_t a = pw_scale_down((first[i] - layer->zero_points[0]) * (1 << 21), layer->inputs[0]);
        const int32_t b = pw_scale_down((second[i] - layer->zero_points[1]) * (1 << 21), layer->inputs[1]);
        output[i] = pw_clamp(pw_scale_down((a + b) * 2, layer->factor), layer->result);
    }
}

#endif
