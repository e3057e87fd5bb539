"""Pictures of one size and colour made into another."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pennyweight.core.errors import DataError
from pennyweight.data.images import CHANNELS, Pixels, is_picture

MODES = dict(zip(CHANNELS, ("L", "RGB"), strict=True))
"""Channels -> the name that Pillow has for them."""


def resize(pixels: Pixels, input_shape: tuple[int, int, int]) -> Pixels:
    """The pictures `(count, height, width, channels)` as `(count, *input_shape)`; the same array if nothing changes.

    A picture is stretched to the new height and width, never cropped or padded, by Pillow's bilinear filter, whose
    support grows with the scale: every source pixel counts, so that nothing aliases. Colour becomes grey by the luma
    of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), grey becomes colour as three equal channels.
    Raises DataError where the channels are neither 1 nor 3 or a side is not positive.

    >>> resize(np.full((2, 4, 4, 3), 7, np.uint8), (2, 3, 1)).shape
    (2, 2, 3, 1)
    """
    check_shape(input_shape)
    check_shape(pixels.shape[1:])
    if pixels.shape[1:] == input_shape:
        return pixels
    resized = np.empty((len(pixels), *input_shape), np.uint8)
    for before, after in zip(pixels, resized, strict=True):
        after[:] = stretched(Image.fromarray(before[..., 0] if before.shape[2] == 1 else before), input_shape)
    return resized


def stretched(picture: Image.Image, input_shape: tuple[int, int, int]) -> Pixels:
    """A grey or RGB `picture` as `(height, width, channels)`, stretched and recoloured as `resize` says."""
    height, width, channels = input_shape
    if channels == 1:
        picture = picture.convert("L")
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(picture)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    return np.broadcast_to(array, input_shape)


def check_shape(shape: tuple[int, ...]) -> None:
    """Raises DataError unless `shape` is a height, a width and 1 or 3 channels."""
    if not is_picture(shape):
        raise DataError(
            f"images must be height x width x channels with 1 or 3 channels, not {'x'.join(map(str, shape))}",
            hint="give a shape such as 28x28x1 (grey) or 32x32x3 (colour)",
        )
