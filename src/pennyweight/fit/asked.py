"""The images that an evaluation of a run is about: a part of its own, of another source, or photos in a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pennyweight.core.errors import DataError, RunError, UsageError
from pennyweight.core.run import SETTINGS, Run
from pennyweight.core.text import command, visible
from pennyweight.data.folder import scan_folder
from pennyweight.data.geometry import Geometry
from pennyweight.data.images import SEALED_NOTE, LabelledImages, Part, fingerprint_of
from pennyweight.data.photos import Photos, open_photos
from pennyweight.data.source import NAMES, open_source
from pennyweight.fit.train import images_of, recipe_of

PARTS = ("test", "validation", "train", "all")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Images that were asked for: those of `part` are `chosen`, their labels count in the network's classes.

    `own` says whether they are the images that the run was trained on; `fingerprint` is that of the chosen ones.
    """

    images: LabelledImages | Photos
    part: str
    chosen: Part
    own: bool
    notes: tuple[str, ...]
    fingerprint: str

    @staticmethod
    def of(images: LabelledImages | Photos, part: str, chosen: Part, *, own: bool, notes: tuple[str, ...]) -> Asked:
        """These images. Raises DataError where there are none."""
        if not len(chosen):
            raise DataError(f"the {part} part of {images.name} is empty")
        return Asked(images, part, chosen, own, notes, fingerprint_of(chosen))

    @property
    def name(self) -> str:
        """A file's name for what is found on them: the part, or one that is no part's and no other images'."""
        if self.own:
            return self.part
        word = re.sub(r"[^a-z0-9]+", "-", self.images.name.lower()).strip("-")[:80]
        return "-".join(filter(None, (word, self.part, self.fingerprint[:8])))

    def count_opening(self, run: Run) -> int:
        """How often the run's sealed test part was opened, with the look that is about to come, if it is one."""
        return run.count_opening() if self.own and self.part == "test" else len(run.openings())


def asked_images(
    run: Run,
    class_names: Sequence[str],
    input_shape: Sequence[int],
    source: str | LabelledImages | None,
    part: str | None,
    data_dir: Path | None,
) -> Asked:
    """The images of `part` of a source, of the run's own where none is told; see `evaluate` for the rest.

    `class_names` and `input_shape` are those of the run's network.
    """
    check_part(part)
    settings = run.read(SETTINGS)
    images = _images(run, settings, class_names, input_shape, source, data_dir)
    own = isinstance(images, LabelledImages) and images.fingerprint == settings.get("fingerprint")
    if source is None and not own:
        raise RunError(
            f"{run.folder}: {images.name} is not what this network was trained on: its test part may be leaked",
            hint=f"to evaluate on them all the same: {command('evaluate', run.folder, settings['source'])}",
        )
    if own and part == "all":
        raise UsageError("part `all` would mix training and test images of the run's own source")
    check_shape(images, input_shape)
    if isinstance(images, Photos):
        images = images.of_classes(tuple(class_names))
        asked = part or ("test" if images.sealed.any() else "all")  # nobody wants a fifth of their seven photos
        images = images.of_part(asked)
        chosen, notes = labels_as(class_names, images, images.pictures), images.notes
    else:
        asked = part or ("test" if _is_runs(images, settings) else usual_part(images))
        chosen = labels_as(class_names, images, part_of(images, asked, recipe_of(run).validation))
        notes = _as_they_are(images, own, settings)
    return Asked.of(images, asked, chosen, own=own, notes=notes)


def check_part(part: str | None) -> None:
    """Raises UsageError for what is no part."""
    if part is not None and part not in PARTS:
        raise UsageError(f"unknown part {part!r}", hint=f"known: {', '.join(PARTS)}")


def check_shape(images: LabelledImages | Photos, input_shape: Sequence[int]) -> None:
    """Raises DataError where the images are not what the network takes."""
    if images.input_shape != tuple(input_shape):
        raise DataError(f"the network takes {tuple(input_shape)}, {images.name} has {images.input_shape}")


def usual_part(images: LabelledImages) -> str:
    """The part of another set that is evaluated where none is asked for: all of one without a test part of its own."""
    return "all" if SEALED_NOTE in images.notes else "test"


