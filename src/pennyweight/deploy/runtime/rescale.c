/* What pw_rescale_sum leaves to a call, as it is rare. */
#include "fixed_point.h"

int32_t pw_rescale_large(int32_t sum, int32_t multiplier, int32_t shift)
{
    return pw_rescale(sum, multiplier, shift);
}
