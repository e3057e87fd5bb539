"""Data sets of the Hugging Face Hub, through the package `datasets` (extra `hub`)."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import requests

from pennyweight.core.errors import DataError, MissingExtraError
from pennyweight.data.decode import UndecodableError, decode, measure, quiet_pillow
from pennyweight.data.images import SEALED_NOTE, LabelledImages, Part, Pixels, Size, Unreadable, seal

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 5
"""How long the Hub may take to answer at all; `datasets` itself would try for half a minute."""

Shape = tuple[int, int, int]


def read_hub(repository: str, input_shape: Shape | None = None) -> LabelledImages:
    """The set `owner/name` of the Hub, of `input_shape` or of the one size that its images have.

    Code that a repository brings is never run: `datasets` has not been able to since 4.0. Raises MissingExtraError
    without the extra `hub`, and DataError where the set cannot be fetched or holds no labelled images.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(f"hf:{repository}", "hub") from error
    try:
        if not datasets.config.HF_HUB_OFFLINE:
            requests.head(datasets.config.HF_ENDPOINT, timeout=TIMEOUT_S)
        splits = datasets.load_dataset(repository)
    # What is wrong may come from the network, the Hub, a file's format or the disk, each with its own kind of error.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"hf:{repository} could not be fetched: {reason}",
            hint="is there a network, and https://huggingface.co/datasets/" + repository + "? "
            "With HF_HUB_OFFLINE=1 a set that was fetched before is read from its cache",
        ) from error
    return labelled(splits, repository, input_shape)


def labelled(splits: Mapping[str, Any], name: str, input_shape: Shape | None = None) -> LabelledImages:
    """The images of a `datasets.DatasetDict`: `train` to learn from, `test` (else `validation`) sealed.

    The columns are found by their kind: the first of images, the first of class labels. Without a second split a
    stratified fifth is sealed. Raises DataError with every fault.
    """
    import datasets

    test = next((split for split in ("test", "validation") if split in splits), None)
    faults = [] if "train" in splits else [f"there is no split `train` (there is {', '.join(splits) or 'none'})"]
    features = next(iter(splits.values())).features if splits else {}
    image_column = next((key for key, kind in features.items() if isinstance(kind, datasets.Image)), None)
    label_column = next((key for key, kind in features.items() if isinstance(kind, datasets.ClassLabel)), None)
    columns = ", ".join(f"{key}: {type(kind).__name__}" for key, kind in features.items())
    if image_column is None:
        faults.append(f"no column holds images ({columns})")
    if label_column is None:
        faults.append(f"no column holds class labels ({columns})")
    if image_column is None or label_column is None or faults:
        raise DataError(f"hf:{name}: " + "; ".join(faults))

    unreadable: list[Unreadable] = []
    sizes: Counter[Size] = Counter()
    notes = []
    parts = []
    for split in filter(None, ("train", test)):
        rows = splits[split].cast_column(image_column, datasets.Image(decode=False))
        parts.append(_read_rows(rows, split, image_column, label_column, input_shape, unreadable, sizes))
    if test is None:
        parts = list(seal(parts[0]))
        notes.append(SEALED_NOTE)
    elif test != "test":
        notes.append(f"there is no split `test`: `{test}` was sealed as the test part")
    names = tuple(features[label_column].names)
    origin = f"https://huggingface.co/datasets/{name}"
    return LabelledImages(name, parts[0], parts[1], names, origin, tuple(notes), tuple(unreadable), sizes=sizes)


def _read_rows(
    rows: Any,
    split: str,
    image_column: str,
    label_column: str,
    input_shape: Shape | None,
    unreadable: list[Unreadable],
    sizes: Counter[Size],
) -> Part:
    """The pictures and labels of one split; what cannot be read is added to `unreadable`, and to `sizes` what can."""
    images: list[Pixels] = []
    labels: list[int] = []
    with tempfile.TemporaryDirectory() as folder, quiet_pillow():
        copy = Path(folder) / "image"
        for number, row in enumerate(rows):
            label, image = row[label_column], row[image_column]
            try:
                if label is None or label < 0:
                    raise UndecodableError("no label")
                if image is None:
                    raise UndecodableError("no image")
                if image["bytes"] is not None:
                    copy.write_bytes(image["bytes"])
                file = copy if image["bytes"] is not None else _fetched(image["path"])
                size = measure(file)[:2]
                images.append(decode(file, input_shape))
                labels.append(label)
                sizes[size] += 1
            except UndecodableError as error:
                unreadable.append(Unreadable(f"{split}[{number}]", str(error)))
    if not images:
        raise DataError(f"split `{split}`: none of {len(rows):,} images can be read")
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise DataError(
            f"split `{split}`: images of {len(shapes):,} sizes, from {shapes[0]} to {shapes[-1]}",
            hint="say which size they shall have, such as --input 96x96x3",
        )
    return Part(np.stack(images), np.array(labels, np.int64))


def _fetched(path: str) -> Path:
    """The file that a row names instead of holding its bytes, which must be one that `datasets` fetched.

    The table comes from the Hub, and may name any file of this machine. Raises UndecodableError.
    """
    import datasets
    from huggingface_hub import constants

    real = Path(path).resolve()
    caches = (datasets.config.HF_DATASETS_CACHE, datasets.config.DOWNLOADED_DATASETS_PATH, constants.HF_HUB_CACHE)
    if not any(real.is_relative_to(Path(cache).resolve()) for cache in caches):
        raise UndecodableError("it names a file that does not belong to the set")
    return real
