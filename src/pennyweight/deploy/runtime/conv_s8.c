/* Convolution: the windows of two neighbouring pixels are laid side by side, then go through all filters. */
#include <string.h>

#include "conv_block.h"
#include "window.h"

#ifdef PW_DSP

PW_INLINE pw_lane *copy(pw_lane *target, const int8_t *source, int32_t numbers)
{
#pragma GCC unroll 4
    for (; numbers > 0; numbers -= 4, source += 4, target += 2) {
        const uint32_t bytes = pw_load_word(source);
        target[0] = pw_sxtb16(bytes);
        target[1] = pw_sxtb16_8(bytes);
    }
    return target;
}

PW_INLINE pw_lane *fill(pw_lane *target, int32_t value, int32_t numbers)
{
    const uint32_t pair = ((uint32_t)value & 0xFFFFu) * 0x10001u;
    for (; numbers > 0; numbers -= 2) {
        *target++ = pair;
    }
    return target;
}

#else

PW_INLINE pw_lane *copy(pw_lane *target, const int8_t *source, int32_t numbers)
{
    memcpy(target, source, (uint32_t)numbers);
    return target + numbers;
}

PW_INLINE pw_lane *fill(pw_lane *target, int32_t value, int32_t numbers)
{
    memset(target, value, (uint32_t)numbers);
    return target + numbers;
}

#endif

/* `length` columns of one row of the image from `start` on; what is outside is the zero point. */
static pw_lane *copy_columns(const struct pw_conv_s8 *layer, const int8_t *row, int32_t start, int32_t length,
                             pw_lane *target)
{
    const struct pw_span span = pw_span(start, 1, 0, length, layer->windows.width);
    const int32_t channels = layer->channels;
    target = fill(target, layer->zero_point, span.first * channels);
    if (span.last > span.first) {
        target = copy(target, row + (start + span.first) * channels, (span.last - span.first) * channels);
    }
    return fill(target, layer->zero_point, (length - span.last) * channels);
}

/* Two windows of one group whose channels come by fours: they share the columns that they have in common. */
static void lay_rows(const struct pw_conv_s8 *layer, const int8_t *input, int32_t row, int32_t column, pw_lane *target)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t kernel = w->kernel_width, stride = w->stride_columns, start = column * stride - w->left;
    int32_t y = row * w->stride_rows - w->top;
    for (int32_t i = 0; i < w->kernel_height; i++, y++) {
        if (y < 0 || y >= w->height) {
            target = fill(target, layer->zero_point, (kernel + (stride < kernel ? stride : kernel)) * layer->channels);
            continue;
        }
        const int8_t *const line = input + y * w->width * layer->channels;
        if (stride <= kernel) {
            target = copy_columns(layer, line, start, kernel + stride, target);
        } else {
            target = copy_columns(layer, line, start, kernel, target);
            target = copy_columns(layer, line, start + stride, kernel, target);
        }
    }
}

/* memcpy of a few bytes, without the call. */
PW_INLINE void copy_bytes(int8_t *target, const int8_t *source, int32_t bytes)
{
#ifdef PW_DSP
    for (; bytes >= 4; bytes -= 4, source += 4, target += 4) {
        memcpy(target, source, 4);
    }
    for (; bytes > 0; bytes--) {
        *target++ = *source++;
    }
#else
    memcpy(target, source, (uint32_t)bytes);
#endif
}

/* One window as bytes without gaps, whatever the channels. */
static void lay_bytes(const struct pw_conv_s8 *layer, const int8_t *input, struct pw_span y, int32_t column,
                      int8_t *target)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t channels = layer->channels, all_channels = channels * layer->groups, width = w->width;
    const int32_t kernel_width = w->kernel_width;
    const struct pw_span x = pw_span(column, w->stride_columns, w->left, kernel_width, width);
    if (x.last - x.first < kernel_width || y.last - y.first < w->kernel_height) {
        memset(target, layer->zero_point, (uint32_t)(w->kernel_height * kernel_width * channels));
    }
    if (x.first < x.last) {
        const int32_t columns = x.last - x.first, line = width * all_channels, is_whole = layer->groups == 1;
        const int8_t *source = input + (y.start + y.first) * line + (x.start + x.first) * all_channels;
        int8_t *to = target + (y.first * kernel_width + x.first) * channels;
        for (int32_t rows = y.last - y.first; rows > 0; rows--, source += line, to += kernel_width * channels) {
            if (is_whole) {
                copy_bytes(to, source, columns * channels);
                continue;
            }
            for (int32_t j = 0; j < columns; j++) {
                copy_bytes(to + j * channels, source + j * all_channels, channels);
            }
        }
    }
}

/* The windows of `pixels` pixels, one or two, one after the other; what follows each meets weights of 0. */
static void lay_windows(const struct pw_conv_s8 *layer, const int8_t *input, int32_t row, int32_t column,
                        int32_t pixels, int32_t run, pw_lane *target)
{
    const struct pw_windows *const w = &layer->windows;
    const struct pw_span y = pw_span(row, w->stride_rows, w->top, w->kernel_height, w->height);
#ifdef PW_DSP
    int8_t *const bytes = (int8_t *)(target + run);
    for (int32_t i = 0; i < pixels; i++) {
        lay_bytes(layer, input, y, column + i, bytes);
        target = copy(target, bytes, run);
    }
#else
    for (int32_t i = 0; i < pixels; i++) {
        lay_bytes(layer, input, y, column + i, target + i * run);
    }
#endif
}

