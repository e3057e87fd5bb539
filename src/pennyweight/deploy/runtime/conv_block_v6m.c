/* The innermost loop of a convolution for ARMv6-M, which multiplies two registers of the lower eight into one of them,
 * adds to any, and loads bytes with a constant offset without a sign only. So numbers and weights have 128 added; what
 * that adds to a sum is in the bias and in the patch's `less`. Six of the eight sums lie in r8 to r12 and lr. */
#include "conv_block.h"

#ifdef PW_V6M

/* Two pixels' numbers `at`, in r4 and r5; then what one filter's weight adds to its two sums. */
#define NUMBERS(at) "ldrb r4, [r0, #" #at "]\n\t" "ldrb r5, [r2, #" #at "]\n\t"
#define FILTER(at, first, second)                                                                                      \
    "ldrb r3, [r1, #" #at "]\n\t" "muls r3, r4, r3\n\t" "add " first ", " first ", r3\n\t"                             \
    "ldrb r3, [r1, #" #at "]\n\t" "muls r3, r5, r3\n\t" "add " second ", " second ", r3\n\t"
#define LAST_FILTER(at, first, second)                                                                                 \
    "ldrb r3, [r1, #" #at "]\n\t" "muls r4, r3, r4\n\t" "add " first ", " first ", r4\n\t"                             \
    "muls r5, r3, r5\n\t" "add " second ", " second ", r5\n\t"

__asm__(".syntax unified\n\t"
        ".thumb\n\t"
        ".section .text.pw_conv_block_v6m, \"ax\", %progbits\n\t"
        ".balign 4\n\t"
        ".global pw_conv_block_v6m\n\t"
        ".type pw_conv_block_v6m, %function\n\t"
        ".thumb_func\n"
        "pw_conv_block_v6m:\n\t"
        "push {r4-r7, lr}\n\t"
        "mov r4, r8\n\t"
        "mov r5, r9\n\t"
        "mov r6, r10\n\t"
        "mov r7, r11\n\t"
        "push {r4-r7}\n\t"
        "sub sp, #20\n\t" /* end of the run, skip, run, rows, sums */
        "str r3, [sp, #16]\n\t"
        "ldr r4, [r0, #4]\n\t"
        "str r4, [sp, #12]\n\t"
        "ldr r4, [r0, #8]\n\t"
        "str r4, [sp, #8]\n\t"
        "ldr r5, [r0, #12]\n\t"
        "subs r5, r5, r4\n\t"
        "str r5, [sp, #4]\n\t"
        "ldr r4, [r0, #20]\n\t" /* less, of both pixels */
        "ldr r5, [r0, #24]\n\t"
        "ldr r3, [r2, #0]\n\t"
        "subs r6, r3, r4\n\t"
        "mov r8, r6\n\t"
        "subs r6, r3, r5\n\t"
        "mov r12, r6\n\t"
        "ldr r3, [r2, #4]\n\t"
        "subs r6, r3, r4\n\t"
        "mov r9, r6\n\t"
        "subs r6, r3, r5\n\t"
        "mov lr, r6\n\t"
        "ldr r3, [r2, #8]\n\t"
        "subs r6, r3, r4\n\t"
        "mov r10, r6\n\t"
        "subs r6, r3, r5\n\t"
        "ldr r3, [r2, #12]\n\t"
        "subs r7, r3, r4\n\t"
        "mov r11, r7\n\t"
        "subs r7, r3, r5\n\t"
        "ldr r3, [r0, #16]\n\t"
        "ldr r0, [r0, #0]\n\t"
        "adds r2, r0, r3\n"
        "1:\n\t"
        "ldr r3, [sp, #8]\n\t"
        "adds r3, r3, r0\n\t"
        "str r3, [sp, #0]\n"
        "2:\n\t" /* bytes a0 b0 a2 b2, c0 d0 c2 d2, a1 b1 a3 b3, c1 d1 c3 d3 */
        NUMBERS(0) FILTER(0, "r8", "r12") FILTER(1, "r9", "lr") FILTER(4, "r10", "r6") LAST_FILTER(5, "r11", "r7")
        NUMBERS(1) FILTER(8, "r8", "r12") FILTER(9, "r9", "lr") FILTER(12, "r10", "r6") LAST_FILTER(13, "r11", "r7")
        NUMBERS(2) FILTER(2, "r8", "r12") FILTER(3, "r9", "lr") FILTER(6, "r10", "r6") LAST_FILTER(7, "r11", "r7")
        NUMBERS(3) FILTER(10, "r8", "r12") FILTER(11, "r9", "lr") FILTER(14, "r10", "r6") LAST_FILTER(15, "r11", "r7")
        "adds r0, #4\n\t"
        "adds r2, #4\n\t"
        "adds r1, #16\n\t"
        "ldr r3, [sp, #0]\n\t"
        "cmp r0, r3\n\t"
        "bne 2b\n\t"
        "ldr r3, [sp, #4]\n\t"
        "adds r0, r0, r3\n\t"
        "adds r2, r2, r3\n\t"
        "ldr r3, [sp, #12]\n\t"
        "subs r3, #1\n\t"
        "str r3, [sp, #12]\n\t"
        "beq 3f\n\t"
        "b 1b\n"
        "3:\n\t"
        "ldr r3, [sp, #16]\n\t"
        "mov r0, r8\n\t"
        "mov r1, r9\n\t"
        "mov r2, r10\n\t"
        "mov r4, r11\n\t"
        "stmia r3!, {r0, r1, r2, r4}\n\t"
        "mov r0, r12\n\t"
        "mov r1, lr\n\t"
        "stmia r3!, {r0, r1, r6, r7}\n\t"
        "add sp, #20\n\t"
        "pop {r4-r7}\n\t"
        "mov r8, r4\n\t"
        "mov r9, r5\n\t"
        "mov r10, r6\n\t"
        "mov r11, r7\n\t"
        "pop {r4-r7, pc}\n\t"
        ".size pw_conv_block_v6m, . - pw_conv_block_v6m\n\t"
        ".text\n");

#endif
