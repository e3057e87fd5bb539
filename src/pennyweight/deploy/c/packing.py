"""How the weights of convolutions and dense layers lie in flash: in the order in which innermost loops read them.

In blocks, for cores that multiply a few numbers at once (`conv_s8`, `dense_s8`); in rows, for vector units
(`conv_rows_s8`, `dense_rows_s8`); in tiles, for those of PCs (`conv_tiles_s8`, `dense_tiles_s8`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pennyweight.net.integer.quantization import Int8
from pennyweight.net.kernels import BLOCK, TILE, VECTOR, up_to

_FILTER = [0, 1, 0, 1, 2, 3, 2, 3] * 2
_NUMBER = [0, 0, 2, 2, 0, 0, 2, 2, 1, 1, 3, 3, 1, 1, 3, 3]
"""Of filters a … d and numbers 0 … 3 the order a0 b0 a2 b2, c0 d0 c2 d2, a1 b1 a3 b3, c1 d1 c3 d3: SXTB16 takes bytes
0 and 2 of a word, so that one word gives two numbers of each of two filters (`pennyweight.h`)."""


def in_blocks(filters: Int8) -> npt.NDArray[np.uint32]:
    """Words for weights `(filters, numbers)`; absent filters and numbers are 0."""
    count, numbers = filters.shape
    padding = ((0, up_to(BLOCK, count) - count), (0, up_to(BLOCK, numbers) - numbers))
    blocks = np.pad(filters, padding).reshape(-1, BLOCK, up_to(BLOCK, numbers) // BLOCK, BLOCK).transpose(0, 2, 1, 3)
    words: npt.NDArray[np.uint32] = np.ascontiguousarray(blocks[:, :, _FILTER, _NUMBER]).view("<u4").ravel()
    return words


def in_rows(filters: Int8) -> Int8:
    """Weights `(filters, numbers)` as `(fours, 2 pairs, vectors, 2 filters, 16 numbers)`; absent ones are 0.

    The pairs are filters 0 and 2, then 1 and 3: Helium moves two sums at once into lanes 0 and 2 or 1 and 3.
    """
    count, numbers = filters.shape
    vectors = up_to(VECTOR, numbers) // VECTOR
    padded = np.pad(filters, ((0, up_to(BLOCK, count) - count), (0, vectors * VECTOR - numbers)))
    return np.ascontiguousarray(padded.reshape(-1, 2, 2, vectors, VECTOR).transpose(0, 2, 3, 1, 4))


def in_tiles(filters: Int8) -> Int8:
    """Weights `(filters, runs, numbers)` as `(tiles, runs, fours, 16 filters, 4 numbers)`; absent ones are 0."""
    count, runs, numbers = filters.shape
    tiles, fours = up_to(TILE, count) // TILE, up_to(BLOCK, numbers) // BLOCK
    padded = np.pad(filters, ((0, tiles * TILE - count), (0, 0), (0, fours * BLOCK - numbers)))
    return np.ascontiguousarray(padded.reshape(tiles, TILE, runs, fours, BLOCK).transpose(0, 2, 3, 1, 4))
