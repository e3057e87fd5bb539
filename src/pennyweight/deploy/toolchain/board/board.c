#include "board.h"

/* Whoever watches puts the answer where the first argument is, in the register that is the return value's too. */
__attribute__((weak)) size_t board_read(void *target, size_t bytes)
{
    (void)bytes;
    return (size_t)(uintptr_t)target;
}

__attribute__((weak)) size_t board_write(const void *source, size_t bytes)
{
    (void)bytes;
    return (size_t)(uintptr_t)source;
}

__attribute__((weak)) void board_mark(uint32_t mark)
{
    (void)mark;
}

__attribute__((weak)) void board_exit(int code)
{
    (void)code;
    for (;;) {
    }
}
