/* The kernels of int8 networks, as TensorFlow Lite Micro computes them, byte for byte.
 *
 * Tensors lie in memory as height, width, channels. An int8 q stands for scale * (q - zero_point). Sums are int32; a
 * real factor is multiplier * 2^(shift - 31), the multiplier not negative. Kernels keep nothing, allocate nothing and
 * never call themselves. They rely on two's complement, on arithmetic right shifts and on little-endian words, which
 * all compilers and cores that they were made for have.
 */
#ifndef PENNYWEIGHT_H
#define PENNYWEIGHT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The limits that a result is kept within, and what is added to it then. */
struct pw_result {
    int16_t least, greatest, zero_point;
};

/* A real factor. */
struct pw_factor {
    int32_t multiplier;
    int32_t shift;
};

/* Where windows lie: the input's and the output's lengths, the kernel's, its steps, and the padding before the image. */
struct pw_windows {
    int16_t height, width, rows, columns;
    int16_t kernel_height, kernel_width, stride_rows, stride_columns, top, left;
};

/* The input of one or two neighbouring pixels' windows: `rows` runs of `run` numbers, each `pitch` after the last.
 * The second pixel's begin `offset` numbers after the first's. */
struct pw_patch {
    const void *numbers;
    int32_t rows, run, pitch, offset;
    int32_t less[2]; /* what is taken from all sums of each pixel */
};

/* Writes the sums of four filters at two pixels, the first pixel's first. */
typedef void pw_conv_block(const struct pw_patch *patch, const uint32_t *weights, const int32_t *bias, int32_t *sums);

/* Weights are packed: filters by fours, the numbers of a filter by fours, absent ones 0; four numbers 0 ... 3 of four
 * filters a ... d are the bytes a0 b0 a2 b2, c0 d0 c2 d2, a1 b1 a3 b3, c1 d1 c3 d3. A bias has the input's zero point
 * in it. Biases, multipliers and shifts are as many as the filters of a group, made a multiple of four; a shift is as
 * pw_rescale_sum of fixed_point.h takes it. */
struct pw_conv_s8 {
    struct pw_windows windows;
    int16_t channels, filters, groups; /* channels and filters are those of one group */
    int16_t zero_point;
    struct pw_result result;
    const uint32_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
    pw_conv_block *block;
};
void pw_conv_s8(const struct pw_conv_s8 *layer, const int8_t *input, int8_t *output, void *scratch);

/* Weights are `kernel_height x kernel_width x filters`; filter f reads channel f / multiplicity. Shifts are as those of a
 * convolution. */
struct pw_depthwise_conv_s8 {
    struct pw_windows windows;
    int16_t channels, multiplicity;
    int16_t zero_point;
    struct pw_result result;
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
};
void pw_depthwise_conv_s8(const struct pw_depthwise_conv_s8 *layer, const int8_t *input, int8_t *output);

/* Weights and biases as those of a convolution. */
struct pw_dense_s8 {
    int32_t features, units;
    struct pw_result result;
    const uint32_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
};
void pw_dense_s8(const struct pw_dense_s8 *layer, const int8_t *input, int8_t *output);

/* The same two where each filter is `run` numbers, a multiple of sixteen, zeros at its end, and of four filters a ... d
 * first a and c take turns, sixteen numbers each, then b and d. */
struct pw_conv_rows_s8 {
    struct pw_windows windows;
    int16_t channels, filters, groups; /* channels and filters are those of one group */
    int16_t zero_point;
    struct pw_result result;
    int32_t run;
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
};
void pw_conv_rows_s8(const struct pw_conv_rows_s8 *layer, const int8_t *input, int8_t *output, void *scratch);

struct pw_dense_rows_s8 {
    int32_t features, units, run;
    struct pw_result result;
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
};
void pw_dense_rows_s8(const struct pw_dense_rows_s8 *layer, const int8_t *input, int8_t *output, void *scratch);

/* The same two where filters go by sixteens: four numbers of a first filter, the same four of a second one ... of a
 * sixteenth, the next four of the first. Each row of a kernel, or with groups each place, is made a multiple of four,
 * the filters of a group a multiple of sixteen, both by zeros. Biases have 128 times the sum of a filter less. */
