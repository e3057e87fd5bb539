"""LabelledImages: uint8 pictures with integer labels, and a test part that stays sealed until it is asked for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import DataError

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Size = tuple[int, int]
"""`(height, width)`"""

CHANNELS = (1, 3)
"""Grey or colour."""

SPLIT_SEED = 20_177
"""The split is part of the data, not of a training: every training of a set sees the same parts."""

SEALED_SHARE = 0.2
SEALED_NOTE = f"there is no test part: {SEALED_SHARE:.0%} of every class was sealed as one"
"""What `seal` holds back, and how `notes` says so."""


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures `(count, height, width, channels)` uint8 and their labels `(count,)` int64."""

    images: Pixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: npt.NDArray[np.int64]) -> Part:
        """The pictures at `index`, in that order."""
        return Part(self.images[index], self.labels[index])


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that gave no picture, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """A set of labelled images in memory.

    `learning` is what training and selection may see; the test part is handed out by `open_test` alone.
    `origin` says in words where the pictures came from and what was done to them, `notes` what a reader of figures
    must know (a missing batch, a split that we made, pictures that were resized). `source` is the text with which
    `open_source` opens them again; it is empty where they were made in Python. `sizes` counts the pictures of each
    height and width as they were read, before anything was resized; that of these pictures unless told.
    Raises DataError when made from parts that do not fit together.
    """

    name: str
    learning: Part
    sealed: Part = field(repr=False)
    class_names: tuple[str, ...]
    origin: str = ""
    notes: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    source: str = ""
    sizes: Mapping[Size, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = []
        hint = ""
        for title, part in (("learning", self.learning), ("test", self.sealed)):
            if part.images.dtype != np.uint8 or part.images.ndim != 4:
                faults.append(f"{title} images must be uint8 NHWC, not {part.images.dtype} {part.images.shape}")
            if len(part.images) != len(part.labels):
                faults.append(f"{len(part.images):,} {title} images have {len(part.labels):,} labels")
            if part.labels.dtype != np.int64 or part.labels.ndim != 1:
                faults.append(
                    f"{title} labels must be int64, one an image, not {part.labels.dtype} {part.labels.shape}"
                )
            elif len(part.labels) and not 0 <= part.labels.min() <= part.labels.max() < len(self.class_names):
                faults.append(f"{title} labels must lie in 0 … {len(self.class_names) - 1}")
        if self.learning.images.shape[1:] != self.sealed.images.shape[1:]:
            faults.append(
                f"images of two sizes: learning {self.learning.images.shape[1:]}, test {self.sealed.images.shape[1:]}"
            )
        elif self.learning.images.ndim == 4 and not is_picture(self.learning.images.shape[1:]):
            shape = "x".join(map(str, self.learning.images.shape[1:]))
            faults.append(f"images must be height x width x channels with 1 or 3 channels, not {shape}")
            hint = "images[..., :3] is colour without alpha, images[..., :1] is the first channel as grey"
        if not len(self.learning):
            faults.append("there are no images to learn from")
        elif len(np.unique(self.learning.labels)) < 2:
            faults.append("all images have one class; a classifier needs at least two")
        twice = [name for name, count in Counter(self.class_names).items() if count > 1]
        if twice:
            faults.append(f"classes of one name: {', '.join(map(repr, twice))}")
        if faults:
            raise DataError(f"{self.name}: " + "; ".join(faults), hint)
        if not self.sizes:
            object.__setattr__(self, "sizes", {self.input_shape[:2]: len(self.learning) + len(self.sealed)})

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of every picture."""
        _, height, width, channels = self.learning.images.shape
        return height, width, channels

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all pictures, labels and class names, the test part's too: 64 hexadecimal digits."""
        return fingerprint_of(self.learning, self.sealed, class_names=self.class_names)

    def split(self, validation: float) -> tuple[Part, Part]:
        """The learning part as train and validation: a stratified share of each class, the same in every call.

        `validation` is a share in [0, 1) of the learning part; 0 gives an empty validation part.
        """
        if validation == 0:
            return self.learning, self.learning.take(np.arange(0))
        train, held = stratified(self.learning.labels, validation)
        return self.learning.take(train), self.learning.take(held)

    def open_test(self) -> Part:
        """The test part. Whoever opens it counts it (`pennyweight evaluate` does, in the run folder)."""
        return self.sealed


def fingerprint_of(*parts: Part, class_names: Sequence[str] = ()) -> str:
    """SHA-256 over the pictures and labels of the parts and the class names: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part.images.shape).encode())
        digest.update(np.ascontiguousarray(part.images).data)
        digest.update(np.ascontiguousarray(part.labels).data)
    digest.update("\0".join(class_names).encode())
    return digest.hexdigest()


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether `shape` is a height, a width and 1 or 3 channels."""
    return len(shape) == 3 and min(shape) >= 1 and shape[2] in CHANNELS


def stratified(labels: Labels, share: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of the kept and of the held-out: `share` of every class is held out, at least one where it has two.

    The same labels and share give the same indices. Both come sorted.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    held = [np.arange(0)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        held.append(members[:count])
    out = np.sort(np.concatenate(held)).astype(np.int64)
    return np.setdiff1d(np.arange(len(labels)), out), out


def seal(pictures: Part) -> tuple[Part, Part]:
    """The learning and the sealed test part of a source that has no test part of its own; see SEALED_NOTE."""
    kept, held = stratified(pictures.labels, SEALED_SHARE)
    return pictures.take(kept), pictures.take(held)
