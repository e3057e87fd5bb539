"""Augmentation: what it may change, what it must keep, and that every draw is from the generator it is given."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from pennyweight.data import augment


def drawn(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def pixels(count: int, height: int, width: int, channels: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, height, width, channels), dtype=torch.uint8, generator=drawn(seed))


def floats(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    return 255 * torch.rand(count, channels, height, width, generator=drawn(seed))


SIDES = st.integers(1, 9)
SEEDS = st.integers(0, 2**31)


@given(SIDES, SIDES, st.sampled_from([1, 3]), SEEDS)
def test_two_flips_are_none_and_one_mirrors_only_the_chosen(height: int, width: int, channels: int, seed: int) -> None:
    images = pixels(5, height, width, channels, seed)
    which = torch.rand(5, generator=drawn(seed)) < 0.5
    once = augment.flipped(images.clone(), which)
    assert torch.equal(once[~which], images[~which])
    assert np.array_equal(once[which].numpy(), images[which].numpy()[:, :, ::-1])
    assert torch.equal(augment.flipped(once, which), images)


@given(st.integers(2, 8), st.integers(2, 8), st.sampled_from([1, 3]), st.integers(0, 9), SEEDS)
def test_a_shifted_image_is_a_crop_of_its_reflected_self(
    height: int, width: int, channels: int, pixels_each_way: int, seed: int
) -> None:
    by = min(pixels_each_way, height - 1, width - 1)
    images = pixels(6, height, width, channels, seed)
    moved = augment.shifted(images, by, drawn(seed))
    assert moved.shape == images.shape
    padded = np.pad(images.numpy(), ((0, 0), (by, by), (by, by), (0, 0)), mode="reflect")
    places = range(2 * by + 1)
    for image, source in zip(moved.numpy(), padded, strict=True):
        crops = (source[down : down + height, right : right + width] for down in places for right in places)
        assert any(np.array_equal(image, crop) for crop in crops)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 64))
def test_a_shift_by_more_than_the_image_still_shows_its_pixels(height: int, width: int, by: int) -> None:
    images = pixels(4, height, width, 1)
    moved = augment.shifted(images, by, drawn(by))
    for image, source in zip(moved, images, strict=True):
        assert set(image.flatten().tolist()) <= set(source.flatten().tolist())


def test_every_move_is_drawn_about_equally_often() -> None:
    image = torch.arange(49, dtype=torch.uint8).view(1, 7, 7, 1).expand(9000, 7, 7, 1)
    moved = augment.shifted(image, 1, drawn(0))
    _, counts = moved[:, 3, 3, 0].unique(return_counts=True)
    assert len(counts) == 9
    assert 850 < counts.min() <= counts.max() < 1150


@given(st.integers(2, 12), st.integers(2, 12), st.sampled_from([1, 3]), SEEDS)
def test_no_turn_and_no_crop_change_nothing(height: int, width: int, channels: int, seed: int) -> None:
    images = floats(3, channels, height, width, seed)
    assert torch.allclose(augment.warped(images, 0.0, 1.0, drawn(seed)), images, atol=0.02)


@given(st.floats(0, 180), st.floats(0.05, 1), st.integers(2, 12), st.integers(2, 12), SEEDS)
def test_a_warped_image_has_no_value_that_its_pixels_do_not_enclose(
    degrees: float, crop: float, height: int, width: int, seed: int
) -> None:
    images = floats(3, 1, height, width, seed)
    out = augment.warped(images, degrees, crop, drawn(seed)).flatten(1)
    assert (out >= images.flatten(1).amin(1, keepdim=True) - 0.01).all()
    assert (out <= images.flatten(1).amax(1, keepdim=True) + 0.01).all()


@pytest.mark.parametrize(("height", "width"), [(33, 33), (21, 41)])
def test_a_turn_is_stiff_on_wide_and_on_square_images(height: int, width: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = ((rows - (height - 1) / 2) ** 2 + (columns - (width - 1) / 2) ** 2).sqrt()
    disc = (distance < 8).float().expand(16, 1, height, width)
    out = augment.warped(disc, 180.0, 1.0, drawn(3))
    assert (out - disc).abs().mean() < 0.02


@given(st.floats(0, 180), st.floats(0.3, 1), st.integers(2, 40), st.integers(2, 40), SEEDS)
def test_a_warped_image_is_what_torch_makes_of_the_same_turn_and_crop(
    degrees: float, crop: float, height: int, width: int, seed: int
) -> None:
    images = floats(2, 1, height, width, seed)
    draws = torch.rand((4, 2), generator=drawn(seed))
    angle = (2 * draws[0] - 1) * math.radians(degrees)
    side = (crop + (1 - crop) * draws[1]).sqrt()
    cosine, sine = side * angle.cos(), side * angle.sin()
    along, down = ((1 - side) * (2 * draws[axis] - 1) for axis in (2, 3))
    first = torch.stack([cosine, -sine * height / width, along], 1)
    second = torch.stack([sine * width / height, cosine, down], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), [2, 1, height, width], align_corners=False)
    told = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    assert torch.allclose(augment.warped(images, degrees, crop, drawn(seed)), told, atol=0.05)


def test_a_crop_keeps_its_share_of_the_area() -> None:
    ramp = torch.arange(64.0).expand(500, 1, 64, 64)
    out = augment.warped(ramp, 0.0, 0.25, drawn(0))
    seen = (out[:, 0, 32, -1] - out[:, 0, 32, 0]) / 63
    assert 0.5 - 0.02 < seen.min() < 0.55
    assert 0.95 < seen.max() <= 1.001


@given(st.sampled_from([1, 2, 3]), SEEDS)
def test_colours_of_no_strength_change_nothing(channels: int, seed: int) -> None:
    images = floats(4, channels, 5, 6, seed)
    assert torch.equal(augment.recolored(images, 0.0, drawn(seed)), images)


@given(st.floats(0, 1), st.sampled_from([1, 3]), SEEDS)
def test_recoloured_pixels_stay_pixels_and_grey_stays_grey(strength: float, channels: int, seed: int) -> None:
    images = floats(4, 1, 5, 6, seed).expand(4, channels, 5, 6)
    out = augment.recolored(images, strength, drawn(seed))
    assert out.min() >= 0
    assert out.max() <= 255
    assert torch.allclose(out, out[:, :1].expand_as(out), atol=1e-3)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 15), SEEDS)
def test_cutout_blanks_at_most_its_square_and_with_the_mean_of_the_image(
    height: int, width: int, side: int, seed: int
) -> None:
    images = floats(4, 2, height, width, seed)
    out = augment.cut_out(images, side, drawn(seed))
    changed = out != images
    assert (changed.flatten(2).sum(2) <= side**2).all()
    mean = images.mean((2, 3), keepdim=True).expand_as(images)
    assert torch.equal(out[changed], mean[changed])
    rows, columns = changed.any(1).any(2).sum(1), changed.any(1).any(1).sum(1)
    assert rows.max() <= side
    assert columns.max() <= side


def test_cutout_reaches_every_pixel() -> None:
    images = floats(3000, 1, 6, 8)
    assert (augment.cut_out(images, 3, drawn(0)) != images).any(0).all()


@given(st.floats(1e-3, 10), st.integers(1, 20), SEEDS)
def test_mixed_targets_sum_to_one_and_share_and_pairs_are_those_of_the_images(
    alpha: float, count: int, seed: int
) -> None:
    targets = torch.eye(count)
    mix = augment.mixing(count, alpha, drawn(seed))
    out = mix(targets)
    assert torch.allclose(out.sum(1), torch.ones(count), atol=1e-5)
    assert ((out >= 0) & (out <= 1)).all()
    assert ((out > 0).sum(1) <= 2).all()
    images = floats(count, 1, 3, 3, seed)
    assert torch.allclose(mix(images), (out @ images.flatten(1)).view_as(images), atol=1e-2)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_share_of_a_mixture_has_the_spread_of_its_beta_distribution(alpha: float) -> None:
    generator = drawn(0)
    shares = torch.stack([augment.mixing(2, alpha, generator)(torch.eye(2))[0, 0] for _ in range(4000)])
    shares = shares[shares < 1]  # a row that was paired with itself says nothing
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_a_tiny_alpha_mixes_nothing() -> None:
    generator = drawn(0)
    shares = torch.stack([augment.mixing(2, 0.02, generator)(torch.eye(2))[0] for _ in range(300)])
    assert float((shares.amax(1) > 0.99).float().mean()) > 0.9


AUGMENTATIONS: dict[str, Callable[[Generator], Tensor]] = {
    "shifted": lambda g: augment.shifted(pixels(8, 6, 6, 3), 2, g),
    "warped": lambda g: augment.warped(floats(8, 3, 6, 6), 30, 0.5, g),
    "recolored": lambda g: augment.recolored(floats(8, 3, 6, 6), 0.4, g),
    "cut_out": lambda g: augment.cut_out(floats(8, 3, 6, 6), 3, g),
    "mixing": lambda g: augment.mixing(8, 0.4, g)(floats(8, 3, 6, 6)),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_all_is_drawn_from_the_generator_that_is_given(name: str) -> None:
    augmentation = AUGMENTATIONS[name]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = augmentation(drawn(5))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(augmentation(drawn(5)), first)
    assert not torch.equal(augmentation(drawn(6)), first)
