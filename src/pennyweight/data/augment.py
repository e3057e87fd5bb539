"""Batched augmentation on tensors: whole-pixel moves on uint8, the rest on float. Every draw is from one generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def flipped(images: Tensor, which: Tensor) -> Tensor:
    """uint8 `(batch, height, width, channels)` with the images in `which` (bool) mirrored left to right, in place."""
    index = which.nonzero().squeeze(1)
    images[index] = images[index].flip(2)
    return images


def shifted(images: Tensor, pixels: int, generator: Generator) -> Tensor:
    """uint8 `(batch, height, width, channels)`, each image moved by up to `pixels` each way; edges are reflected."""
    count, height, width, _ = images.shape
    side = 2 * pixels + 1
    rows = _reflected(height, pixels).to(images.device)
    columns = _reflected(width, pixels).to(images.device)
    move = torch.randint(side * side, (count,), generator=generator).to(images.device)
    moved = torch.empty_like(images)
    for choice, index in _groups(move):
        down, right = divmod(choice, side)
        picked = images[index]
        if down != pixels:
            picked = picked.index_select(1, rows[down : down + height])
        if right != pixels:
            picked = picked.index_select(2, columns[right : right + width])
        moved[index] = picked
    return moved


def _reflected(length: int, pixels: int) -> Tensor:
    """Source positions of `length + 2 * pixels` places, mirrored at the edges."""
    place = torch.arange(-pixels, length + pixels).abs()
    return torch.where(place >= length, 2 * (length - 1) - place, place).clamp(0, length - 1)


def _groups(move: Tensor) -> Iterator[tuple[int, Tensor]]:
    order = move.argsort(stable=True)
    choices, counts = torch.unique_consecutive(move[order], return_counts=True)
    yield from zip(choices.tolist(), torch.split(order, counts.tolist()), strict=True)


def warped(images: Tensor, degrees: float, crop: float, generator: Generator) -> Tensor:
    """Float `(batch, channels, height, width)`, each turned by up to `degrees` and cut to a random share of its area.

    The share is drawn from [`crop`, 1] and its place at random; pixels from outside repeat the edge.
    """
    count = len(images)
    draws = torch.rand((4, count), generator=generator).to(images.device)
    angle = (2 * draws[0] - 1) * math.radians(degrees)
    side = (crop + (1 - crop) * draws[1]).sqrt()
    spare = 1 - side
    height, width = images.shape[2:]
    cosine, sine = side * angle.cos(), side * angle.sin()
    row, column = (_centres(length).to(images.device) for length in (height, width))
    grid = images.new_empty(count, height, width, 2)
    # Rows and columns apart: F.affine_grid multiplies a small matrix for every pixel, which takes ten times as long.
    across, down = (2 * draws[2] - 1) * spare, (2 * draws[3] - 1) * spare
    _outer_sum(cosine, column, -sine * height / width, row, across, grid[..., 0])
    _outer_sum(sine * width / height, column, cosine, row, down, grid[..., 1])
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _centres(length: int) -> Tensor:
    """Where the pixels' centres lie between -1 and 1, as `grid_sample` has them without aligned corners."""
    return (2 * torch.arange(length) + 1) / length - 1


def _outer_sum(along: Tensor, column: Tensor, across: Tensor, row: Tensor, offset: Tensor, out: Tensor) -> None:
    """For each image `along` times the column plus `across` times the row plus `offset`, at every pixel."""
    columns = torch.addcmul(offset[:, None], along[:, None], column)
    torch.add(columns[:, None, :], (across[:, None] * row)[:, :, None], out=out)


def recolored(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """Float in [0, 255], `(batch, channels, height, width)`: brightness, contrast, saturation times 1 ± strength."""
    factors = 1 + strength * (2 * torch.rand((3, len(images), 1, 1, 1), generator=generator).to(images.device) - 1)
    images = images * factors[0]
    mean = images.mean((1, 2, 3), keepdim=True)
    images = torch.lerp(mean, images, factors[1])
    if images.shape[1] == 3:
        grey = images.mean(1, keepdim=True)
        images = torch.lerp(grey, images, factors[2])
    return images.clamp(0, 255)


def cut_out(images: Tensor, side: int, generator: Generator) -> Tensor:
    """Float `(batch, channels, height, width)`: a square of `side` pixels at a random place takes its image's mean."""
    height, width = images.shape[2:]
    top = torch.randint(1 - side, height, (len(images), 1), generator=generator).to(images.device)
    left = torch.randint(1 - side, width, (len(images), 1), generator=generator).to(images.device)
    row, column = (torch.arange(length, device=images.device) for length in (height, width))
    rows = (row >= top) & (row < top + side)
    columns = (column >= left) & (column < left + side)
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(hole, images.mean((2, 3), keepdim=True), images)


def mixing(count: int, alpha: float, generator: Generator) -> Callable[[Tensor], Tensor]:
    """A function that blends each of `count` rows with another by a share from Beta(alpha, alpha).

    It takes images, target probabilities and whatever else belongs to them: the pairs and the share stay the same.
    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    """
    gammas = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator)
    share = float(gammas[0] / gammas.sum())
    other = torch.randperm(count, generator=generator)

    def mix(rows: Tensor) -> Tensor:
        return torch.lerp(rows[other.to(rows.device)], rows, share)

    return mix
