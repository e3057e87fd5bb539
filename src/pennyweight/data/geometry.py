"""How a set's pictures lie on their plain ground, and a photo brought to lie the same way.

MNIST's digits are light on dark, scaled with antialiasing until their longer side is 20 pixels, and their centre of
mass is the centre of 28x28 (LeCun, Cortes, Burges, The MNIST database of handwritten digits). A network that learned
them answers to nothing else, and no photo of paper looks so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from pennyweight.data.images import Part, Pixels

MEASURED = 500
"""From about so many pictures of a set, evenly taken, its geometry is measured."""

TOLERANCE = 20
"""A pixel belongs to a set's ground within so many levels of 255."""

PLAIN_SHARE = 0.95
"""So many pictures must have the ground on more than half of their border. In MNIST, Fashion-MNIST and scikit-learn's
digits all have it; in CIFAR-10, SVHN and cats against dogs 7 % at most."""

FAINT = 0.02
"""Contrast below this, five levels, is ground in any picture."""

BLANK = 0.08
"""A picture without contrast above this, twenty levels of white paper, is blank."""

SPECK = 0.03
"""A speck is smaller than this share of the largest thing in the picture."""

SPECK_AREA = 0.0003
"""And what is smaller than this share of the picture is a speck even alone. A stroke as long as half of the picture's
side and as thick as a hundredth of it has 17 times as much."""

THIN = 0.5
"""Strokes that are thinner than the set's by more pixels than this are thickened."""

GROUND_SIDE = 64
"""The ground of a photo is estimated on a copy of this side."""

ONE_INK = 0.15
"""A set has one ink where the contrasts of eight in ten of its pictures lie this close together. MNIST: 0.01,
scikit-learn's digits: 0.09; Fashion-MNIST, which has clothes of all shades: 0.25."""

SPARE_DETAIL = 8
"""What is found is drawn with so many pixels for one of the result, before it is scaled down."""

DEVIATION = 1.4826
"""The standard deviation of a normal distribution by its median absolute deviation."""

