/* Convolution for wide vector units of PCs: the rows of the input that a row of the output needs are laid out whole. */
#include <string.h>

#include "tiles.h"
#include "window.h"

/* Row `y` of the input with its padding; `width` is that of both. */
static void lay_row(const struct pw_conv_tiles_s8 *layer, const int8_t *input, int32_t y, int32_t width,
                    uint8_t *target)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t channels = layer->channels * layer->groups;
    const struct pw_span x = pw_span(0, 1, w->left, width, w->width);
    const uint8_t zero = (uint8_t)((uint8_t)layer->zero_point ^ PW_TILE_ADDED);
    if (y < 0 || y >= w->height) {
        memset(target, zero, (uint32_t)(width * channels));
        return;
    }
    memset(target, zero, (uint32_t)(x.first * channels));
    pw_tile_numbers(target + x.first * channels, input + (y * w->width + x.start + x.first) * channels,
               (x.last - x.first) * channels);
    memset(target + x.last * channels, zero, (uint32_t)((width - x.last) * channels));
}

/* The results of a tile in one row. */
static void lay_results(const struct pw_tile *tile, const struct pw_runs *runs, int32_t columns, int32_t step,
                        const uint8_t *rows, int8_t *output, int32_t apart)
{
    for (int32_t column = 0; column < columns; column += PW_TILE_PIXELS) {
        const int32_t at = column + PW_TILE_PIXELS <= columns ? column : columns - PW_TILE_PIXELS;
        if (at < 0) {
            for (int32_t i = 0; i < columns; i++) {
                pw_tile(tile, runs, rows + i * step, 0, output + i * apart, 0, 1);
            }
        } else {
            pw_tile(tile, runs, rows + at * step, step, output + at * apart, apart, PW_TILE_PIXELS);
        }
    }
}

void pw_conv_tiles_s8(const struct pw_conv_tiles_s8 *layer, const int8_t *input, int8_t *output, void *scratch)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t channels = layer->channels, filters = layer->filters, groups = layer->groups;
    const int32_t width = (w->columns - 1) * w->stride_columns + w->kernel_width, pitch = width * channels * groups;
    const struct pw_runs runs = {w->kernel_height, groups == 1 ? 1 : w->kernel_width,
                                 groups == 1 ? w->kernel_width * channels : channels, pitch, channels * groups};
    const int32_t numbers = runs.rows * runs.columns * ((runs.run + 3) & ~3);
    uint8_t *const rows = scratch;
    for (int32_t row = 0; row < w->rows; row++) {
        struct pw_tile tile = {layer->weights, layer->bias, layer->multiplier, layer->shift, 0, 0, layer->result};
        for (int32_t i = 0; i < w->kernel_height; i++) {
            lay_row(layer, input, row * w->stride_rows - w->top + i, width, rows + i * pitch);
        }
        for (int32_t group = 0; group < groups; group++) {
            for (int32_t filter = 0; filter < filters; filter += PW_TILE) {
                tile.count = filters - filter < PW_TILE ? filters - filter : PW_TILE;
                tile.is_small = pw_tile_is_small(tile.shift);
                lay_results(&tile, &runs, w->columns, w->stride_columns * channels * groups, rows + group * channels,
                            output + group * filters + filter, filters * groups);
                tile.weights += numbers * PW_TILE;
                tile.bias += PW_TILE;
                tile.multiplier += PW_TILE;
                tile.shift += PW_TILE;
            }
        }
        output += w->columns * filters * groups;
    }
}
