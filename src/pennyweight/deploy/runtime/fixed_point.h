/* TensorFlow Lite's fixed-point arithmetic: rounded twice, first in a high multiplication, then in a right shift. */
#ifndef FIXED_POINT_H
#define FIXED_POINT_H

#include "pennyweight.h"

#ifdef __GNUC__
#define PW_INLINE static inline __attribute__((always_inline, unused))
#define PW_APART __attribute__((noinline))
#else
#define PW_INLINE static inline
#define PW_APART
#endif

/* a * b / 2^31, a half rounded up; b is not the least int32. */
PW_INLINE int32_t pw_high_multiply(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* value / 2^exponent, a half rounded away from zero; value is not the least int32. */
PW_INLINE int32_t pw_divide_by_power(int32_t value, int32_t exponent)
{
    if (exponent == 0) {
        return value;
    }
    return (((value + (value >> 31)) >> (exponent - 1)) + 1) >> 1;
}

/* value * 2^exponent, what 32 bits keep of it. */
PW_INLINE int32_t pw_shift_left(int32_t value, int32_t exponent)
{
    return (int32_t)((uint32_t)value << exponent);
}

/* value times a real factor. */
PW_INLINE int32_t pw_rescale(int32_t value, int32_t multiplier, int32_t shift)
{
    if (shift > 0) {
        return pw_high_multiply(pw_shift_left(value, shift), multiplier);
    }
    return pw_divide_by_power(pw_high_multiply(value, multiplier), -shift);
}

/* a * b / 2^31 as above, of twice a; b is not negative. */
PW_INLINE int32_t pw_high_multiply_doubled(int32_t twice_a, int32_t b)
{
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
    /* These cores multiply to 32 bits only. */
    const int32_t upper_a = twice_a >> 16, lower_a = twice_a & 0xFFFF, upper_b = b >> 16, lower_b = b & 0xFFFF;
    const uint32_t lower = (uint32_t)lower_a * (uint32_t)lower_b;
    const int32_t middle = upper_a * lower_b + (int32_t)(lower >> 16);
    const uint32_t rest = (uint32_t)(lower_a * upper_b + (middle & 0xFFFF));
    return upper_a * upper_b + (middle >> 16) + (int32_t)((rest + 0x8000u) >> 16);
#else
    return (int32_t)(((int64_t)twice_a * b + ((int64_t)1 << 31)) >> 32);
#endif
}

int32_t pw_rescale_large(int32_t sum, int32_t multiplier, int32_t shift);

/* A sum times the factor of its filter. `shift` is one less than a shift to the right where the sum is surely below
 * 2^30 and the factor below 1/2; else it is the factor's own shift less 64, which is negative. */
PW_INLINE int32_t pw_rescale_sum(int32_t sum, int32_t multiplier, int32_t shift)
{
    if (shift >= 0) {
        const int32_t value = pw_high_multiply_doubled(sum * 2, multiplier);
        return (((value + (value >> 31)) >> shift) + 1) >> 1;
    }
    return pw_rescale_large(sum, multiplier, shift + 64);
}

/* The result within its limits, with its zero point. */
PW_INLINE int8_t pw_clamp(int32_t value, struct pw_result result)
{
    if (value < result.least) {
        value = result.least;
    }
    if (value > result.greatest) {
        value = result.greatest;
    }
    return (int8_t)(value + result.zero_point);
}

#endif
