"""What a set of labelled images holds that spoils figures: copies, leaks from learning to test, imbalance.

Exact copies have equal pixels. Near copies are the same picture after JPEG compression, a change of brightness or
contrast or a little noise; pictures that are shifted, cropped or mirrored are not sought.

Every picture is compared with the one that looks most like it: the nearest by 8x8 grey thumbnails, then by the
correlation of all pixels, which brightness and contrast leave alone (Lewis, "Fast normalized cross-correlation",
1995). How alike two different pictures may be depends on the set: handwritten ones are nearly equal by chance, photos
never are. So the threshold follows the set (`near_threshold`).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from pennyweight.core.shown import Shown
from pennyweight.data.resize import resize

if TYPE_CHECKING:
    from pennyweight.data.images import LabelledImages, Pixels, Size, Unreadable

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

LISTED_PAIRS = 1_000
"""How many pairs of a kind an audit lists; it counts all of them."""

IMBALANCE_MAX = 3.0
"""The largest class may have this many times the images of the smallest before the audit says so."""

THUMBNAIL_SIDE = 8

NEAR_SHARE = 0.1
"""A near copy is nearer than this share of the squared distance that is usual between nearest neighbours."""

NEAR_CORRELATION_MIN, NEAR_CORRELATION_MAX = 0.95, 0.99
"""Whatever is usual in a set: pictures below the first are no near copies, above the second they are.

Measured with these: of 500 planted JPEG copies at quality 75 among 20,000 images, 98 % are found in CIFAR-10 and all in
MNIST; in the whole of MNIST 26 pairs, all of them the digit one, are as alike by chance.
"""

NEAR_IMAGES_MAX = 100_000
"""Near copies are sought among so many images at most: their time grows with the square, to half a minute here."""

BLOCK_ROWS = 512
"""Images compared with all others at once: bounds the memory to a few hundred MiB."""


@dataclass(frozen=True, slots=True)
class Member:
    """An image of a set: the `index`-th of its part, and the class that it is labelled with."""

    part: Literal["learning", "test"]
    index: int
    label: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Two images that show the same picture."""

    kind: Literal["exact", "near"]
    first: Member
    second: Member

    @property
    def labels_conflict(self) -> bool:
        """Whether one picture has two labels, of which one must be wrong."""
        return self.first.label != self.second.label

    @property
    def leaks(self) -> bool:
        """Whether one lies in the learning part and the other in the test part."""
        return self.first.part != self.second.part

    def as_json(self) -> dict[str, Any]:
        """The pair with its two images as plain values."""
        return {**asdict(self), "labels_conflict": self.labels_conflict}


