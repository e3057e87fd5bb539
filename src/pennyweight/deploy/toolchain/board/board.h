/* What a program may ask of whatever it runs on.
 *
 * These four functions do nothing by themselves. An emulator, or a debugger on a real board, watches their addresses
 * and acts when a program calls them; a program for a real board may define its own instead, for they are weak.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes of the input, in order, were written to `target`: `bytes`, or fewer where the input ends. */
size_t board_read(void *target, size_t bytes);

/* Appends to the output. Returns `bytes`. */
size_t board_write(const void *source, size_t bytes);

/* Says that what runs from here on, up to the next mark, belongs to `mark`. */
void board_mark(uint32_t mark);

/* Ends the program; 0 says that all is well. main's return value becomes `code`. */
__attribute__((noreturn)) void board_exit(int code);

#endif
