/* Fully connected layer for wide vector units of PCs; `scratch` takes the input. */
#include "tiles.h"

void pw_dense_tiles_s8(const struct pw_dense_tiles_s8 *layer, const int8_t *input, int8_t *output, void *scratch)
{
    const struct pw_runs runs = {1, 1, layer->features, 0, 0};
    struct pw_tile tile = {layer->weights, layer->bias, layer->multiplier, layer->shift, 0, 0, layer->result};
    pw_tile_numbers(scratch, input, layer->features);
    for (int32_t unit = 0; unit < layer->units; unit += PW_TILE, output += PW_TILE) {
        tile.count = layer->units - unit < PW_TILE ? layer->units - unit : PW_TILE;
        tile.is_small = pw_tile_is_small(tile.shift);
        pw_tile(&tile, &runs, scratch, 0, output, 0, 1);
        tile.weights += ((layer->features + 3) & ~3) * PW_TILE;
        tile.bias += PW_TILE;
        tile.multiplier += PW_TILE;
        tile.shift += PW_TILE;
    }
}
