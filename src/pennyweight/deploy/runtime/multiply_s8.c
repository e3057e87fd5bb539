/* The element-wise product; the second input may be one number a channel. `output` may be the first input. */
#include "fixed_point.h"

void pw_multiply_s8(const struct pw_multiply_s8 *layer, const int8_t *first, const int8_t *second, int8_t *output)
{
    for (int32_t start = 0; start < layer->numbers; start += layer->period) {
        for (int32_t i = 0; i < layer->period; i++) {
            const int32_t product = (first[start + i] - layer->zero_points[0]) * (second[i] - layer->zero_points[1]);
            output[start + i] =
                pw_clamp(pw_rescale(product, layer->factor.multiplier, layer->factor.shift), layer->result);
        }
    }
}
