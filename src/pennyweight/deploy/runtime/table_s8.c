/* A function of one number, looked up. `output` may be the input. */
#include "pennyweight.h"

void pw_table_s8(const int8_t *table, int32_t numbers, const int8_t *input, int8_t *output)
{
    for (int32_t i = 0; i < numbers; i++) {
        output[i] = table[input[i] + 128];
    }
}
