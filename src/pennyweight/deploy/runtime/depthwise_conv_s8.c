/* Depthwise convolution: each channel by its own filters, four channels at a time where each has one. */
#include <string.h>

#include "core.h"
#include "window.h"

/* What of a window lies inside the image: where its first number and its first weight are, its lengths, and how much
 * further the next row begins than the last one ended. */
struct inside {
    const int8_t *numbers, *weights;
    int32_t rows, columns, numbers_skip, weights_skip;
};

/* The sum of a filter: its channel's number and its weight are so many after the first. */
static int32_t sum_of_filter(const struct pw_depthwise_conv_s8 *layer, const struct inside *at, int32_t channel,
                             int32_t filter)
{
    const int8_t *x = at->numbers + channel, *w = at->weights + filter;
    int32_t sum = layer->bias[filter];
    for (int32_t i = 0; i < at->rows; i++, x += at->numbers_skip, w += at->weights_skip) {
        for (int32_t j = 0; j < at->columns; j++, x += layer->channels, w += layer->channels * layer->multiplicity) {
            sum += *w * (*x - layer->zero_point);
        }
    }
    return sum;
}

/* The same for four channels that have one filter each; `columns` is better a constant. */
PW_INLINE void add_four(const struct inside *at, int32_t channel, int32_t channels, int32_t zero_point,
                        const int32_t columns, int32_t *sums)
{
    const int8_t *x = at->numbers + channel, *w = at->weights + channel;
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3], rows = at->rows;
#ifdef PW_DSP
    const uint32_t less = ((uint32_t)-zero_point & 0xFFFFu) * 0x10001u;
#endif
    for (; rows > 0; rows--, x += at->numbers_skip, w += at->weights_skip) {
#ifdef __GNUC__
#pragma GCC unroll 3
#endif
        for (int32_t j = 0; j < columns; j++, x += channels, w += channels) {
#ifdef PW_DSP
            const uint32_t numbers = pw_load_word(x), weights = pw_load_word(w);
            uint32_t number = pw_sxtab16(less, numbers), weight = pw_sxtb16(weights);
            PW_SMLABB(a, number, weight);
            PW_SMLATT(c, number, weight);
            number = pw_sxtab16_8(less, numbers);
            weight = pw_sxtb16_8(weights);
            PW_SMLABB(b, number, weight);
            PW_SMLATT(d, number, weight);
#else
            a += (x[0] - zero_point) * w[0];
            b += (x[1] - zero_point) * w[1];
            c += (x[2] - zero_point) * w[2];
            d += (x[3] - zero_point) * w[3];
#endif
        }
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

static void store_four(const struct pw_depthwise_conv_s8 *layer, int32_t filter, const int32_t *sums, int8_t *output)
{
    const struct pw_result result = layer->result;
    const int32_t *const multiplier = layer->multiplier + filter;
    const int8_t *const shift = layer->shift + filter;
#ifdef PW_DSP
    const uint32_t shifts = pw_load_word(shift);
    if ((shifts & 0x80808080u) == 0) {
        const struct pw_four four = pw_four(result);
        uint32_t word = 0;
#pragma GCC unroll 4
        for (int32_t i = 0; i < 4; i++) {
            word = pw_with_result(word, i, sums[i], multiplier[i], (shifts >> (8 * i)) & 0xFFu, four.rounding);
        }
        word = pw_within_limits(word, &four);
        memcpy(output, &word, sizeof word);
        return;
    }
#endif
    for (int32_t i = 0; i < 4; i++) {
        output[i] = pw_clamp(pw_rescale_sum(sums[i], multiplier[i], shift[i]), result);
    }
}

/* All filters at one pixel. */
static void pixel(const struct pw_depthwise_conv_s8 *layer, const struct inside *at, int8_t *output)
{
    const int32_t channels = layer->channels, multiplicity = layer->multiplicity, zero_point = layer->zero_point;
    int32_t channel = 0;
    for (; multiplicity == 1 && channel + 4 <= channels; channel += 4, output += 4) {
        int32_t sums[4];
        memcpy(sums, layer->bias + channel, sizeof sums);
        if (at->columns == 3) {
            add_four(at, channel, channels, zero_point, 3, sums);
        } else {
            add_four(at, channel, channels, zero_point, at->columns, sums);
        }
        store_four(layer, channel, sums, output);
    }
    for (; channel < channels; channel++) {
        for (int32_t m = 0; m < multiplicity; m++) {
            const int32_t filter = channel * multiplicity + m, sum = sum_of_filter(layer, at, channel, filter);
            *output++ = pw_clamp(pw_rescale_sum(sum, layer->multiplier[filter], layer->shift[filter]), layer->result);
        }
    }
}

void pw_depthwise_conv_s8(const struct pw_depthwise_conv_s8 *layer, const int8_t *input, int8_t *output)
{
    const struct pw_windows *const w = &layer->windows;
    const int32_t channels = layer->channels, filters = channels * layer->multiplicity;
    for (int32_t row = 0; row < w->rows; row++) {
        const struct pw_span y = pw_span(row, w->stride_rows, w->top, w->kernel_height, w->height);
        for (int32_t column = 0; column < w->columns; column++) {
            const struct pw_span x = pw_span(column, w->stride_columns, w->left, w->kernel_width, w->width);
            struct inside at = {input, layer->weights, y.last - y.first, x.last - x.first, 0, 0};
            if (at.rows > 0 && at.columns > 0) {
                at.numbers += ((y.start + y.first) * w->width + x.start + x.first) * channels;
                at.weights += (y.first * w->kernel_width + x.first) * filters;
                at.numbers_skip = (w->width - at.columns) * channels;
                at.weights_skip = (w->kernel_width - at.columns) * filters;
            }
            pixel(layer, &at, output);
            output += filters;
        }
    }
}
