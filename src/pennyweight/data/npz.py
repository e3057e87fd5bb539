"""NumPy's .npz: images and labels that somebody saved with `numpy.savez`."""

from __future__ import annotations

import math
import zipfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from pennyweight.core.errors import DataError
from pennyweight.data.images import SEALED_NOTE, LabelledImages, Labels, Part, Pixels, seal

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ("images", "labels", "test_images", "test_labels", "class_names")
LIMIT_BYTES = 8 << 30
"""Arrays of more together are refused; zip packs a thousand to one, so that the size of the file bounds nothing."""

ONE_CLASS = "all images have one class; a classifier needs at least two"

Array = npt.NDArray[Any]


def read_npz(path: Path) -> LabelledImages:
    """The set in an .npz: `images` uint8 (count, height, width[, channels]) and `labels`, numbers or names.

    `test_images` and `test_labels` are the sealed part; without them a stratified fifth is sealed. With `class_names`
    the labels are places in it, or names in it; else the classes are the labels that occur, in order.
    Pickled objects are never read. Raises DataError with every fault.
    """
    arrays, others = _read_arrays(path)
    has_test = "test_images" in arrays or "test_labels" in arrays
    prefixes = ("", "test_") if has_test else ("",)
    faults = [fault for prefix in prefixes for fault in _part_faults(arrays, prefix)]
    faults += _class_faults(arrays)
    shapes = {_nhwc(arrays[key]).shape[1:] for key in ("images", "test_images") if key in arrays}
    if len(shapes) > 1:
        faults.append(f"images of {len(shapes)} sizes: {' and '.join(map(str, sorted(shapes)))}")
    if faults:
        hint = "add images of another class" if faults == [ONE_CLASS] else _conversion(arrays, others)
        raise DataError(f"{path}: " + "; ".join(faults), hint=hint)
    names, label_arrays = _numbered([arrays[f"{prefix}labels"] for prefix in prefixes], arrays.get("class_names"))
    learning = Part(_nhwc(arrays["images"]), label_arrays[0])
    if has_test:
        sealed = Part(_nhwc(arrays["test_images"]), label_arrays[1])
    else:
        learning, sealed = seal(learning)
    notes = () if has_test else (SEALED_NOTE,)
    return LabelledImages(path.stem, learning, sealed, names, origin=str(path), notes=notes)


def _part_faults(arrays: dict[str, Array], prefix: str) -> list[str]:
    """What is wrong with the images and labels of one part."""
    faults = [f"`{prefix}{key}` is missing" for key in ("images", "labels") if prefix + key not in arrays]
    images, labels = arrays.get(f"{prefix}images"), arrays.get(f"{prefix}labels")
    if images is not None and (images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape):
        faults.append(f"`{prefix}images` must be uint8 NHW or NHWC, not {images.dtype} {images.shape}")
    if labels is not None:
        if labels.ndim != 1 or labels.dtype.kind not in "iuU":
            faults.append(
                f"`{prefix}labels` must be one whole number or text an image, not {labels.dtype} {labels.shape}"
            )
        elif labels.dtype.kind == "i" and len(labels) and labels.min() < 0:
            faults.append(f"`{prefix}labels` must not be negative, and {labels.min()} is")
    if images is not None and labels is not None and images.shape[:1] != labels.shape[:1]:
        faults.append(f"`{prefix}images` {images.shape} and `{prefix}labels` {labels.shape} differ in their count")
    return faults


def _class_faults(arrays: dict[str, Array]) -> list[str]:
    """What is wrong with the classes: their number, their names, and labels that are none of them."""
    faults = []
    labels = [arrays[key] for key in ("labels", "test_labels") if key in arrays]
    labels = [array for array in labels if array.ndim == 1 and array.dtype.kind in "iuU"]
    if labels and len(np.unique(labels[0])) == 1:
        faults.append(ONE_CLASS)
    if len({array.dtype.kind == "U" for array in labels}) > 1:
        faults.append("`labels` and `test_labels` must both be numbers or both be texts")
    names = arrays.get("class_names")
    if names is not None:
        if names.dtype.kind != "U" or names.ndim != 1 or len(np.unique(names)) != len(names):
            faults.append(f"`class_names` must be a list of different texts, not {names.dtype} {names.shape}")
        else:
            known = {*names.tolist(), *range(len(names))}
            strange = {word for array in labels for word in np.unique(array).tolist()} - known
            if strange:
                shown = ", ".join(sorted(map(str, strange))[:5])
                faults.append(f"labels that are none of the {len(names)} `class_names`: {shown}")
    return faults


