/* A part of a picture, row by row, out of another picture or into it. */
#include <string.h>

#include "pennyweight.h"

void pw_copy_s8(const struct pw_copy_s8 *layer, const int8_t *input, int8_t *output)
{
    input += layer->input_start;
    output += layer->output_start;
    for (int32_t row = 0; row < layer->rows; row++, input += layer->input_pitch, output += layer->output_pitch) {
        memcpy(output, input, (uint32_t)layer->bytes);
    }
}

void pw_clear_s8(int32_t numbers, int8_t *output)
{
    memset(output, 0, (uint32_t)numbers);
}

void pw_keep_s8(int32_t numbers, const int8_t *input, int8_t *output)
{
    if (output != input) {
        for (int32_t i = 0; i < numbers; i++) {
            output[i] = input[i];
        }
    }
}
