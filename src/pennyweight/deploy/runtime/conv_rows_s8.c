/* Convolution for vector units: the windows of two neighbouring pixels are laid out as the filters are, then multiplied
 * by each, many numbers at once. */
#include <string.h>

#include "rows.h"
#include "window.h"

/* One window without gaps; what follows it meets weights of 0. */
static void lay_window(const struct pw_conv_rows_s8 *layer, const int8_t *input, struct pw_span y, int32_t column,
                       pw_number *target)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t channels = layer->channels, all_channels = channels * layer->groups, kernel_width = w->kernel_width;
    const struct pw_span x = pw_span(column, w->stride_columns, w->left, kernel_width, w->width);
    if (x.last - x.first < kernel_width || y.last - y.first < w->kernel_height) {
        memset(target, (uint8_t)layer->zero_point ^ PW_FLIP, (uint32_t)(w->kernel_height * kernel_width * channels));
    }
    if (x.first < x.last) {
        const int32_t columns = x.last - x.first, line = w->width * all_channels, is_whole = layer->groups == 1;
        const int8_t *source = input + (y.start + y.first) * line + (x.start + x.first) * all_channels;
        pw_number *to = target + (y.first * kernel_width + x.first) * channels;
        for (int32_t rows = y.last - y.first; rows > 0; rows--, source += line, to += kernel_width * channels) {
            if (is_whole) {
                pw_copy_numbers(to, source, columns * channels);
                continue;
            }
            for (int32_t j = 0; j < columns; j++) {
                pw_copy_numbers(to + j * channels, source + j * all_channels, channels);
            }
        }
    }
}

void pw_conv_rows_s8(const struct pw_conv_rows_s8 *layer, const int8_t *input, int8_t *output, void *scratch)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t filters = layer->filters, all_filters = filters * layer->groups;
    pw_number *const patch = scratch;
    for (int32_t row = 0; row < w->rows; row++) {
        const struct pw_span y = pw_span(row, w->stride_rows, w->top, w->kernel_height, w->height);
        for (int32_t column = 0; column < w->columns; column += 2) {
            const int32_t pixels = column + 1 < w->columns ? 2 : 1;
            for (int32_t group = 0; group < layer->groups; group++) {
                struct pw_rows rows = {layer->weights, layer->bias, layer->multiplier, layer->shift,
                                       filters,        layer->run,  layer->result};
                rows.weights += group * filters * layer->run;
                rows.bias += group * filters;
                rows.multiplier += group * filters;
                rows.shift += group * filters;
                for (int32_t i = 0; i < pixels; i++) {
                    lay_window(layer, input + group * layer->channels, y, column + i, patch + i * layer->run);
                }
                for (int32_t i = 0; i < pixels; i++) {
                    pw_rows(&rows, patch + i * layer->run, output + i * all_filters + group * filters);
                }
            }
            output += pixels * all_filters;
        }
    }
}
