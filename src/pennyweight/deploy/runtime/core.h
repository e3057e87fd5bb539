/* What the core is made for: its own instructions where a compiler would not find them. */
#ifndef CORE_H
#define CORE_H

#include "fixed_point.h"

#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__)
#include <arm_mve.h>
#define PW_MVE 1
#endif

#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
#define PW_DSP 1
#elif (defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)) && defined(__GNUC__)
#define PW_V6M 1
#endif

#if (defined(__arm__) || defined(__riscv)) && defined(__GNUC__)
/* At once: a compiler that first makes all products runs out of registers. */
#define PW_NOW(sum) __asm__ volatile("" : "+r"(sum))
#else
#define PW_NOW(sum) ((void)0)
#endif

#ifdef PW_DSP

#include <string.h>

/* Four bytes from anywhere. */
PW_INLINE uint32_t pw_load_word(const int8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

PW_INLINE uint32_t pw_sxtb16(uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtb16 %0, %1" : "=r"(halves) : "r"(bytes));
    return halves;
}

PW_INLINE uint32_t pw_sxtb16_8(uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(bytes));
    return halves;
}

/* a * b / 2^32, a half rounded up. */
PW_INLINE int32_t pw_smmulr(int32_t a, int32_t b)
{
    int32_t product;
    __asm__("smmulr %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

/* value / 2, rounded down, as int8; what is outside becomes its least or greatest. */
PW_INLINE int32_t pw_half_ssat8(int32_t value)
{
    int32_t saturated;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(saturated) : "r"(value));
    return saturated;
}

/* The greater, or the lesser, of four int8s each. */
PW_INLINE uint32_t pw_max_s8x4(uint32_t a, uint32_t b)
{
    uint32_t greater;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(greater) : "r"(a), "r"(b) : "cc");
    return greater;
}

PW_INLINE uint32_t pw_min_s8x4(uint32_t a, uint32_t b)
{
    uint32_t lesser;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(lesser) : "r"(a), "r"(b) : "cc");
    return lesser;
}

/* sum + a * b of the lower halves + a * b of the upper ones. Volatile, as only in the order of the source do eight sums,
 * two numbers and two weights fit into the registers. */
#define PW_SMLAD(sum, a, b) __asm__ volatile("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b))

/* The same of the lower halves alone, and of the upper ones. */
#define PW_SMLABB(sum, a, b) __asm__ volatile("smlabb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b))
#define PW_SMLATT(sum, a, b) __asm__ volatile("smlatt %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b))

/* pw_sxtb16 and pw_sxtb16_8, and the halves of `more` added. */
PW_INLINE uint32_t pw_sxtab16(uint32_t more, uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtab16 %0, %1, %2" : "=r"(halves) : "r"(more), "r"(bytes));
    return halves;
}

PW_INLINE uint32_t pw_sxtab16_8(uint32_t more, uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(halves) : "r"(more), "r"(bytes));
    return halves;
}

/* struct pw_result, for four results at once. */
struct pw_four {
    int32_t rounding, has_limits;
    uint32_t least, greatest;
};

PW_INLINE struct pw_four pw_four(struct pw_result result)
{
    struct pw_four four;
    four.rounding = 2 * result.zero_point + 1;
    four.least = ((uint32_t)(result.least + result.zero_point) & 0xFFu) * 0x01010101u;
    four.greatest = ((uint32_t)(result.greatest + result.zero_point) & 0xFFu) * 0x01010101u;
    four.has_limits = four.least != 0x80808080u || four.greatest != 0x7F7F7F7Fu;
    return four;
}

/* pw_rescale_sum with a shift that is not negative, then the zero point and the ends of int8, as byte `at` of `word`. */
PW_INLINE uint32_t pw_with_result(uint32_t word, int32_t at, int32_t sum, int32_t multiplier, uint32_t shift,
                                  int32_t rounding)
{
    const int32_t value = pw_smmulr(sum * 2, multiplier);
    const uint32_t result = (uint32_t)pw_half_ssat8(((value + (value >> 31)) >> shift) + rounding);
    const uint32_t byte = 0xFFu << (8 * at);
    return (word & ~byte) | ((result << (8 * at)) & byte);
}

PW_INLINE uint32_t pw_within_limits(uint32_t word, const struct pw_four *four)
{
    return four->has_limits ? pw_min_s8x4(pw_max_s8x4(word, four->least), four->greatest) : word;
}

#endif

#endif
