/* A camera's bytes as int8: less 128, or by a table for each channel. */
#include "pennyweight.h"

void pw_pixels_s8(int32_t numbers, int8_t *pixels)
{
    for (int32_t i = 0; i < numbers; i++) {
        pixels[i] = (int8_t)(pixels[i] ^ INT8_MIN);
    }
}

void pw_pixels_table_s8(const int8_t *tables, int32_t channels, int32_t numbers, int8_t *pixels)
{
    for (int32_t i = 0; i < numbers; i += channels) {
        for (int32_t channel = 0; channel < channels; channel++) {
            pixels[i + channel] = tables[channel * 256 + (uint8_t)pixels[i + channel]];
        }
    }
}
