"""Folders of image files, one folder a class, made into LabelledImages."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pennyweight.core.errors import DataError
from pennyweight.core.text import visible
from pennyweight.data.decode import UndecodableError, decode, measure, quiet_pillow
from pennyweight.data.images import SEALED_NOTE, LabelledImages, Part, Pixels, Size, Unreadable, seal
from pennyweight.data.resize import check_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")
Shape = tuple[int, int, int]

LEARNING_NAMES = {"train", "training"}
VALIDATION_NAMES = {"val", "valid", "validation"}
TEST_NAMES = {"test", "testing"}

COMMON_SIDE = 64
"""Height and width that pictures of several sizes get where no input shape is asked for."""

KEPT_SIDE_MAX = 256
"""Pictures of one size keep it up to this side; above it a set in memory is measured in GiB."""

SYSTEM_FILES = {"thumbs.db", "desktop.ini"}

LISTED = 5
"""How many files or folders a message names."""

LAYOUT = "a folder holds one folder of images per class, or train/ and test/ that do: cat/1.jpg, dog/2.jpg …"


def read_folder(path: Path, input_shape: Shape | None = None, *, name: str = "") -> LabelledImages:
    """The images below `path`, labelled with the names of their class folders; classes are sorted by name.

    `path` holds class folders, or `train/` and `test/` (or `training`, `testing`; any case) that hold them.
    `val/` (`valid`, `validation`) joins the learning part, from which validation is split anyway; where there is no
    test part it is the sealed one. Where there is neither, 20 % of every class is sealed. A class folder may have
    folders in it. Hidden and system files are passed over; links to folders or out of `path` are not followed.
    Without `input_shape` pictures of one size keep it (grey if all are grey), others become 64x64.
    Whatever cannot be read is listed in `unreadable`; `notes` says what was left out, made or changed.
    Raises DataError where no two classes have a readable image, or test has a class that train has not.
    """
    if input_shape is not None:
        check_shape(input_shape)
    if not path.is_dir():
        raise DataError(f"there is no folder {visible(path)}", hint=LAYOUT)
    scan = scan_folder(path)
    _check_test_classes(scan.root, scan.files)
    read, pixels, sizes = _decode_all(scan, input_shape)
    _check_test_classes(scan.root, read)

    folders = {file.folder for file in read}
    scan.note("class folders without a readable image left out", [f for f in scan.collected if f not in folders])
    class_names = sorted({file.class_name for file in read})
    if len(class_names) < 2:
        raise DataError(
            f"{visible(path)}: one class only, {visible(class_names[0])!r}; a classifier needs at least two",
            hint=LAYOUT,
        )
    labels = np.array([class_names.index(file.class_name) for file in read], np.int64)
    count = sum(not file.sealed for file in read)
    learning, sealed = Part(pixels[:count], labels[:count]), Part(pixels[count:], labels[count:])
    if not len(sealed):
        learning, sealed = seal(learning)
        scan.notes.append(SEALED_NOTE)
    if scan.hidden:
        scan.notes.append(f"{scan.hidden:,} hidden or system files passed over")
    if scan.unreadable:
        scan.notes.append(f"{len(scan.unreadable):,} files could not be read and were left out")
    return LabelledImages(
        name=name or visible(path.resolve().name),
        learning=learning,
        sealed=sealed,
        class_names=tuple(map(visible, class_names)),
        origin=f"folder {visible(path)}",
        notes=tuple(scan.notes),
        unreadable=tuple(scan.unreadable),
        sizes=sizes,
    )


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A file in a class folder."""

    path: Path
    folder: Path
    """The class folder; the file may lie deeper."""
    sealed: bool

    @property
    def class_name(self) -> str:
        return self.folder.name


