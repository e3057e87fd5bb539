/* One of several tensors that lie one behind the other along the channels. */
#include <string.h>

#include "pennyweight.h"

void pw_concat_s8(const struct pw_concat_s8 *layer, const int8_t *input, int8_t *output)
{
    for (int32_t pixel = 0; pixel < layer->pixels; pixel++) {
        memcpy(output, input, (uint32_t)layer->channels);
        input += layer->channels;
        output += layer->output_channels;
    }
}