def part_of(images: LabelledImages, part: str, validation: float) -> Part:
    """The images of a part; `validation` is the share of the learning part that is held out."""
    match part:
        case "test":
            return images.open_test()
        case "all":
            learning, test = images.learning, images.open_test()
            return Part(np.concatenate([learning.images, test.images]), np.concatenate([learning.labels, test.labels]))
        case _:
            return images.split(validation)[part == "validation"]


def labels_as(class_names: Sequence[str], images: LabelledImages | Photos, part: Part) -> Part:
    """The part with labels that count in `class_names`; classes are matched by their names."""
    if images.class_names == tuple(class_names):
        return part
    unknown = [name for name in images.class_names if name not in class_names]
    if unknown:
        raise DataError(
            f"{images.name} has classes that the network does not know: {', '.join(unknown)}",
            hint=f"it knows {', '.join(class_names)}",
        )
    order = np.array([class_names.index(name) for name in images.class_names], np.int64)
    return Part(part.images, order[part.labels])


def _images(
    run: Run,
    settings: Mapping[str, Any],
    class_names: Sequence[str],
    input_shape: Sequence[int],
    source: str | LabelledImages | None,
    data_dir: Path | None,
) -> LabelledImages | Photos:
    """The images that were asked for: those of the run, those of another source, or the photos in a folder."""
    if source is None:
        return images_of(run, data_dir)
    if isinstance(source, LabelledImages):
        return source
    height, width, channels = input_shape
    shape = height, width, channels
    folder = Path(source).expanduser()
    if source not in NAMES and folder.is_file() and folder.suffix != ".npz":
        raise DataError(
            f"{source} is neither a folder nor an .npz: a photo is counted by its class",
            hint=f"put it into a folder named like its class, PHOTOS/{class_names[0]}/ say, and give PHOTOS/",
        )
    if source in NAMES or not folder.is_dir():
        return open_source(source, data_dir=data_dir, input_shape=shape)
    # A copy of the run's own folder is no folder of photos: its test part is sealed all the same.
    if _may_be_runs(folder, settings):
        with suppress(DataError):
            images = open_source(source, data_dir=data_dir, input_shape=shape)
            if _is_runs(images, settings):
                return images
    return open_photos(folder, _geometry(run, settings, shape), shape)


def _geometry(run: Run, settings: Mapping[str, Any], input_shape: tuple[int, int, int]) -> Geometry | None:
    """The geometry of the images that a run was trained on; a run from before it was measured has none."""
    facts = settings.get("geometry")
    try:
        geometry = None if facts is None else Geometry.from_json(facts)
        if geometry and (len(geometry.ground) not in (1, input_shape[2]) or geometry.box > max(input_shape[:2])):
            raise ValueError(f"{geometry} in {len(geometry.ground)} channels does not fit into {input_shape}")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{run.folder}: {SETTINGS} has no usable geometry: {error!r}") from error
    return geometry


def _as_they_are(images: LabelledImages, own: bool, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader must know of another set, which is not brought to the geometry of the training images."""
    if own or settings.get("geometry") is None:
        return ()
    what = (
        f"{images.name}: the images were resized where needed, and not brought to the geometry of the training images"
    )
    return (f"{what}, as photos in a folder are",)


def _may_be_runs(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether so many files lie in the class folders as the run learned from, or it lies where the run's images lay."""
    counts, names = settings.get("class_counts"), settings.get("class_names")
    if str(folder.resolve()) == settings.get("source") or not isinstance(counts, list) or not isinstance(names, list):
        return True
    found = Counter(visible(file.class_name) for file in scan_folder(folder).files)
    return all(found[str(name)] >= count for name, count in zip(names, counts, strict=False) if isinstance(count, int))


def _is_runs(images: LabelledImages, settings: Mapping[str, Any]) -> bool:
    """Whether these are the images that the run was trained on, or what lies now where they lay."""
    same_place = images.source != "" and images.source == settings.get("source")
    return same_place or images.fingerprint == settings.get("fingerprint")