struct pw_conv_tiles_s8 {
    struct pw_windows windows;
    int16_t channels, filters, groups; /* channels and filters are those of one group */
    int16_t zero_point;
    struct pw_result result;
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
};
void pw_conv_tiles_s8(const struct pw_conv_tiles_s8 *layer, const int8_t *input, int8_t *output, void *scratch);

struct pw_dense_tiles_s8 {
    int32_t features, units;
    struct pw_result result;
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const int8_t *shift;
};
void pw_dense_tiles_s8(const struct pw_dense_tiles_s8 *layer, const int8_t *input, int8_t *output, void *scratch);

struct pw_pool_s8 {
    struct pw_windows windows;
    int16_t channels;
    struct pw_result result;
};
void pw_max_pool_s8(const struct pw_pool_s8 *layer, const int8_t *input, int8_t *output);
void pw_average_pool_s8(const struct pw_pool_s8 *layer, const int8_t *input, int8_t *output);

/* `offset` is minus the input's zero point, times `pixels`; the factor has 1 / pixels in it. */
struct pw_mean_s8 {
    int32_t pixels, channels;
    int32_t offset;
    struct pw_factor factor;
    struct pw_result result;
};
void pw_mean_s8(const struct pw_mean_s8 *layer, const int8_t *input, int8_t *output);

/* The second input repeats after `period` numbers. */
struct pw_multiply_s8 {
    int32_t numbers, period;
    int16_t zero_points[2];
    struct pw_factor factor;
    struct pw_result result;
};
void pw_multiply_s8(const struct pw_multiply_s8 *layer, const int8_t *first, const int8_t *second, int8_t *output);

/* Copies `channels` numbers of each pixel to where `output_channels` lie a pixel; the output may overlap the input if
 * it begins behind. */
struct pw_concat_s8 {
    int32_t pixels, channels, output_channels;
};
void pw_concat_s8(const struct pw_concat_s8 *layer, const int8_t *input, int8_t *output);

/* Copies `rows` of so many bytes from one picture to another, or a part of it; starts and pitches are in bytes. */
struct pw_copy_s8 {
    int32_t rows, bytes, input_pitch, output_pitch, input_start, output_start;
};
void pw_copy_s8(const struct pw_copy_s8 *layer, const int8_t *input, int8_t *output);
void pw_clear_s8(int32_t numbers, int8_t *output);

/* Numbers stay where they are, or go to where the output begins, which may overlap the input if it begins before. */
void pw_keep_s8(int32_t numbers, const int8_t *input, int8_t *output);

/* `slopes` are one a channel, their zero point among them already. */
struct pw_prelu_s8 {
    int32_t pixels, channels;
    int16_t zero_point, slope_zero_point;
    struct pw_factor positive, negative;
    struct pw_result result;
    const int8_t *slopes;
};
void pw_prelu_s8(const struct pw_prelu_s8 *layer, const int8_t *input, int8_t *output);

/* `least_difference` is that from which on an exponential counts. */
struct pw_softmax_s8 {
    int32_t rows, classes;
    struct pw_factor factor;
    int32_t least_difference;
};
void pw_softmax_s8(const struct pw_softmax_s8 *layer, const int8_t *input, int8_t *output);

/* What `table` has for -128, -127, ... 127. */
void pw_table_s8(const int8_t *table, int32_t numbers, const int8_t *input, int8_t *output);

/* Bytes 0 ... 255 become -128 ... 127, in place. */
void pw_pixels_s8(int32_t numbers, int8_t *pixels);

/* Bytes become what the table of their channel has for them, in place; `tables` are `channels x 256`. */
void pw_pixels_table_s8(const int8_t *tables, int32_t channels, int32_t numbers, int8_t *pixels);

/* The index of the greatest number, the first of equals. */
int32_t pw_arg_max_s8(int32_t numbers, const int8_t *input);

#ifdef __cplusplus
}
#endif

#endif
