"""A user's own photos, one folder a class, brought to the geometry of the images that a network was trained on."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import DataError, UsageError
from pennyweight.core.text import visible
from pennyweight.core.units import counted
from pennyweight.data.decode import UndecodableError, decode, decode_within, quiet_pillow
from pennyweight.data.folder import first_few, scan_folder
from pennyweight.data.images import Part, Pixels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pennyweight.data.geometry import Geometry

ANALYSED_SIDE = 1024
"""A larger photo is shrunk to this side before anything is looked for in it."""

NOTHING_FOUND = "nothing found"


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos as a network sees them, with labels that count in `class_names`, and the file of each.

    `sealed` tells which of them lie in a test part of the folder's own, `blank` in which nothing was found.
    """

    name: str
    pictures: Part
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    sealed: npt.NDArray[np.bool_]
    blank: npt.NDArray[np.bool_]
    notes: tuple[str, ...]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(height, width, channels)` of every picture."""
        return self.pictures.images.shape[1:]

    def of_part(self, part: str) -> Photos:
        """The photos that belong to `part`: all, test, or train. Raises UsageError for another."""
        chosen = {"all": np.full(len(self.files), True), "test": self.sealed, "train": ~self.sealed}
        if part not in chosen:
            raise UsageError(f"{self.name} has no {part} part", hint=f"a folder of photos has {', '.join(chosen)}")
        index = np.flatnonzero(chosen[part])
        return replace(
            self,
            pictures=self.pictures.take(index),
            files=tuple(self.files[i] for i in index),
            sealed=self.sealed[index],
            blank=self.blank[index],
        )

    def of_classes(self, known: Sequence[str]) -> Photos:
        """The photos of the classes that are `known`; a note says what was left out. All of them if none is known."""
        chosen = [place for place, name in enumerate(self.class_names) if name in known]
        index = np.flatnonzero(np.isin(self.pictures.labels, chosen))
        left = len(self.files) - len(index)
        if not left or not chosen:
            return self
        strange = first_few([name for name in self.class_names if name not in known])
        note = f"{counted(left, 'photo')} of classes that the network does not know left out: {strange}"
        pictures = self.pictures.take(index)
        return replace(
            self,
            pictures=Part(pictures.images, np.searchsorted(chosen, pictures.labels)),
            class_names=tuple(self.class_names[place] for place in chosen),
            files=tuple(self.files[i] for i in index),
            sealed=self.sealed[index],
            blank=self.blank[index],
            notes=(*self.notes, note),
        )

    def facts_of(self, index: int) -> dict[str, str]:
        """The `file` at `index`, and a `note` on it."""
        return {"file": self.files[index], "note": NOTHING_FOUND if self.blank[index] else ""}


def open_photos(path: Path, geometry: Geometry | None, input_shape: tuple[int, int, int]) -> Photos:
    """The photos in a folder of class folders, as a network sees them that was trained on images of `geometry`.

    Without a geometry each is stretched to `input_shape`. One class is enough. `notes` says what was done, and which
    files could not be read. Raises DataError where there are no class folders or nothing can be read.
    """
    scan = scan_folder(path)

    def seen(file: Path) -> Pixels | UndecodableError:
        try:
            if geometry is None:
                return decode(file, input_shape)
            return geometry.fitted(decode_within(file, ANALYSED_SIDE), input_shape)
        except UndecodableError as error:
            return error

    with quiet_pillow(), ThreadPoolExecutor(os.cpu_count()) as threads:
        pictures = list(threads.map(seen, (file.path for file in scan.files)))
    read = []
    for file, picture in zip(scan.files, pictures, strict=True):
        if isinstance(picture, UndecodableError):
            scan.skip(file.path, str(picture))
        else:
            read.append((file, picture))
    unreadable = [f"{each.path} ({each.reason})" for each in scan.unreadable]
    if not read:
        what = f"no photo could be read: {first_few(unreadable)}" if unreadable else "its class folders are empty"
        raise DataError(f"{visible(path)}: {what}", hint="put photos into one folder a class")
    class_names = sorted({file.class_name for file, _ in read})
    images = np.stack([picture for _, picture in read])
    blank = images.min((1, 2, 3)) == images.max((1, 2, 3))
    notes = list(scan.notes)
    if geometry is not None:
        notes.insert(0, f"each photo was brought to the geometry of the training images: {geometry}")
    if blank.any():
        notes.append(f"{NOTHING_FOUND} in {first_few([scan.shown(read[i][0].path) for i in np.flatnonzero(blank)])}")
    if unreadable:
        notes.append(f"{len(unreadable):,} files could not be read and were left out: {first_few(unreadable)}")
    return Photos(
        name=visible(path.resolve().name),
        pictures=Part(images, np.array([class_names.index(file.class_name) for file, _ in read], np.int64)),
        class_names=tuple(map(visible, class_names)),
        files=tuple(scan.shown(file.path) for file, _ in read),
        sealed=np.array([file.sealed for file, _ in read]),
        blank=blank,
        notes=tuple(notes),
    )
