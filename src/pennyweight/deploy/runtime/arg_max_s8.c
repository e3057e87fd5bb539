/* Which of the answers is the greatest. */
#include "pennyweight.h"

int32_t pw_arg_max_s8(int32_t numbers, const int8_t *input)
{
    int32_t best = 0;
    for (int32_t i = 1; i < numbers; i++) {
        if (input[i] > input[best]) {
            best = i;
        }
    }
    return best;
}
