/* memcpy and memset, which compilers call also where the source does not. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t __attribute__((may_alias)) word;

/* In a loop: hides from the compiler that the loop does memcpy's work, or it would call memcpy for it. */
#define AS_WRITTEN __asm__ volatile("")

static int whole_words(const void *first, const void *second)
{
    return (((uintptr_t)first | (uintptr_t)second) & 3u) == 0u;
}

static void fill(uint8_t *to, uint8_t value, size_t bytes)
{
    if (whole_words(to, to)) {
        for (; bytes >= 4u; bytes -= 4u, to += 4) {
            *(word *)(void *)to = 0x01010101u * value;
            AS_WRITTEN;
        }
    }
    for (; bytes > 0u; bytes--) {
        *to++ = value;
        AS_WRITTEN;
    }
}

void *memcpy(void *restrict target, const void *restrict source, size_t bytes)
{
    uint8_t *to = target;
    const uint8_t *from = source;
    if (whole_words(target, source)) {
        for (; bytes >= 4u; bytes -= 4u, to += 4, from += 4) {
            *(word *)(void *)to = *(const word *)(const void *)from;
            AS_WRITTEN;
        }
    }
    for (; bytes > 0u; bytes--) {
        *to++ = *from++;
        AS_WRITTEN;
    }
    return target;
}

void *memset(void *target, int value, size_t bytes)
{
    fill(target, (uint8_t)value, bytes);
    return target;
}

#ifdef __arm__
/* The names under which Arm's compilers call them (Run-time ABI for the Arm Architecture, 5.3.4). */
void *__aeabi_memcpy(void *, const void *, size_t) __attribute__((alias("memcpy")));
void *__aeabi_memcpy4(void *, const void *, size_t) __attribute__((alias("memcpy")));
void *__aeabi_memcpy8(void *, const void *, size_t) __attribute__((alias("memcpy")));
void __aeabi_memset(void *target, size_t bytes, int value);
void __aeabi_memset4(void *, size_t, int) __attribute__((alias("__aeabi_memset")));
void __aeabi_memset8(void *, size_t, int) __attribute__((alias("__aeabi_memset")));
void __aeabi_memclr(void *target, size_t bytes);
void __aeabi_memclr4(void *, size_t) __attribute__((alias("__aeabi_memclr")));
void __aeabi_memclr8(void *, size_t) __attribute__((alias("__aeabi_memclr")));

void __aeabi_memset(void *target, size_t bytes, int value)
{
    fill(target, (uint8_t)value, bytes);
}

void __aeabi_memclr(void *target, size_t bytes)
{
    fill(target, 0u, bytes);
}
#endif
