/* The average of each channel over the whole picture. */
#include "fixed_point.h"

void pw_mean_s8(const struct pw_mean_s8 *layer, const int8_t *input, int8_t *output)
{
    for (int32_t channel = 0; channel < layer->channels; channel++) {
        int32_t sum = layer->offset;
        for (int32_t pixel = 0; pixel < layer->pixels; pixel++) {
            sum += input[pixel * layer->channels + channel];
        }
        output[channel] = pw_clamp(pw_rescale(sum, layer->factor.multiplier, layer->factor.shift), layer->result);
    }
}
