"""A set's geometry, and pictures brought to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

from pennyweight.data.digits import read_digits
from pennyweight.data.geometry import Geometry
from pennyweight.data.images import LabelledImages, Part, Pixels
from pennyweight.data.source import open_source

SHAPE = (28, 28, 1)
MNIST = Geometry((0,), True, 20, "mass", (14.0, 14.0), 2.3, 0.992)


@pytest.fixture(scope="module")
def mnist(real_data: Path) -> LabelledImages:
    return open_source("mnist", data_dir=real_data)


def strokes(side: int = 28, seed: int = 0) -> Pixels:
    """Something written: three strokes, light on dark, `(side, side, 1)`."""
    rng = np.random.default_rng(seed)
    sheet = Image.new("L", (8 * side, 8 * side))
    points = [tuple(point) for point in (8 * side * rng.uniform(0.2, 0.8, (4, 2))).tolist()]
    ImageDraw.Draw(sheet).line(points, fill=255, width=side, joint="curve")
    return np.asarray(sheet.resize((side, side), Image.Resampling.BOX))[..., np.newaxis]


def larger(picture: Pixels, times: int, margin: int = 0) -> Pixels:
    sheet = Image.fromarray(picture[..., 0])
    sheet = sheet.resize((times * sheet.width, times * sheet.height), Image.Resampling.BICUBIC)
    return np.pad(np.asarray(sheet), margin)[..., np.newaxis]


def on_paper(picture: Pixels, darkest: float = 0.55) -> Pixels:
    """Dark ink on paper that a lamp lights from one side."""
    height, width, _ = picture.shape
    light = np.linspace(darkest, 1, width)[np.newaxis, :] * np.linspace(1, 0.8, height)[:, np.newaxis]
    paper: Pixels = (light[..., np.newaxis] * (235 - 0.8 * picture)).round().astype(np.uint8)
    return paper


def grainy(picture: Pixels, deviation: float) -> Pixels:
    noise = np.random.default_rng(0).normal(0, deviation, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


def apart(a: Pixels, b: Pixels) -> float:
    """The mean absolute difference of levels."""
    return float(np.abs(a.astype(float) - b).mean())


CHANGES: dict[str, tuple[Callable[[Pixels], Pixels], float]] = {
    "inverted": (lambda picture: 255 - picture, 0.1),
    "shifted": (lambda picture: np.roll(picture, (2, -3), (0, 1)), 0.1),
    "lit from one side": (on_paper, 1),
    "twice as large": (lambda picture: larger(picture, 2), 16),
    "ten times as large, inverted": (lambda picture: 255 - larger(picture, 10), 16),
    "small on a large page": (lambda picture: larger(picture, 3, 150), 16),
    "large, on paper": (lambda picture: on_paper(larger(picture, 6, 40)), 16),
    "on a noisy ground": (lambda picture: grainy(on_paper(larger(picture, 4, 30)), 10), 16),
    "in pale pencil": (lambda picture: grainy(235 - larger(picture, 6, 60) // 5, 3), 16),
    "in colour": (lambda picture: np.repeat(picture, 3, 2), 0.1),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(4))
def test_the_same_strokes_give_the_same_picture_however_they_were_photographed(change: str, seed: int) -> None:
    picture = strokes(seed=seed)
    made, limit = CHANGES[change]
    plain, changed = MNIST.fitted(picture, SHAPE), MNIST.fitted(made(picture), SHAPE)
    assert plain.max() > 200
    assert apart(plain, changed) < limit


def test_what_is_fitted_has_the_sets_box_and_centre() -> None:
    for seed in range(4):
        fitted = MNIST.fitted(on_paper(larger(strokes(seed=seed), 5, 70)), SHAPE)[..., 0].astype(float)
        rows, columns = (np.flatnonzero((fitted > 5).any(axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        centre = [(fitted.sum(axis) * np.arange(28)).sum() / fitted.sum() for axis in (1, 0)]
        assert centre == pytest.approx([14, 14], abs=0.6)


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("shape", [(28, 28, 1), (1, 1, 3), (3, 400, 3)])
def test_an_empty_sheet_is_all_ground(level: int, shape: tuple[int, int, int]) -> None:
    fitted = MNIST.fitted(np.full(shape, level, np.uint8), SHAPE)
    assert (fitted == 0).all()


@pytest.mark.parametrize("deviation", [3, 12])
def test_noise_and_specks_are_nothing(deviation: float) -> None:
    sheet = grainy(on_paper(np.zeros((400, 300, 1), np.uint8)), deviation)
    sheet[100:102, 50] = 0
    assert (MNIST.fitted(sheet, SHAPE) == 0).all()


def test_a_speck_beside_the_strokes_does_not_widen_their_box() -> None:
    page = larger(strokes(), 8, 100)
    speckled = page.copy()
    speckled[10:14, 10:14] = 255
    assert (MNIST.fitted(speckled, SHAPE) == MNIST.fitted(page, SHAPE)).all()


def test_a_thin_pen_on_a_large_page_still_writes_strokes() -> None:
    page = Image.new("L", (1000, 900), 230)
    ImageDraw.Draw(page).line([(300, 200), (600, 250), (350, 700)], fill=40, width=4)
    fitted = MNIST.fitted(np.asarray(page)[..., np.newaxis], SHAPE)
    assert (fitted > 200).sum() >= 25


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))),
    st.sampled_from([(28, 28, 1), (28, 28, 3), (8, 20, 1), (1, 1, 1)]),
    st.booleans(),
)
def test_any_pixels_give_a_picture_of_the_shape(picture: Pixels, shape: tuple[int, int, int], light: bool) -> None:
    geometry = replace(MNIST, light_on_dark=light, ground=(0 if light else 250,))
    fitted = geometry.fitted(picture, shape)
    assert (fitted.shape, fitted.dtype) == (shape, np.uint8)


def test_the_polarity_is_that_of_the_set() -> None:
    dark = replace(MNIST, light_on_dark=False, ground=(255,))
    picture = strokes()
    assert (dark.fitted(picture, SHAPE) == 255 - MNIST.fitted(picture, SHAPE)).all()


def test_a_coloured_set_keeps_colours_on_its_ground() -> None:
    rng = np.random.default_rng(0)
    pictures = np.full((60, 32, 32, 3), (250, 250, 240), np.uint8)
    for picture in pictures:
        y, x = rng.integers(8, 12, 2)
        picture[y : y + 14, x : x + 10] = (200, 30, 20)
    geometry = Geometry.of(Part(pictures, np.arange(60) % 2))
    assert geometry is not None
    assert (geometry.ground, geometry.light_on_dark, geometry.box) == ((250, 250, 240), False, 14)
    photo = np.full((300, 200, 3), (180, 190, 185), np.uint8)
    photo[50:120, 60:110] = (20, 40, 150)
    fitted = geometry.fitted(photo, (32, 32, 3))
    assert tuple(fitted[0, 0]) == (250, 250, 240)
    assert np.median(fitted[(fitted != fitted[0, 0]).any(2)], 0) == pytest.approx([20, 40, 150], abs=3)


def test_mnist_is_light_on_dark_in_a_box_of_20_centred_by_its_mass(mnist: LabelledImages) -> None:
    geometry = Geometry.of(mnist.learning)
    assert geometry is not None
    assert (geometry.ground, geometry.light_on_dark, geometry.box, geometry.centred) == ((0,), True, 20, "mass")
    assert geometry.centre == pytest.approx((14, 14), abs=0.1)
    assert str(geometry) == "light on dark, box of 20 pixels, centred by its mass"


def test_a_digit_of_mnist_stays_as_it_is(mnist: LabelledImages) -> None:
    geometry = Geometry.of(mnist.learning)
    assert geometry is not None
    pictures = mnist.learning.images[:300]
    differences = np.array([apart(geometry.fitted(picture, SHAPE), picture) for picture in pictures])
    assert differences.mean() < 1.5
    assert (differences < 0.5).mean() > 0.9


@pytest.mark.parametrize("name", ["cifar10", "svhn", "cats-vs-dogs"])
def test_pictures_without_a_plain_ground_have_no_geometry(name: str, real_data: Path) -> None:
    assert Geometry.of(open_source(name, data_dir=real_data).learning) is None


def test_scikit_learns_digits_fill_their_pictures() -> None:
    geometry = Geometry.of(read_digits().learning)
    assert geometry is not None
    assert (geometry.light_on_dark, geometry.box, geometry.centred) == (True, 8, "box")


def test_pictures_without_anything_in_them_have_no_geometry() -> None:
    assert Geometry.of(Part(np.zeros((4, 8, 8, 1), np.uint8), np.arange(4))) is None


def test_a_geometry_comes_back_from_its_json() -> None:
    for geometry in (MNIST, replace(MNIST, ground=(255, 250, 240), centred="box", ink=None)):
        assert Geometry.from_json(json.loads(json.dumps(geometry.to_json()))) == geometry


@pytest.mark.parametrize(
    "forgery",
    [
        {"box": 0},
        {"ground": []},
        {"ground": [256]},
        {"centre": [1]},
        {"stroke": float("nan")},
        {"ink": 2},
        {"box": None},
        {"box": -3, "stroke": -4},
        {"stroke": 0},
        {"stroke": 1500},
    ],
    ids=str,
)
def test_json_that_is_no_geometry_is_refused(forgery: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Geometry.from_json(MNIST.to_json() | forgery)
