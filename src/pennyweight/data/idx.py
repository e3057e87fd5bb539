"""IDX, the file format of MNIST and Fashion-MNIST (Yann LeCun, "The MNIST database", section "File formats")."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import DataError
from pennyweight.data.images import LabelledImages, Part

if TYPE_CHECKING:
    from pathlib import Path

UNSIGNED_BYTE = 0x08
LIMIT_BYTES = 1 << 30
"""An array of more is refused; the largest set published in this format, EMNIST, has 0.64e9."""

FILES = ("train-images?idx3-ubyte*", "train-labels?idx1-ubyte*", "t10k-images?idx3-ubyte*", "t10k-labels?idx1-ubyte*")
"""The four files, plain or .gz; some copies have a dot where the official names have a dash."""

CLASS_NAMES = {
    "mnist": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    # zalandoresearch/fashion-mnist, README, "Labels".
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}

TEST_LABELS_SHA256 = {
    "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5": "mnist",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9": "fashion-mnist",
}
"""The labels of the official test parts: the two sets name their files alike, and must not be taken for each other."""


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of bytes in an IDX file, plain or gzipped.

    Raises DataError unless it holds unsigned bytes and exactly as many as its header says; not more than that is
    ever unpacked.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            header = file.read(4)
            if len(header) < 4 or header[:2] != b"\0\0" or header[2] != UNSIGNED_BYTE or not 1 <= header[3] <= 4:
                raise DataError(
                    f"{path}: not an IDX file of unsigned bytes (it begins with {header.hex() or 'nothing'})"
                )
            axes = header[3]
            lengths = file.read(4 * axes)
            if len(lengths) < 4 * axes:
                raise DataError(f"{path}: truncated in its header")
            shape = struct.unpack(f">{axes}I", lengths)
            size_bytes = math.prod(shape)
            if size_bytes > LIMIT_BYTES:
                raise DataError(f"{path}: declares {size_bytes:,} bytes, the limit is {LIMIT_BYTES:,}")
            content = file.read(size_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}", hint="fetch it again") from error
    if len(content) != size_bytes:
        found = "more" if len(content) > size_bytes else f"{len(content):,}"
        raise DataError(f"{path}: holds {found} of the {size_bytes:,} bytes that it declares", hint="fetch it again")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_mnist(folder: Path, name: str) -> LabelledImages:
    """MNIST or Fashion-MNIST, whichever `name` says, from the four files in `folder`: 28x28x1, ten classes.

    Raises DataError where a file is no IDX file, or where they are those of the other set.
    """
    paths = [min(folder.glob(pattern)) for pattern in FILES]
    train_images, train_labels, test_images, test_labels = map(read_idx, paths)
    faults = []
    for path, array, axes in zip(
        paths, (train_images, train_labels, test_images, test_labels), (3, 1, 3, 1), strict=True
    ):
        if array.ndim != axes:
            faults.append(f"{path}: {array.ndim} axes, not {axes}")
    if faults:
        raise DataError("\n".join(faults))
    holds = TEST_LABELS_SHA256.get(hashlib.sha256(test_labels.tobytes()).hexdigest(), name)
    if holds != name:
        raise DataError(
            f"{folder} holds {holds}, not {name}",
            hint="keep each set in its own folder: MNIST/raw and FashionMNIST/raw",
        )
    return LabelledImages(
        name,
        Part(train_images[..., np.newaxis], train_labels.astype(np.int64)),
        Part(test_images[..., np.newaxis], test_labels.astype(np.int64)),
        CLASS_NAMES[name],
        origin=str(folder),
    )
