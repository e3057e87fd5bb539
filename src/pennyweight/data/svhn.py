"""SVHN's cropped digits: MATLAB files of level 5 (format 1 on http://ufldl.stanford.edu/housenumbers).

Read here and not by SciPy, whose reader can bring the whole interpreter down on a damaged file (1.17.1, found by the
property test that this reader now passes). What is read is what these files need, real arrays of numbers, plain or
zlib-compressed, as MathWorks' "MAT-File Format" lays them out; an array is checked against its header before it is
unpacked.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import DataError
from pennyweight.data.images import SEALED_NOTE, LabelledImages, Part, seal

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 32
PIXEL_BYTES = SIDE * SIDE * 3
COUNT_LIMIT = 600_000
"""The largest published part, `extra`, has 531,131 images."""

TRAIN_COUNT = 73_257
CLASS_NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers are stored: data type -> NumPy's name ("MAT-File Data Types")."""

NUMERIC_CLASSES = range(6, 16)
"""mxDOUBLE_CLASS … mxUINT64_CLASS ("MATLAB Array Types")."""

COMPLEX = 0x08

Array = npt.NDArray[Any]


def read_svhn(folder: Path) -> LabelledImages:
    """SVHN's cropped digits from `train_32x32*.mat` and `test_32x32*.mat` in `folder`: 32x32x3, ten classes.

    Without a test file a stratified fifth is sealed; `notes` says so, and so where the training part is not whole.
    Raises DataError where a file is no such .mat.
    """
    train_path = min(folder.glob("train_32x32*.mat"))
    test_path = min(folder.glob("test_32x32*.mat"), default=None)
    learning = _read_part(train_path)
    notes = []
    if len(learning) != TRAIN_COUNT:
        notes.append(f"{train_path.name}: {len(learning):,} of {TRAIN_COUNT:,} training images")
    if test_path:
        sealed = _read_part(test_path)
    else:
        learning, sealed = seal(learning)
        notes.append(SEALED_NOTE)
    return LabelledImages("svhn", learning, sealed, CLASS_NAMES, origin=str(folder), notes=tuple(notes))


def _read_part(path: Path) -> Part:
    """The pictures `X` (height, width, channels, count) and labels `y` (count, 1), which has 10 for zero."""
    try:
        arrays = _read_mat(path.read_bytes())
    except (ValueError, struct.error, zlib.error, MemoryError) as error:
        raise DataError(
            f"{path}: not a MATLAB file that can be read: {error}",
            hint="fetch it again from http://ufldl.stanford.edu/housenumbers",
        ) from error
    pixels, labels = arrays.get("X"), arrays.get("y")
    faults = []
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (SIDE, SIDE, 3):
        found = "missing" if pixels is None else f"{pixels.dtype} {pixels.shape}"
        faults.append(f"`X` must be uint8 ({SIDE}, {SIDE}, 3, count) and is {found}")
    if labels is None or not np.isin(labels, np.arange(1, 11)).all():
        faults.append("`y` must be 1 … 10, where 10 is the digit 0")
    elif pixels is not None and labels.size != pixels.shape[-1]:
        faults.append(f"{pixels.shape[-1]:,} images have {labels.size:,} labels")
    if pixels is None or labels is None or faults:
        raise DataError(f"{path}: " + "; ".join(faults))
    return Part(np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), labels.ravel().astype(np.int64) % 10)


def _read_mat(content: bytes) -> dict[str, Array]:
    """The arrays `X` and `y`.

    Raises ValueError, struct.error or zlib.error for anything but a .mat of level 5.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER_BYTES - 2 : HEADER_BYTES])
    if order is None:
        raise ValueError("it has no header of level 5")
    arrays = {}
    at = HEADER_BYTES
    while at < len(content):
        kind, size_bytes = struct.unpack_from(f"{order}II", content, at)
        body = memoryview(content)[at + 8 : at + 8 + size_bytes]
        if len(body) != size_bytes:
            raise ValueError("it is truncated")
        if kind not in (MATRIX, COMPRESSED):
            raise ValueError(f"it has an element of type {kind}")
        name, array = _read_matrix(body, order, compressed=kind == COMPRESSED)
        if array is not None:
            arrays[name] = array
        at += 8 + size_bytes
    return arrays


def _read_matrix(body: memoryview, order: str, *, compressed: bool) -> tuple[str, Array | None]:
    """The name of a matrix, and its numbers if it is called `X` or `y`."""
    unpacker = zlib.decompressobj()
    # Flags, at most 32 axes, a name and a tag; the tag of the whole matrix counts only where it is compressed.
    head = unpacker.decompress(body, 512)[8:] if compressed else bytes(body[:512])
    _, flags, at = _element(head, 0, order)
    (word,) = struct.unpack_from(f"{order}I", flags)
    _, lengths, at = _element(head, at, order)
    _, name, at = _element(head, at, order)
    if bytes(name) not in (b"X", b"y"):
        return "", None
    shape = struct.unpack(f"{order}{len(lengths) // 4}i", lengths)
    title = f"`{name.decode()}`"
    if word & 0xFF not in NUMERIC_CLASSES or (word >> 8) & COMPLEX or min(shape, default=0) < 1:
        raise ValueError(f"{title} is no array of real numbers")
    kind, start, size_bytes = _tag(head, at, order)
    if kind not in STORED or math.prod(shape) * np.dtype(STORED[kind]).itemsize != size_bytes:
        raise ValueError(f"{title} declares the shape {shape} and {size_bytes:,} bytes of type {kind}")
    if size_bytes > COUNT_LIMIT * PIXEL_BYTES:
        raise ValueError(f"{title} has {size_bytes:,} bytes, the limit is {COUNT_LIMIT * PIXEL_BYTES:,}")
    if compressed:
        # Up to eight bytes of padding; at its end zlib compares its checksum.
        rest = unpacker.decompress(unpacker.unconsumed_tail, start + size_bytes + 16)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError(f"{title} does not unpack to the {size_bytes:,} bytes that it declares")
        data = (head + rest)[start : start + size_bytes]
    else:
        data = bytes(body[start : start + size_bytes])
    numbers = np.frombuffer(data, order + STORED[kind])
    # MATLAB stores columns first.
    return name.decode(), numbers.reshape(shape[::-1]).T


def _tag(content: bytes, at: int, order: str) -> tuple[int, int, int]:
    """Type of the data element at `at`, where its data starts, and how many bytes they are."""
    (word,) = struct.unpack_from(f"{order}I", content, at)
    # Data of up to four bytes share the tag's eight, and the length its first word.
    if word >> 16:
        return word & 0xFFFF, at + 4, word >> 16
    (size_bytes,) = struct.unpack_from(f"{order}I", content, at + 4)
    return word, at + 8, size_bytes


def _element(content: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Type and data of the element at `at`, and where the next one begins."""
    kind, start, size_bytes = _tag(content, at, order)
    if start + size_bytes > len(content):
        raise ValueError("it has a header that does not end")
    return kind, content[start : start + size_bytes], at + 8 * math.ceil((start - at + size_bytes) / 8)
