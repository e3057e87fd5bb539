/* One of several tensors that lie one behind the other along the channels.
 *
 * The last pixel comes first, so that the output may begin where the input does, or behind: then pixels are spread out
 * in their own place, and what they leave free is for the other tensors.
 */
#include <string.h>

#include "pennyweight.h"

void pw_concat_s8(const struct pw_concat_s8 *layer, const int8_t *input, int8_t *output)
{
    const int32_t channels = layer->channels, pixels = layer->pixels;
    input += pixels * channels;
    output += pixels * layer->output_channels;
    for (int32_t pixel = 0; pixel < pixels; pixel++) {
        input -= channels;
        output -= layer->output_channels;
        if (output >= input && output < input + channels) {
            for (int32_t i = channels - 1; i >= 0; i--) {
                output[i] = input[i];
            }
        } else {
            memcpy(output, input, (uint32_t)channels);
        }
    }
}