Levels = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a set's pictures lie on their ground.

    `ground` holds its level in each channel, one for a grey set; `box` is the longer side of what is drawn, in pixels,
    `centre` (y, x) where its centre lies: that of its mass or that of its box. `stroke` is how thick thin strokes are
    in pixels, `ink` the contrast of what is drawn in (0, 1], None where each picture has its own.
    """

    ground: tuple[int, ...]
    light_on_dark: bool
    box: int
    centred: Literal["mass", "box"]
    centre: tuple[float, float]
    stroke: float
    ink: float | None

    @staticmethod
    def of(part: Part) -> Geometry | None:
        """The geometry of a set's pictures, measured; None unless nearly all of them have a plain border."""
        pictures = part.images[:: max(1, len(part) // MEASURED)]
        border = np.concatenate([pictures[:, 0], pictures[:, -1], pictures[:, 1:-1, 0], pictures[:, 1:-1, -1]], 1)
        ground = np.median(border, (0, 1))
        plain = (np.abs(border - ground) <= TOLERANCE).all(2).mean(1)
        if (plain > 0.5).mean() < PLAIN_SHARE:
            return None
        levels = np.stack([_grey(picture) for picture in pictures])
        if (pictures == pictures[..., :1]).all():
            ground = ground[:1]
        level = float(ground.mean())
        light = bool((levels - level).sum() > 0)
        contrast = np.stack([_contrast(each, np.full_like(each, level), light) for each in levels])
        drawn = contrast > FAINT
        measured = [_measure(*each) for each in zip(contrast, drawn, strict=True) if each[1].any()]
        if not measured:
            return None
        masses, boxes, sides, strokes, inks = (np.array(column) for column in zip(*measured, strict=True))
        by_mass = masses.var(0).sum() <= boxes.var(0).sum()
        y, x = np.median(masses if by_mass else boxes, 0)
        return Geometry(
            ground=tuple(map(round, ground.tolist())),
            light_on_dark=light,
            box=int(np.median(sides)),
            centred="mass" if by_mass else "box",
            centre=(float(y), float(x)),
            stroke=float(np.quantile(strokes, 0.1)),
            ink=float(np.median(inks)) if np.ptp(np.quantile(inks, (0.1, 0.9))) < ONE_INK else None,
        )

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> Geometry:
        """The geometry that `to_json` gave. Raises KeyError, TypeError or ValueError where it cannot be one."""
        y, x = map(float, facts["centre"])
        made = Geometry(
            ground=tuple(map(int, facts["ground"])),
            light_on_dark=bool(facts["light_on_dark"]),
            box=int(facts["box"]),
            centred="mass" if facts["centred"] == "mass" else "box",
            centre=(y, x),
            stroke=float(facts["stroke"]),
            ink=None if facts["ink"] is None else float(facts["ink"]),
        )
        if (
            len(made.ground) not in (1, 3)
            or not all(0 <= level <= 255 for level in made.ground)
            or not 0 < made.stroke <= made.box
            or not all(map(math.isfinite, (y, x)))
            or not (made.ink is None or 0 < made.ink <= 1)
        ):
            raise ValueError(f"no geometry: {facts}")
        return made

    def to_json(self) -> dict[str, Any]:
        """The geometry as JSON types."""
        return asdict(self) | {"ground": list(self.ground), "centre": list(self.centre)}

    def __str__(self) -> str:
        polarity = "light on dark" if self.light_on_dark else "dark on light"
        return f"{polarity}, box of {self.box} pixels, centred by its {self.centred}"

    def fitted(self, picture: Pixels, input_shape: tuple[int, int, int]) -> Pixels:
        """A picture of any height and width as one of the set, `input_shape`; all ground where nothing is in it.

        The picture is grey or colour and has something on a ground of its own, even or unevenly lit, dark on light or
        light on dark. Half of the border must be ground.
        """
        height, width, _ = input_shape
        page = np.broadcast_to(np.array(self.ground, np.float64), (height, width, len(self.ground)))
        contrast, noise = _evened(_grey(picture))
        found = _found(contrast, noise)
        if found.any():
            rows, columns = (np.flatnonzero(found.any(axis)) for axis in (1, 0))
            box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            drawn = self._drawn(np.where(found, contrast, 0)[box], found[box], (height, width))
            if len(self.ground) == 1:
                page = page + self._placed(drawn, drawn, (height, width))[..., np.newaxis] * self._span
            else:
                coloured = np.where(found[..., np.newaxis], picture - page[0, 0], 0.0)[box]
                layers = [_resized(coloured[..., i], drawn.shape) for i in range(coloured.shape[2])]
                page = page + np.stack([self._placed(layer, drawn, (height, width)) for layer in layers], -1)
        return np.broadcast_to(page.round().clip(0, 255).astype(np.uint8), input_shape)

    @property
    def _span(self) -> int:
        """What full contrast adds to the ground of a grey set."""
        return 255 - self.ground[0] if self.light_on_dark else -self.ground[0]

    def _drawn(self, contrast: Levels, found: Mask, size: tuple[int, int]) -> Levels:
        """What is in the box, at the set's scale, with strokes no thinner and ink no paler than the set's."""
        side = min(self.box, max(size))
        scale = side / max(contrast.shape)
        # Scaling down by much spreads a stroke over up to one pixel more.
        missing = self.stroke - (_stroke(found) * scale + max(0.0, 1 - scale))
        if scale * SPARE_DETAIL < 1 or missing > THIN:
            contrast = _resized(contrast, _scaled(contrast.shape, scale * SPARE_DETAIL))
        if missing > THIN:
            reach = round(missing / 2 * SPARE_DETAIL)
            contrast = ndimage.maximum_filter(np.pad(contrast, reach), 2 * reach + 1)
        drawn = _resized(contrast, _scaled(contrast.shape, side / max(contrast.shape))).clip(0, None)
        return (drawn * (self.ink / _ink(drawn) if self.ink else 1)).clip(0, 1)

    def _placed(self, layer: Levels, drawn: Levels, size: tuple[int, int]) -> Levels:
        """`layer` in a picture of `size`, where the centre of `drawn` is the set's, and zero around it."""
        centre = _mass(drawn) if self.centred == "mass" else _middle(drawn.shape)
        placed = np.zeros(size)
        inside, outside = [], []
        for side, length, wanted, own in zip(size, layer.shape, self.centre, centre, strict=True):
            start = round(min(max(wanted - own, 0), side - length)) if length <= side else (side - length) // 2
            inside.append(slice(max(start, 0), min(start + length, side)))
            outside.append(slice(max(-start, 0), min(side - start, length)))
        placed[tuple(inside)] = layer[tuple(outside)]
        return placed


def _grey(picture: Pixels) -> Levels:
    """The luma of ITU-R BT.601, 0 … 255."""
    if picture.shape[2] == 1:
        return picture[..., 0].astype(np.float64)
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114]), np.float64)


def _contrast(levels: Levels, ground: Levels, light: bool) -> Levels:
    """How far each pixel is from its ground towards white or black, 0 … 1: paper's contrast whatever its light."""
    away = (levels - ground) / (255 - ground).clip(1) if light else (ground - levels) / ground.clip(1)
    return np.asarray(away.clip(0, 1), np.float64)


