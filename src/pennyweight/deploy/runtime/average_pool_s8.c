/* The average of the numbers of each window that exist, a half rounded away from zero. */
#include "window.h"

void pw_average_pool_s8(const struct pw_pool_s8 *layer, const int8_t *input, int8_t *output)
{
    const struct pw_windows *const w = &layer->windows;
    for (int32_t row = 0; row < w->rows; row++) {
        const struct pw_span y = pw_span(row, w->stride_rows, w->top, w->kernel_height, w->height);
        for (int32_t column = 0; column < w->columns; column++) {
            const struct pw_span x = pw_span(column, w->stride_columns, w->left, w->kernel_width, w->width);
            const int32_t count = (y.last - y.first) * (x.last - x.first);
            for (int32_t channel = 0; channel < layer->channels; channel++) {
                int32_t sum = 0;
                for (int32_t i = y.first; i < y.last; i++) {
                    for (int32_t j = x.first; j < x.last; j++) {
                        sum += input[((y.start + i) * w->width + x.start + j) * layer->channels + channel];
                    }
                }
                sum += sum < 0 ? -(count / 2) : count / 2;
                *output++ = pw_clamp(sum / count, layer->result);
            }
        }
    }
}
