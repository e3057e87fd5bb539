/* ReLU with a slope for the negative numbers of each channel. `output` may be the input. */
#include "fixed_point.h"

void pw_prelu_s8(const struct pw_prelu_s8 *layer, const int8_t *input, int8_t *output)
{
    for (int32_t pixel = 0; pixel < layer->pixels; pixel++) {
        for (int32_t channel = 0; channel < layer->channels; channel++) {
            int32_t value = *input++ - layer->zero_point;
            if (value >= 0) {
                value = pw_rescale(value, layer->positive.multiplier, layer->positive.shift);
            } else {
                value *= layer->slopes[channel] - layer->slope_zero_point;
                value = pw_rescale(value, layer->negative.multiplier, layer->negative.shift);
            }
            *output++ = pw_clamp(value, layer->result);
        }
    }
}