def _evened(levels: Levels) -> tuple[Levels, float]:
    """The contrast of what is on an unevenly lit ground, and the ground's noise in the same unit.

    The ground is a quadratic surface in x and y: fitted to the border first, without what departs from it, and then to
    all that is near it.
    """
    share = min(1.0, GROUND_SIDE / max(levels.shape))
    small = _resized(levels, _scaled(levels.shape, share))
    terms = _terms(small.shape)
    rim = max(1, max(small.shape) // 16)
    used = np.ones(small.shape, bool)
    used[rim:-rim, rim:-rim] = False
    border = used
    ground = np.full(small.shape, np.median(small[used]))
    for step in range(8):
        away = np.abs(small - ground)
        near = away <= max(3 * DEVIATION * float(np.median(away[used])), 6.0)
        used = near & border if step < 4 else near
        weights = np.linalg.lstsq(terms[used], small[used], rcond=None)[0]
        ground = terms @ weights
    whole = (_terms(levels.shape) @ weights).clip(0, 255)
    away = levels - whole
    plain = np.asarray(Image.fromarray(used).resize(away.shape[::-1], Image.Resampling.NEAREST))
    noise = DEVIATION * float(np.median(np.abs(away[plain])))
    threshold = max(4 * noise, 255 * FAINT)
    light = bool(away[away > threshold].sum() > -away[away < -threshold].sum())
    span = 255 - whole.mean() if light else whole.mean()
    return _contrast(levels, whole, light), noise / max(float(span), 1.0)


def _terms(size: tuple[int, ...]) -> Levels:
    """1, x, y, x², y² and xy of each pixel, `(height, width, 6)`, x and y in -1 … 1."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in size), indexing="ij")
    return np.stack([np.ones(size), x, y, x * x, y * y, x * y], -1)


def _found(contrast: Levels, noise: float) -> Mask:
    """Where something is: connected pixels above the noise, of which some are ink beyond doubt, without specks."""
    ink = _otsu(contrast)
    strong = contrast > max(ink, 5 * noise, BLANK)
    weak = contrast > max(min(12 * noise, ink / 2), 3 * noise, FAINT)
    parts, count = ndimage.label(weak, np.ones((3, 3)))
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    areas[0] = 0
    areas[np.setdiff1d(np.arange(count + 1), parts[strong])] = 0
    kept = areas >= max(SPECK * areas.max(), SPECK_AREA * contrast.size, 1)
    return np.asarray(kept[parts])


def _otsu(contrast: Levels) -> float:
    """The contrast that parts the pixels into two kinds of the least variance (N. Otsu, 1979)."""
    counts, edges = np.histogram(contrast, 256, (0, 1))
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = contrast.size - below
    sums = np.cumsum(counts * middle)
    means = sums / below.clip(1), (sums[-1] - sums) / above.clip(1)
    return float(edges[1 + np.argmax(below * above * (means[0] - means[1]) ** 2)])


def _measure(contrast: Levels, found: Mask) -> tuple[tuple[float, float], tuple[float, float], int, float, float]:
    """Centre of mass, centre of the box, its longer side, the thickness of strokes and the contrast of ink."""
    rows, columns = (np.flatnonzero(found.any(axis)) for axis in (1, 0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    y, x = _middle((height, width))
    return _mass(contrast), (rows[0] + y, columns[0] + x), max(height, width), _stroke(found), _ink(contrast)


def _mass(contrast: Levels) -> tuple[float, float]:
    y, x = ndimage.center_of_mass(contrast)
    return float(y), float(x)


def _middle(size: tuple[int, ...]) -> tuple[float, float]:
    return (size[0] - 1) / 2, (size[1] - 1) / 2


def _stroke(found: Mask) -> float:
    """How thick the strokes are: a line of length l and thickness t has the area l t and the outline 2 l."""
    inside = np.pad(found, 1)
    outline = (inside[1:] != inside[:-1]).sum() + (inside[:, 1:] != inside[:, :-1]).sum()
    return float(2 * found.sum() / max(outline, 1))


def _ink(contrast: Levels) -> float:
    """The contrast of the ink where it covers: the upper fifth of what has at least half of the most."""
    return float(np.quantile(contrast[contrast >= contrast.max() / 2], 0.8))


def _scaled(size: tuple[int, ...], scale: float) -> tuple[int, ...]:
    return tuple(max(1, round(scale * side)) for side in size)


def _resized(levels: Levels, size: tuple[int, ...]) -> Levels:
    """The levels at another `(height, width)`, by Pillow's bicubic filter, whose support grows with the scale."""
    if levels.shape == size:
        return levels
    picture = Image.fromarray(levels.astype(np.float32))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BICUBIC), np.float64)
