/* Fully connected layer for vector units: `scratch` takes the input as the weights are laid out. */
#include "rows.h"

void pw_dense_rows_s8(const struct pw_dense_rows_s8 *layer, const int8_t *input, int8_t *output, void *scratch)
{
    const struct pw_rows rows = {layer->weights, layer->bias, layer->multiplier, layer->shift,
                                 layer->units,   layer->run,  0,                 layer->result};
    pw_copy_numbers(scratch, input, layer->features);
    if (pw_shifts_are_small(layer->shift, layer->units)) {
        pw_rows(&rows, scratch, output, 1, layer->run);
    } else {
        pw_rows_each(&rows, scratch, output, 1);
    }
}
