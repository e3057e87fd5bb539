/* Convolution for vector units: the windows of two neighbouring pixels are laid out as the filters are, then multiplied
 * by each, many numbers at once. */
#include <string.h>

#include "rows.h"
#include "window.h"

/* The windows of a row: what of their lines lies inside the image, from where on, and which columns do with all. */
struct strip {
    const int8_t *lines;
    struct pw_span y;
    int32_t first, last;
};

static struct strip row_strip(const struct pw_conv_rows_s8 *layer, const int8_t *input, int32_t row)
{
    const struct pw_windows *const w = &layer->windows;
    struct strip strip = {input, pw_span(row, w->stride_rows, w->top, w->kernel_height, w->height), 0, 0};
    strip.lines += (strip.y.start + strip.y.first) * w->width * layer->channels * layer->groups;
    if (layer->groups == 1 && strip.y.last - strip.y.first == w->kernel_height) {
        strip.first = (w->left + w->stride_columns - 1) / w->stride_columns;
        strip.last = (w->width + w->left - w->kernel_width + w->stride_columns) / w->stride_columns;
    }
    return strip;
}

/* One window without gaps; what follows it meets weights of 0. */
PW_APART static void lay_any(const struct pw_conv_rows_s8 *layer, const struct strip *strip, int32_t column,
                             int8_t *target)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t channels = layer->channels, all_channels = channels * layer->groups, kernel_width = w->kernel_width;
    const struct pw_span x = pw_span(column, w->stride_columns, w->left, kernel_width, w->width), y = strip->y;
    const int8_t *line = strip->lines;
    pw_fill_numbers(target, (int8_t)layer->zero_point, layer->run);
    for (int32_t i = y.first; i < y.last; i++, line += w->width * all_channels) {
        if (layer->groups == 1) {
            pw_copy_numbers(target + (i * kernel_width + x.first) * channels, line + (x.start + x.first) * channels,
                            (x.last - x.first) * channels);
            continue;
        }
        for (int32_t j = x.first; j < x.last; j++) {
            pw_copy_numbers(target + (i * kernel_width + j) * channels, line + (x.start + j) * all_channels, channels);
        }
    }
}

/* The lines of windows that lie inside the image and have all its channels. */
struct lines {
    int32_t count, numbers, pitch;
};

PW_APART static void lay_lines(const struct lines *lines, const int8_t *source, int8_t *target)
{
    const int32_t numbers = lines->numbers, pitch = lines->pitch;
    int32_t count = lines->count;
#ifdef PW_MVE
    if (numbers <= PW_VECTOR) {
        const mve_pred16_t some = vctp8q((uint32_t)numbers);
        do {
            vstrbq_p_s8(target, vldrbq_z_s8(source, some), some);
            source += pitch;
            target += numbers;
        } while (--count != 0);
        return;
    }
#endif
    do {
        pw_copy_numbers(target, source, numbers);
        source += pitch;
        target += numbers;
    } while (--count != 0);
}

PW_APART static void one_pixel(const struct pw_rows *rows, const int8_t *numbers, int8_t *output)
{
    pw_rows(rows, numbers, output, 1, rows->run);
}

PW_APART static void two_pixels(const struct pw_rows *rows, const int8_t *numbers, int8_t *output)
{
    switch (rows->run) {
    case PW_VECTOR:
        pw_rows(rows, numbers, output, 2, PW_VECTOR);
        break;
    case 2 * PW_VECTOR:
        pw_rows(rows, numbers, output, 2, 2 * PW_VECTOR);
        break;
    default:
        pw_rows(rows, numbers, output, 2, rows->run);
    }
}

void pw_conv_rows_s8(const struct pw_conv_rows_s8 *layer, const int8_t *input, int8_t *output, void *scratch)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t groups = layer->groups, filters = layer->filters, some = (filters + 3) & ~3, run = layer->run;
    const int32_t channels = layer->channels, step = w->stride_columns * channels, before = w->left * channels;
    const struct lines lines = {w->kernel_height, w->kernel_width * channels, w->width * channels};
    const int32_t is_small = pw_shifts_are_small(layer->shift, some * groups);
    struct pw_rows rows = {layer->weights, layer->bias, layer->multiplier, layer->shift,
                           filters,        run,         filters * groups,  layer->result};
    int8_t *const patch = scratch;
    for (int32_t row = 0; row < w->rows; row++) {
        struct strip strip = row_strip(layer, input, row);
        for (int32_t column = 0; column < w->columns; column += 2) {
            const int32_t pixels = column + 1 < w->columns ? 2 : 1;
            for (int32_t group = 0; group < groups; group++) {
                for (int32_t i = 0; i < pixels; i++) {
                    const int32_t at = column + i;
                    if (at >= strip.first && at < strip.last) {
                        lay_lines(&lines, strip.lines + at * step - before, patch + i * run);
                    } else {
                        lay_any(layer, &strip, at, patch + i * run);
                    }
                }
                if (groups > 1) {
                    rows.weights = layer->weights + group * some * run;
                    rows.bias = layer->bias + group * some;
                    rows.multiplier = layer->multiplier + group * some;
                    rows.shift = layer->shift + group * some;
                    strip.lines += group + 1 < groups ? channels : -group * channels;
                }
                if (!is_small) {
                    pw_rows_each(&rows, patch, output, pixels);
                } else if (pixels == 2) {
                    two_pixels(&rows, patch, output);
                } else {
                    one_pixel(&rows, patch, output);
                }
                output += filters;
            }
            output += (pixels - 1) * filters * groups;
        }
    }
}