@dataclass(frozen=True)
class Audit(Shown):
    """What a set of labelled images holds.

    `counts` gives images of each class in both parts. `duplicates` are exact copies and `near_duplicates` near ones,
    within a part or across; `leaked` those of both kinds between learning and test. Each lists 1,000 pairs at most,
    conflicting labels first; `…_count` counts all. `imbalance_ratio` is the largest class of the learning part over
    the smallest, None where a class has no image. `sizes` counts the images of each (height, width) as they were read,
    before anything was resized, the most common first. `findings` says in sentences what a reader should act upon.
    """

    name: str
    origin: str
    fingerprint: str
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    sizes: dict[Size, int]
    unreadable: tuple[Unreadable, ...]
    duplicates: tuple[Copy, ...]
    duplicates_count: int
    near_duplicates: tuple[Copy, ...]
    near_duplicates_count: int
    leaked: tuple[Copy, ...]
    leaked_count: int
    imbalance_ratio: float | None
    notes: tuple[str, ...]
    findings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The audit as plain values, by the names of the fields."""
        plain = dict(vars(self))
        for pairs in ("duplicates", "near_duplicates", "leaked"):
            plain[pairs] = [copy.as_json() for copy in plain[pairs]]
        plain["sizes"] = [
            {"height": height, "width": width, "count": count} for (height, width), count in self.sizes.items()
        ]
        plain["unreadable"] = [asdict(file) for file in self.unreadable]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def audit(images: LabelledImages) -> Audit:
    """The audit of a set: 60,000 + 10,000 images of 28x28 take about 12 s on one core.

    It looks at the pixels of the sealed part too, which tells nothing of any network.
    """
    exact, near = _copies(images)
    leaked = [copy for copy in exact + near if copy.leaks]
    counts = {
        class_name: {
            "learning": int((images.learning.labels == label).sum()),
            "test": int((images.sealed.labels == label).sum()),
        }
        for label, class_name in enumerate(images.class_names)
    }
    smallest, *_, largest = sorted(counts, key=lambda class_name: counts[class_name]["learning"])
    fewest, most = counts[smallest]["learning"], counts[largest]["learning"]
    ratio = most / fewest if fewest else None

    findings = []
    if ratio is None or ratio > IMBALANCE_MAX:
        findings.append(
            f"classes are imbalanced: {largest!r} has {most:,} images to learn from, {smallest!r} has {fewest:,}"
        )
    conflicts = sum(copy.labels_conflict for copy in exact + near)
    if conflicts:
        findings.append(f"{conflicts:,} pairs of copies have two different labels; one of them must be wrong")
    if leaked:
        exactly = sum(copy.kind == "exact" for copy in leaked)
        findings.append(
            f"{len(leaked):,} of {len(images.sealed):,} test images have a copy in the learning part "
            f"({exactly:,} exact, {len(leaked) - exactly:,} near); accuracy on them flatters"
        )
    if _too_many(images):
        findings.append(f"near copies were not sought: more than {NEAR_IMAGES_MAX:,} images")
    return Audit(
        name=images.name,
        origin=images.origin,
        fingerprint=images.fingerprint,
        input_shape=images.input_shape,
        classes=images.class_names,
        counts=counts,
        sizes=dict(sorted(images.sizes.items(), key=lambda entry: (-entry[1], entry[0]))),
        unreadable=images.unreadable,
        duplicates=_listed(exact),
        duplicates_count=len(exact),
        near_duplicates=_listed(near),
        near_duplicates_count=len(near),
        leaked=_listed(leaked),
        leaked_count=len(leaked),
        imbalance_ratio=ratio,
        notes=images.notes,
        findings=tuple(findings),
    )


def near_threshold(correlations: Floats) -> float:
    """The correlation from which two images are near copies, from that of each image with its nearest neighbour.

    Squared distance is 2 (1 - correlation), so a tenth of what is usual, the median, is 1 - 0.1 (1 - median),
    kept between 0.95 and 0.99.

    >>> round(near_threshold(np.array([0.6, 0.7, 0.8], np.float32)), 2)
    0.97
    """
    usual = float(np.median(correlations)) if len(correlations) else 0.0
    return min(max(1 - NEAR_SHARE * (1 - usual), NEAR_CORRELATION_MIN), NEAR_CORRELATION_MAX)


def _listed(copies: list[Copy]) -> tuple[Copy, ...]:
    return tuple(sorted(copies, key=lambda copy: not copy.labels_conflict)[:LISTED_PAIRS])


def _too_many(images: LabelledImages) -> bool:
    return len(images.learning) + len(images.sealed) > NEAR_IMAGES_MAX


def _copies(images: LabelledImages) -> tuple[list[Copy], list[Copy]]:
    """Exact and near copies; an image is paired once with what it copies, so their number counts images."""
    names = images.class_names
    members = [Member("learning", index, names[label]) for index, label in enumerate(images.learning.labels)]
    members += [Member("test", index, names[label]) for index, label in enumerate(images.sealed.labels)]
    first_seen: dict[bytes, int] = {}
    exact, distinct = [], []
    pictures = (picture for part in (images.learning, images.sealed) for picture in part.images)
    for number, picture in enumerate(pictures):
        first = first_seen.setdefault(hashlib.blake2b(picture.tobytes(), digest_size=16).digest(), number)
        if first == number:
            distinct.append(number)
        else:
            exact.append(Copy("exact", members[first], members[number]))
    if _too_many(images):
        return exact, []

    numbers = np.array(distinct, np.int64)
    boundary = len(images.learning)
    learning, test = numbers[numbers < boundary], numbers[numbers >= boundary] - boundary
    pairs = _near_pairs(images.learning.images, images.sealed.images, learning, test)
    return exact, [Copy("near", members[first], members[second]) for first, second in sorted(pairs)]


def _near_pairs(learning: Pixels, test: Pixels, learning_index: Indices, test_index: Indices) -> set[tuple[int, int]]:
    """Pairs of near copies among the images at these indices; those of test are numbered on from learning."""
    learning_small = _normalised(resize(learning, (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 1))[learning_index])
    test_small = _normalised(resize(test, (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 1))[test_index])
    start = len(learning)

    inside = _nearest(learning_small, learning_small, apart=True)
    alike = _correlations(learning, learning_index, learning, learning_index[inside])
    threshold = near_threshold(alike)
    found = [(learning_index, learning_index[inside], alike)]
    if len(test_index):
        inside = _nearest(test_small, test_small, apart=True)
        alike = _correlations(test, test_index, test, test_index[inside])
        found.append((test_index + start, test_index[inside] + start, alike))
        across = _nearest(test_small, learning_small, apart=False)
        alike = _correlations(test, test_index, learning, learning_index[across])
        found.append((test_index + start, learning_index[across], alike))
    return {
        (min(query, key), max(query, key))
        for queries, keys, alike in found
        for query, key in np.stack([queries, keys], axis=1)[alike >= threshold].tolist()
        if query != key
    }


def _normalised(pixels: Pixels) -> Floats:
    """Each image as a vector of mean 0 and length 1, so that a product of two is their correlation; 0 if it is flat."""
    vectors = pixels.reshape(len(pixels), math.prod(pixels.shape[1:])).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return vectors


def _nearest(queries: Floats, keys: Floats, *, apart: bool) -> Indices:
    """For each query the key of highest correlation; `apart`: the keys are the queries, and none is its own nearest."""
    nearest = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), BLOCK_ROWS):
        alike = queries[start : start + BLOCK_ROWS] @ keys.T
        if apart:
            rows = np.arange(len(alike))
            alike[rows, start + rows] = -np.inf
        nearest[start : start + BLOCK_ROWS] = alike.argmax(axis=1)
    return nearest


def _correlations(first: Pixels, first_index: Indices, second: Pixels, second_index: Indices) -> Floats:
    """The correlation of all pixels between the first and the second image of each pair."""
    alike = np.zeros(len(first_index), np.float32)
    for start in range(0, len(first_index), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        products = _normalised(first[first_index[block]]) * _normalised(second[second_index[block]])
        alike[block] = products.sum(axis=1)
    return alike