class Scan:
    """What a walk through the folder found: files with a class, and everything that was passed over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[ClassFile] = []
        self.collected: list[Path] = []
        self.notes: list[str] = []
        self.unreadable: list[Unreadable] = []
        self.hidden = 0
        self._real_root = os.path.realpath(root)
        self._listings: dict[Path, tuple[list[Path], list[Path]]] = {}

    def listing(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """The folders in `folder` and what else lies there, sorted by name, without hidden and system files."""
        if folder not in self._listings:
            self._listings[folder] = self._list(folder)
        return self._listings[folder]

    def _list(self, folder: Path) -> tuple[list[Path], list[Path]]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.skip(folder, f"folder cannot be read: {error.strerror}")
            return [], []
        shown = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in SYSTEM_FILES]
        self.hidden += len(entries) - len(shown)
        folders = [folder / e.name for e in shown if e.is_dir(follow_symlinks=False)]
        return folders, [folder / e.name for e in shown if not e.is_dir(follow_symlinks=False)]

    def collect(self, class_folder: Path, *, sealed: bool) -> None:
        """All files below a class folder that may be opened."""
        self.collected.append(class_folder)
        waiting = [class_folder]
        while waiting:
            folders, files = self.listing(waiting.pop())
            waiting += reversed(folders)
            self.files += [ClassFile(path, class_folder, sealed) for path in self.openable(files)]

    def openable(self, paths: Sequence[Path]) -> list[Path]:
        """Those of the `paths` that are regular files inside the folder; the others are listed as unreadable."""
        opened = []
        for path in paths:
            reason = self._obstacle(path)
            if reason:
                self.skip(path, reason)
            else:
                opened.append(path)
        return opened

    def _obstacle(self, path: Path) -> str:
        try:
            if path.is_symlink():
                if not Path(os.path.realpath(path, strict=True)).is_relative_to(self._real_root):
                    return "a link out of the folder, not followed"
                if path.is_dir():
                    return "a link to a folder, not followed"
            return "" if path.is_file() else "not a regular file"
        except OSError as error:
            return f"cannot be opened: {error.strerror}"

    def skip(self, path: Path, reason: str) -> None:
        self.unreadable.append(Unreadable(self.shown(path), reason))

    def shown(self, path: Path) -> str:
        """The path below the folder, printable."""
        return visible(path.relative_to(self.root).as_posix())

    def note(self, what: str, paths: Sequence[Path]) -> None:
        """Notes how many `paths` there are of something, and the first; nothing if there are none."""
        if paths:
            self.notes.append(f"{len(paths):,} {what}: {first_few([self.shown(path) for path in paths])}")


def first_few(names: Sequence[str]) -> str:
    """The first LISTED names, and how many there are more.

    >>> first_few(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d, e and 1 more'
    """
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED:,} more" if len(names) > LISTED else "")


def scan_folder(root: Path) -> Scan:
    """The files of each part with their classes, sealed ones last."""
    scan = Scan(root)
    folders, strays = scan.listing(root)
    # A class may be called `train` too: a part is known by the class folders in it.
    learning = _named(LEARNING_NAMES, folders, scan)
    if learning:
        validation, sealed = _named(VALIDATION_NAMES, folders, scan), _named(TEST_NAMES, folders, scan)
        parts = learning + validation + sealed
        scan.note(
            "folders beside train/ hold no part of the set and were left out", [f for f in folders if f not in parts]
        )
        if sealed:
            learning += validation
            scan.note("folders of validation images joined the learning part", validation)
        else:
            sealed = validation
            scan.note("folders of validation images are the sealed test part", validation)
        strays = strays + [path for part in learning + sealed for path in scan.listing(part)[1]]
        for part in learning + sealed:
            for class_folder in scan.listing(part)[0]:
                scan.collect(class_folder, sealed=part in sealed)
    elif all(folder.name.lower() in LEARNING_NAMES | VALIDATION_NAMES | TEST_NAMES for folder in folders):
        strays = strays + [path for folder in folders for path in scan.listing(folder)[1]]
    else:
        for folder in folders:
            scan.collect(folder, sealed=False)
    strays = scan.openable(strays)
    if not scan.collected:
        raise _unlabelled(scan, strays)
    scan.note("files outside the class folders have no label and were left out", strays)
    return scan


def _named(names: set[str], folders: Sequence[Path], scan: Scan) -> list[Path]:
    return [folder for folder in folders if folder.name.lower() in names and scan.listing(folder)[0]]


def _unlabelled(scan: Scan, strays: Sequence[Path]) -> DataError:
    where = visible(scan.root)
    found = [f"{file.path} ({file.reason})" for file in scan.unreadable] + [scan.shown(path) for path in strays]
    if not found:
        return DataError(f"{where} is empty", hint=LAYOUT)
    return DataError(
        f"{where} has no class folders, so its {len(found):,} files have no labels: {first_few(found)}", hint=LAYOUT
    )


def _check_test_classes(root: Path, files: Sequence[ClassFile]) -> None:
    learning = {file.class_name for file in files if not file.sealed}
    strangers = sorted({file.class_name for file in files if file.sealed} - learning)
    if learning and strangers:
        raise DataError(
            f"{visible(root)}: test has {len(strangers):,} classes of which train has no readable image: "
            f"{first_few([visible(stranger) for stranger in strangers])}",
            hint="name the class folders alike in both parts, or take these out of the test part",
        )


def _decode_all(scan: Scan, input_shape: Shape | None) -> tuple[list[ClassFile], Pixels, dict[Size, int]]:
    """The files that could be read, their pictures in one array, and how many of these had which size."""
    paths = [file.path for file in scan.files]
    with quiet_pillow(), ThreadPoolExecutor(os.cpu_count()) as threads:
        headers = list(threads.map(_attempt(measure), paths))
        if input_shape is None:
            found = zip(paths, headers, strict=True)
            input_shape = _common_shape({p: h for p, h in found if not isinstance(h, UndecodableError)}, scan)
        pixels = np.empty((len(paths), *input_shape), np.uint8)

        def fill(index: int) -> None:
            pixels[index] = decode(paths[index], input_shape)

        faults = list(threads.map(_attempt(fill), range(len(paths))))
    for path, fault in zip(paths, faults, strict=True):
        if fault is not None:
            scan.skip(path, str(fault))
    read = [index for index, fault in enumerate(faults) if fault is None]
    files = [scan.files[index] for index in read]
    if all(file.sealed for file in files):
        raise _nothing_readable(scan)
    sizes = Counter(header[:2] for index in read if not isinstance(header := headers[index], UndecodableError))
    return files, pixels if len(read) == len(paths) else pixels[read], sizes


def _attempt(work: Callable[[Item], Result]) -> Callable[[Item], Result | UndecodableError]:
    """`work` that returns the error of a file that cannot be decoded instead of raising it."""

    def attempted(item: Item) -> Result | UndecodableError:
        try:
            return work(item)
        except UndecodableError as error:
            return error

    return attempted


def _common_shape(shapes: dict[Path, Shape], scan: Scan) -> Shape:
    """The one shape of all readable pictures, or 64x64, which is noted.

    A header may promise what its file does not hold, so a picture that departs from the rest counts if it decodes.
    """

    def decodes(path: Path) -> bool:
        return not isinstance(_attempt(decode)(path), UndecodableError)

    sizes = Counter(shape[:2] for shape in shapes.values()).most_common()
    usual = sizes[0][0] if sizes else (COMMON_SIDE, COMMON_SIDE)
    mixed = any(shape[:2] != usual and decodes(path) for path, shape in shapes.items())
    channels = 3 if any(shape[2] == 3 and decodes(path) for path, shape in shapes.items()) else 1
    if not mixed and max(usual) <= KEPT_SIDE_MAX:
        return *usual, channels
    smallest, largest = (
        f"{height:,}x{width:,}" for height, width in (min(shapes.values())[:2], max(shapes.values())[:2])
    )
    found = f"of {len(sizes):,} sizes ({smallest} … {largest})" if mixed else f"of {largest}"
    scan.notes.append(f"pictures {found} were resized to {COMMON_SIDE}x{COMMON_SIDE}x{channels}")
    return COMMON_SIDE, COMMON_SIDE, channels


def _nothing_readable(scan: Scan) -> DataError:
    where = visible(scan.root)
    reasons = [f"{file.path} ({file.reason})" for file in scan.unreadable]
    if not reasons:
        return DataError(f"{where}: the class folders are empty", hint=LAYOUT)
    return DataError(
        f"{where}: no image to learn from; {len(reasons):,} files could not be read: {first_few(reasons)}",
        hint="images are read from PNG, JPEG, BMP, GIF, WebP, TIFF, PPM and JPEG 2000 files",
    )
