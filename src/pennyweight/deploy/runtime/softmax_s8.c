/* Softmax along the last axis: exponentials of differences to the greatest number, by gemmlowp's polynomials. */
#include "fixed_point.h"

#define INTEGER_BITS 5     /* of a difference */
#define SUM_INTEGER_BITS 12 /* of the sum of exponentials */

static int32_t saturating_shift_left(int32_t value, int32_t exponent)
{
    const int32_t most = INT32_MAX >> exponent, least = INT32_MIN >> exponent;
    return value > most ? INT32_MAX : value < least ? INT32_MIN : value * (1 << exponent);
}

/* exp(a) in 31 fractional bits, for a <= 0 in 26. */
static int32_t exponential(int32_t a)
{
    /* exp(-2^k) for k = -2 ... 4, in 31 fractional bits */
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << (31 - INTEGER_BITS - 2);
    int32_t result, part, remainder, x, square, fourth, cube, tail;
    if (a == 0) {
        return INT32_MAX;
    }
    part = (a & (quarter - 1)) - quarter;
    remainder = part - a;
    x = saturating_shift_left(part, INTEGER_BITS) + (1 << 28);
    square = pw_high_multiply(x, x);
    cube = pw_high_multiply(square, x);
    fourth = pw_divide_by_power(pw_high_multiply(square, square), 2);
    tail = pw_divide_by_power(pw_high_multiply(fourth + cube, 715827883) + square, 1);
    result = 1895147668 + pw_high_multiply(x + tail, 1895147668);
    for (int32_t i = 0; i < 7; i++) {
        if ((remainder & (quarter << i)) != 0) {
            result = pw_high_multiply(result, factors[i]);
        }
    }
    return result;
}

/* 1 / (1 + a) in 31 fractional bits, for a in [0, 1) in 31, by Newton's method. */
static int32_t one_over_one_plus(int32_t a)
{
    const int32_t half_denominator = (int32_t)(((uint32_t)a + (uint32_t)INT32_MAX + 1u) >> 1);
    int32_t x = 1515870810 + pw_high_multiply(half_denominator, -1010580540);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - pw_high_multiply(half_denominator, x);
        x += saturating_shift_left(pw_high_multiply(x, error), 2);
    }
    return saturating_shift_left(x, 1);
}

static int32_t scaled_exponential(const struct pw_softmax_s8 *layer, int32_t difference)
{
    return exponential(pw_high_multiply(pw_shift_left(difference, layer->factor.shift), layer->factor.multiplier));
}

void pw_softmax_s8(const struct pw_softmax_s8 *layer, const int8_t *input, int8_t *output)
{
    const struct pw_result result = {0, 255, INT8_MIN};
    for (int32_t row = 0; row < layer->rows; row++, input += layer->classes, output += layer->classes) {
        int32_t greatest = INT8_MIN, sum = 0, headroom = 0, reciprocal, exponent;
        uint32_t shifted;
        for (int32_t i = 0; i < layer->classes; i++) {
            greatest = input[i] > greatest ? input[i] : greatest;
        }
        for (int32_t i = 0; i < layer->classes; i++) {
            if (input[i] - greatest >= layer->least_difference) {
                sum += pw_divide_by_power(scaled_exponential(layer, input[i] - greatest), SUM_INTEGER_BITS);
            }
        }
        /* The sum is less than 2^31, as classes are fewer than 4096. */
        for (shifted = (uint32_t)sum; (shifted & 0x80000000u) == 0; shifted <<= 1) {
            headroom++;
        }
        exponent = SUM_INTEGER_BITS - headroom + 31 - 8;
        exponent = exponent < 32 ? exponent : 32; /* nothing is left of the value */
        reciprocal = one_over_one_plus((int32_t)(shifted & 0x7FFFFFFFu));
        for (int32_t i = 0; i < layer->classes; i++) {
            int32_t value = 0;
            if (input[i] - greatest >= layer->least_difference) {
                value = pw_high_multiply(scaled_exponential(layer, input[i] - greatest), reciprocal);
                value = pw_divide_by_power(value, exponent);
            }
            output[i] = pw_clamp(value, result);
        }
    }
}
