"""Resizing and recolouring: area-true, ITU-R 601, and the same array where nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.errors import DataError
from pennyweight.data.resize import resize

SIDES = st.integers(1, 24)
CHANNELS = st.sampled_from([1, 3])
SHAPES = st.tuples(SIDES, SIDES, CHANNELS)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@given(before=SHAPES, after=SHAPES, count=st.integers(0, 3), value=st.integers(0, 255))
def test_a_flat_picture_keeps_its_value_in_every_shape(
    before: tuple[int, int, int], after: tuple[int, int, int], count: int, value: int
) -> None:
    resized = resize(np.full((count, *before), value, np.uint8), after)
    assert resized.shape == (count, *after)
    assert resized.dtype == np.uint8
    assert (resized == value).all()


def test_nothing_to_change_gives_the_same_array() -> None:
    pixels = noise(3, 5, 6, 3)
    assert resize(pixels, (5, 6, 3)) is pixels


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    chessboard = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[np.newaxis, ..., np.newaxis]
    shrunk = resize(chessboard, (8, 8, 1))
    assert np.abs(shrunk.astype(int) - 127.5).max() < 2


def test_colour_becomes_grey_by_the_luma_of_itu_r_601() -> None:
    pixels = noise(4, 9, 7, 3)
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(resize(pixels, (9, 7, 1))[..., 0] - luma).max() <= 0.51


def test_grey_becomes_three_equal_channels() -> None:
    pixels = noise(2, 6, 6, 1)
    assert np.array_equal(resize(pixels, (6, 6, 3)), np.repeat(pixels, 3, axis=3))


def test_pictures_stay_apart_from_each_other() -> None:
    pixels = noise(5, 12, 10, 3)
    together = resize(pixels, (6, 7, 3))
    assert all(np.array_equal(together[i], resize(pixels[i : i + 1], (6, 7, 3))[0]) for i in range(5))


@pytest.mark.parametrize("shape", [(8, 8, 2), (8, 8, 4), (0, 8, 1), (8, -1, 3)])
def test_a_shape_that_is_no_picture_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="1 or 3 channels"):
        resize(noise(1, 8, 8, 3), shape)


def test_pictures_of_two_channels_are_refused() -> None:
    with pytest.raises(DataError, match="8x8x2"):
        resize(noise(1, 8, 8, 2), (8, 8, 1))
