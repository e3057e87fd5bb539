"""TrialImages: what a virtual board is given to see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pennyweight.core.errors import DataError, RunError, unknown
from pennyweight.core.run import Run
from pennyweight.data.images import LabelledImages, Part
from pennyweight.data.source import open_source
from pennyweight.deploy.deployable import Deployable
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import images_of, recipe_of
from pennyweight.net.integer.reference import Pixels

PARTS = ("validation", "train")
"""The test part stays sealed: whether two programs agree is seen on any images."""

DRAW_SEED = 20_177


@dataclass(frozen=True, slots=True, eq=False)
class TrialImages:
    """uint8 images `(count, height, width, channels)`, and in words where they came from."""

    pixels: Pixels
    told: str


def trial_images(
    deployable: Deployable,
    count: int,
    *,
    part: str = "validation",
    source: str | None = None,
    data_dir: Path | None = None,
) -> TrialImages:
    """At most so many images, the same in every call.

    They are drawn from `part` of the images that `source` names, else of those that the run was trained on, else from
    noise. Raises UsageError for another part, DataError where that part is empty, RunError where the run's images are
    not known, and what `open_source` raises.
    """
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    height, width, channels = deployable.network.input_shape
    run = deployable.run
    draw = np.random.default_rng(DRAW_SEED)
    if source is None and run is None:
        return TrialImages(draw.integers(0, 256, (count, height, width, channels), np.uint8), "noise")
    recipe = Recipe() if run is None else recipe_of(run)
    if source is not None:
        images = open_source(source, data_dir=data_dir, input_shape=(height, width, channels))
    else:
        assert run is not None
        images = _images_of(run, data_dir)
    chosen = _part(images, part, recipe)
    order = draw.permutation(len(chosen))[:count]
    return TrialImages(chosen.images[np.sort(order)], f"the {part} part of {images.name}")


def _images_of(run: Run, data_dir: Path | None) -> LabelledImages:
    try:
        return images_of(run, data_dir)
    except (DataError, RunError) as error:
        raise type(error)(str(error), hint=error.hint or "take others with --source SOURCE") from error


def _part(images: LabelledImages, part: str, recipe: Recipe) -> Part:
    train, validation = images.split(recipe.validation)
    chosen = validation if part == "validation" else train
    if not len(chosen):
        raise DataError(f"{images.name}: no images were held out for validation", hint="take --part train")
    return chosen