/* Adds 128 to all numbers of a patch where the core's block wants them without signs, and notes what that adds. */
static void take_signs(struct pw_patch *patch, pw_lane *numbers)
{
#ifdef PW_V6M
    const int32_t words = (patch->rows == 1 ? patch->run + patch->offset : patch->rows * patch->pitch) / 4;
    uint32_t *const word = (uint32_t *)(void *)numbers;
    for (int32_t i = 0; i < words; i++) {
        word[i] ^= 0x80808080u;
    }
    for (int32_t pixel = 0; pixel < 2; pixel++) {
        const uint32_t *at = word + pixel * patch->offset / 4;
        uint32_t sum = 0;
        for (int32_t row = 0; row < patch->rows; row++, at += patch->pitch / 4) {
            for (int32_t i = 0; i < patch->run / 4; i++) {
                const uint32_t pairs = (at[i] & 0xFF00FFu) + ((at[i] >> 8) & 0xFF00FFu);
                sum += (pairs & 0xFFFFu) + (pairs >> 16);
            }
        }
        patch->less[pixel] = (int32_t)(128u * sum);
    }
#else
    (void)patch;
    (void)numbers;
#endif
}

/* The results of `count` filters, at most four, at one or two pixels, which lie `apart`. */
PW_APART static void store_each(const struct pw_conv_s8 *layer, int32_t at, int32_t count, const int32_t *sums,
                                int8_t *output, int32_t pixels, int32_t apart)
{
    const struct pw_result result = layer->result;
    const int32_t *multipliers = layer->multiplier + at;
    const int8_t *shifts = layer->shift + at;
    for (; count > 0; count--, sums++, output++) {
        const int32_t multiplier = *multipliers++, shift = *shifts++;
        output[0] = pw_clamp(pw_rescale_sum(sums[0], multiplier, shift), result);
        if (pixels == 2) {
            output[apart] = pw_clamp(pw_rescale_sum(sums[4], multiplier, shift), result);
        }
    }
}

#ifdef PW_DSP

/* The results of four filters at two pixels. */
PW_INLINE void store_eight(const struct pw_four *four, const int32_t *multiplier, uint32_t shifts, const int32_t *sums,
                           int8_t *output, int32_t apart)
{
    uint32_t first = 0, second = 0;
#pragma GCC unroll 4
    for (int32_t i = 0; i < 4; i++) {
        const uint32_t shift = (shifts >> (8 * i)) & 0xFFu;
        first = pw_with_result(first, i, sums[i], multiplier[i], shift, four->rounding);
        second = pw_with_result(second, i, sums[4 + i], multiplier[i], shift, four->rounding);
    }
    first = pw_within_limits(first, four);
    second = pw_within_limits(second, four);
    memcpy(output, &first, sizeof first);
    memcpy(output + apart, &second, sizeof second);
}

#endif

void pw_conv_s8(const struct pw_conv_s8 *layer, const int8_t *input, int8_t *output, void *scratch)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t channels = layer->channels, filters = layer->filters, all_filters = filters * layer->groups;
    const int32_t shares = layer->groups == 1 && (channels & 3) == 0;
    const int32_t run = (w->kernel_height * w->kernel_width * channels + 3) & ~3;
    struct pw_patch patch = {scratch, 1, run, 0, run, {0, 0}};
#ifdef PW_DSP
    const struct pw_four four = pw_four(layer->result);
#endif
    if (shares) {
        const int32_t step = w->stride_columns < w->kernel_width ? w->stride_columns : w->kernel_width;
        patch.rows = w->kernel_height;
        patch.run = w->kernel_width * channels;
        patch.offset = step * channels;
        patch.pitch = patch.run + patch.offset;
    }
    for (int32_t row = 0; row < w->rows; row++) {
        for (int32_t column = 0; column < w->columns; column += 2) {
            const int32_t pixels = column + 1 < w->columns ? 2 : 1;
            const uint32_t *weights = layer->weights;
            int32_t at = 0;
            for (int32_t group = 0; group < layer->groups; group++) {
                if (shares) {
                    lay_rows(layer, input, row, column, scratch);
                } else {
                    lay_windows(layer, input + group * channels, row, column, pixels, patch.run, scratch);
                }
                take_signs(&patch, scratch);
                for (int32_t filter = 0; filter < filters; filter += 4, at += 4) {
                    const int32_t count = filters - filter < 4 ? filters - filter : 4;
                    int32_t sums[8];
                    layer->block(&patch, weights, layer->bias + at, sums);
                    weights += patch.rows * patch.run;
#ifdef PW_DSP
                    uint32_t shifts;
                    memcpy(&shifts, layer->shift + at, sizeof shifts);
                    if (count == 4 && pixels == 2 && (shifts & 0x80808080u) == 0) {
                        store_eight(&four, layer->multiplier + at, shifts, sums, output + filter, all_filters);
                        continue;
                    }
#endif
                    store_each(layer, at, count, sums, output + filter, pixels, all_filters);
                }
                output += filters;
            }
            output += (pixels - 1) * all_filters;
        }
    }
}