def _numbered(labels: list[Array], class_names: Array | None) -> tuple[tuple[str, ...], list[Labels]]:
    """Class names, and every label as its place among them."""
    if class_names is not None:
        words = class_names.tolist()
        places = {word: place for place, word in enumerate(words)} | {place: place for place in range(len(words))}
    else:
        words = sorted({word for array in labels for word in np.unique(array).tolist()})
        places = {word: place for place, word in enumerate(words)}
    numbered = []
    for array in labels:
        found, index = np.unique(array, return_inverse=True)
        numbered.append(np.array([places[word] for word in found.tolist()], np.int64)[index])
    return tuple(map(str, words)), numbered


def _nhwc(images: Array) -> Pixels:
    """Grey images without a channel axis get one."""
    return images[..., np.newaxis] if images.ndim == 3 else images


KERAS = {"x_train": "images", "y_train": "labels", "x_test": "test_images", "y_test": "test_labels"}
"""What Keras' own archives, such as mnist.npz, call the arrays."""


def _conversion(arrays: dict[str, Array], others: list[str]) -> str:
    """How to save what somebody has so that it can be read."""
    given = {key: key for key in KEYS if key in arrays}
    given |= {ours: theirs for theirs, ours in KERAS.items() if ours not in arrays and theirs in others}
    parts = {}
    for key in KEYS:
        default = "…" if key in ("images", "labels") else ""
        if source := given.get(key, default):
            parts[key] = _converted(source, arrays.get(key))
    told = ", ".join(f"{key}={source}" for key, source in parts.items())
    return f"save it with numpy.savez(path, {told})"


def _converted(source: str, array: Array | None) -> str:
    """What makes of an array the one that is wanted: bytes for pixels, one whole number or text a label."""
    if array is None or array.size == 0:
        return source
    if source.endswith("images") and array.dtype != np.uint8 and array.dtype.kind in "fiu":
        pixels = f"(255 * {source})" if array.dtype.kind == "f" and array.max() <= 1 else source
        return f"{pixels}.round().astype('uint8')"
    if source.endswith("labels") and array.ndim == 2:
        return f"{source}.argmax(1)" if array.shape[1] > 1 else f"{source}[:, 0].astype(int)"
    if source.endswith("labels") and array.dtype.kind in "fb":
        return f"{source}.astype(int)"
    return source


def _read_arrays(path: Path) -> tuple[dict[str, Array], list[str]]:
    """The arrays that we know by name, bytes as texts; and the names of the others."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            members = {key: archive.getinfo(f"{key}.npy") for key in KEYS if f"{key}.npy" in archive.namelist()}
            size_bytes = sum(member.file_size for member in members.values())
            if size_bytes > LIMIT_BYTES:
                raise DataError(f"{path}: {size_bytes:,} bytes unpacked, the limit is {LIMIT_BYTES:,}")
            arrays = {}
            for key, member in members.items():
                with archive.open(member) as file:
                    _check_header(key, file, member.file_size)
                with archive.open(member) as file:
                    array = npy.read_array(file, allow_pickle=False)
                arrays[key] = np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
            return arrays, [name for name in names if name not in KEYS]
    except DataError:
        raise
    except (MemoryError, RecursionError) as error:
        raise DataError(f"{path}: asks for more memory than there is") from error
    # zipfile and numpy raise many kinds on bytes that they do not expect: BadZipFile, ValueError, zlib.error …
    except Exception as error:
        raise DataError(
            f"{path}: not an .npz that can be read: {error or type(error).__name__}",
            hint="save it with numpy.savez or numpy.savez_compressed",
        ) from error


def _check_header(key: str, file: IO[bytes], size_bytes: int) -> None:
    """Refuses an array of objects, and one that declares another size than the archive says: before it is allocated."""
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError(f"`{key}` holds pickled objects, which are never read")
    if file.tell() + math.prod(shape) * dtype.itemsize != size_bytes:
        raise ValueError(f"`{key}` declares {dtype} {shape} and has {size_bytes - file.tell():,} bytes")
