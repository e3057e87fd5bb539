/* Fully connected layer for vector units: `scratch` takes the input as the weights are laid out. */
#include "rows.h"

void pw_dense_rows_s8(const struct pw_dense_rows_s8 *layer, const int8_t *input, int8_t *output, void *scratch)
{
    const struct pw_rows rows = {layer->weights, layer->bias, layer->multiplier, layer->shift,
                                 layer->units,   layer->run,  layer->result};
    pw_copy_numbers(scratch, input, layer->features);
    pw_rows(&rows, scratch, output);
}
