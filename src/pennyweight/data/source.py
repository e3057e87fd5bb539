"""The one door for every verb: a SOURCE, as somebody types it, made into LabelledImages."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pooch

from pennyweight.core.errors import DataError, unknown
from pennyweight.data.cifar import read_cifar10
from pennyweight.data.digits import read_digits
from pennyweight.data.fetch import PUBLISHED, OnDownload, fetch, unpack
from pennyweight.data.folder import read_folder
from pennyweight.data.hub import read_hub
from pennyweight.data.idx import FILES as IDX_FILES
from pennyweight.data.idx import read_mnist
from pennyweight.data.images import LabelledImages, Part
from pennyweight.data.npz import read_npz
from pennyweight.data.resize import check_shape, resize
from pennyweight.data.svhn import read_svhn

Shape = tuple[int, int, int]

ENVIRONMENT = "PENNYWEIGHT_DATA"
CATS_VS_DOGS_SHAPE = (96, 96, 3)
"""The photos have many sizes; this is the one they get unless another is asked for."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder, relative to a data folder, and what must lie in it: a pattern each."""

    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A published set: how its files may lie (the layout that a download gets comes first), and who reads them.

    `read` takes a folder and an input shape, and may leave the shape alone. Where the set is published as an archive,
    `unpacked` is the folder in it and `limit_bytes` what that may hold.
    """

    layouts: tuple[Layout, ...]
    read: Callable[[Path, Shape | None], LabelledImages]
    unpacked: str = ""
    limit_bytes: int = 0


def _layouts(files: tuple[str, ...], *folders: str) -> tuple[Layout, ...]:
    return tuple(Layout(folder, files) for folder in folders)


NAMED = {
    "mnist": NamedSet(
        _layouts(IDX_FILES, "MNIST/raw", "MNIST", "mnist", "."),
        lambda folder, _: read_mnist(folder, "mnist"),
    ),
    "fashion-mnist": NamedSet(
        _layouts(IDX_FILES, "FashionMNIST/raw", "FashionMNIST", "fashion-mnist", "."),
        lambda folder, _: read_mnist(folder, "fashion-mnist"),
    ),
    "cifar10": NamedSet(
        _layouts(("data_batch_*", "test_batch"), "cifar-10-batches-py", "."),
        lambda folder, _: read_cifar10(folder),
        unpacked="cifar-10-batches-py",
        limit_bytes=400 << 20,
    ),
    "svhn": NamedSet(
        _layouts(("train_32x32*.mat",), "svhn", "SVHN", "."),
        lambda folder, _: read_svhn(folder),
    ),
    "cats-vs-dogs": NamedSet(
        (
            Layout("PetImages", ("Cat", "Dog")),
            Layout("cats_vs_dogs", ("train/cat", "train/dog")),
        ),
        lambda folder, shape: read_folder(folder, shape or CATS_VS_DOGS_SHAPE, name="cats-vs-dogs"),
        unpacked="PetImages",
        limit_bytes=2 << 30,
    ),
}
"""The sets that are looked for in data folders; `digits` needs none."""

NAMES = ("digits", *NAMED)


def open_source(
    source: str,
    *,
    data_dir: Path | None = None,
    input_shape: Shape | None = None,
    on_download: OnDownload | None = None,
) -> LabelledImages:
    """The labelled images that `source` names, every picture of `input_shape` if one is told.

    A source is one of `NAMES`, the path of a folder of class folders or of an .npz, or `hf:owner/name`. A name goes
    before a path of the same name (`./digits` is the path). Named sets are looked for in `data_dir`, in the folder
    that PENNYWEIGHT_DATA names and in the user's cache, and else fetched into the cache; `on_download` is told the
    file, the bytes that came, and of how many, again and again.
    Raises UsageError for a word that is none of these, DataError where there are no usable images.

    >>> open_source("digits", input_shape=(16, 16, 1)).input_shape
    (16, 16, 1)
    """
    if input_shape is not None:
        check_shape(input_shape)
    try:
        return _shaped(_read(source, data_dir, input_shape, on_download), source, input_shape)
    except OSError as error:
        raise DataError(f"{source}: {error}") from error
    except MemoryError as error:
        raise DataError(f"{source}: the images do not fit into memory", hint="take a smaller --input") from error


def _shaped(images: LabelledImages, source: str, input_shape: Shape | None) -> LabelledImages:
    """The images with the text that opens them again, every picture of `input_shape` if one is told."""
    reopens = source if source in NAMES or source.startswith("hf:") else str(Path(source).expanduser().resolve())
    return images_at(dataclasses.replace(images, source=reopens), input_shape)


def images_at(images: LabelledImages, input_shape: Shape | None) -> LabelledImages:
    """The same images with every picture brought to `input_shape`; None leaves them as they are."""
    if input_shape is None or images.input_shape == input_shape:
        return images
    before, after = ("x".join(map(str, shape)) for shape in (images.input_shape, input_shape))
    return dataclasses.replace(
        images,
        learning=Part(resize(images.learning.images, input_shape), images.learning.labels),
        sealed=Part(resize(images.sealed.images, input_shape), images.sealed.labels),
        notes=(*images.notes, f"images were {before} and are {after}"),
    )


def _read(
    source: str, data_dir: Path | None, input_shape: Shape | None, on_download: OnDownload | None
) -> LabelledImages:
    if source in NAMES:
        images = read_digits() if source == "digits" else _read_named(source, data_dir, input_shape, on_download)
        if Path(source).exists():
            note = f"{source} is the published set; the path of that name is ./{source}"
            images = dataclasses.replace(images, notes=(*images.notes, note))
        return images
    if source.startswith("hf:"):
        repository = source.removeprefix("hf:")
        if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repository):
            raise unknown("source", source, ["hf:owner/name"])
        return read_hub(repository, input_shape)
    path = Path(source).expanduser()
    if source and path.is_dir():
        return read_folder(path, input_shape)
    if path.suffix == ".npz" and path.is_file():
        return read_npz(path)
    if source and path.exists():
        raise DataError(f"{source} is neither a folder nor an .npz", hint="give a folder that has one folder per class")
    if path.suffix == ".npz" or source.startswith(("~", ".")) or os.sep in source or "/" in source:
        raise DataError(f"{source}: there is no such file or folder (seen from {Path.cwd()})", hint=_nearest(path))
    here = [f"./{each}" for each in get_close_matches(source, _sources_in(Path()), n=3)]
    error = unknown("source", source, [*NAMES, *here])
    error.hint += " (or the path of a folder of class folders, the path of an .npz, or hf:owner/name)"
    raise error


def _sources_in(folder: Path) -> list[str]:
    """The names of the folders and of the .npz in `folder`, without hidden ones."""
    found = [each for each in folder.iterdir() if not each.name.startswith(".")]
    return sorted(each.name for each in found if each.is_dir() or each.suffix == ".npz")


def _nearest(path: Path) -> str:
    """A hint for a path that does not exist: the names that are most like it, or how far the way to it leads."""
    there = next(folder for folder in (*path.parents, Path()) if folder.is_dir())
    absent = path.relative_to(there).parts[0]
    known = _sources_in(there)
    if near := get_close_matches(absent, known, n=3, cutoff=0.5):
        return f"did you mean {' or '.join(str(there / name) for name in near)}?"
    shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    return f"{there.absolute()} has {shown or 'no folder and no .npz'}"


def _read_named(
    name: str, data_dir: Path | None, input_shape: Shape | None, on_download: OnDownload | None
) -> LabelledImages:
    wanted = NAMED[name]
    roots = data_folders(data_dir)
    cache = roots[-1]
    for root in roots:
        if folder := _find(root, wanted) or _unpacked(root, name):
            return wanted.read(folder, input_shape)
    landing = cache if wanted.unpacked else cache / wanted.layouts[0].folder
    try:
        for remote in PUBLISHED[name]:
            file = fetch(remote, landing, on_download)
    except DataError as error:
        raise DataError(
            f"{name} is not on this machine, and {error}\n{_looked_for(name, roots)}", hint=_hint(name)
        ) from error
    if wanted.unpacked:
        landing = unpack(file, wanted.unpacked, wanted.limit_bytes)
        file.unlink()
    return wanted.read(landing, input_shape)


def data_folders(data_dir: Path | None = None) -> list[Path]:
    """Where named sets are looked for, in this order; the last is the user's cache.

    Raises DataError for a folder that was named and is not there.
    """
    return [*_told_folders(data_dir), Path(pooch.os_cache("pennyweight"))]


def must_be_fetched(source: str, data_dir: Path | None = None) -> bool:
    """Whether opening this source asks another machine: a set of the hub, or a named one that is not on this one."""
    return source.startswith("hf:") or (source in NAMED and found_sets(data_dir)[source] is None)


def found_sets(data_dir: Path | None = None) -> dict[str, Path | None]:
    """Where each named set lies, unpacked or as its archive; None where it is not on this machine."""
    return {name: _place(name, data_folders(data_dir)) for name in NAMED}


def _place(name: str, roots: list[Path]) -> Path | None:
    wanted = NAMED[name]
    for root in roots:
        if folder := _find(root, wanted):
            return folder
        archive = root / PUBLISHED[name][0].file
        if wanted.unpacked and archive.is_file():
            return archive
    return None


def _told_folders(data_dir: Path | None) -> list[Path]:
    """The data folders that somebody named; each must be there."""
    told = {"--data-dir": data_dir, ENVIRONMENT: os.environ.get(ENVIRONMENT)}
    folders = {name: Path(folder).expanduser() for name, folder in told.items() if folder}
    absent = [f"{name} names {folder}, which is no folder" for name, folder in folders.items() if not folder.is_dir()]
    if absent:
        raise DataError("; ".join(absent))
    return list(folders.values())


def _find(root: Path, wanted: NamedSet) -> Path | None:
    """The first folder under `root` that has everything of one layout."""
    for layout in wanted.layouts:
        folder = root / layout.folder
        if all(any(folder.glob(pattern)) for pattern in layout.files):
            return folder
    return None


def _unpacked(root: Path, name: str) -> Path | None:
    """The folder of the set's archive, unpacked if only the archive lies in `root`."""
    wanted = NAMED[name]
    archive = root / PUBLISHED[name][0].file
    if not wanted.unpacked or not archive.is_file():
        return None
    unpack(archive, wanted.unpacked, wanted.limit_bytes)
    return _find(root, wanted)


def _looked_for(name: str, roots: list[Path]) -> str:
    """Every file that was looked for, and where."""
    wanted = NAMED[name]
    lines = []
    for files in dict.fromkeys(layout.files for layout in wanted.layouts):
        lines.append(f"looked for {', '.join(files).replace('?', '-')} in")
        for folder in (root / layout.folder for root in roots for layout in wanted.layouts if layout.files == files):
            absent = [pattern for pattern in files if not any(folder.glob(pattern))]
            partly = f" (without {', '.join(absent).replace('?', '-')})" if len(absent) < len(files) else ""
            lines.append(f"  {folder}{partly}")
    if wanted.unpacked:
        lines.append(f"looked for {PUBLISHED[name][0].file} in")
        lines += [f"  {root}" for root in roots]
    return "\n".join(lines)


def _hint(name: str) -> str:
    files = ", ".join(remote.file for remote in PUBLISHED[name])
    landing = "" if NAMED[name].unpacked else f"{NAMED[name].layouts[0].folder}/"
    return f"put {files} into FOLDER/{landing} and give --data-dir FOLDER, or set {ENVIRONMENT}=FOLDER"
