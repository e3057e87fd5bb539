"""`pennyweight evaluate`: how well a trained network answers, on the part of the images that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch.nn.functional as F

from pennyweight.core.errors import DataError, RunError, UsageError
from pennyweight.core.run import SETTINGS, Run
from pennyweight.data.images import LabelledImages, Part
from pennyweight.data.source import open_source
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.device import choose_device
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import as_tensor
from pennyweight.fit.train import images_of, recipe_of

PARTS = ("test", "validation", "train", "all")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well a network answered: `confusion[true][answered]` counts images, `opened` looks at the test part."""

    run: Path
    source: str
    part: str
    accuracy: Accuracy
    loss: float
    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    opened: int

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            "run": str(self.run),
            "source": self.source,
            "part": self.part,
            "accuracy": self.accuracy.share,
            "interval": list(self.accuracy.interval),
            "n": self.accuracy.n,
            "loss": self.loss,
            "classes": list(self.class_names),
            "confusion": [list(row) for row in self.confusion],
            "test_openings": self.opened,
        }


def evaluate(
    run: Path,
    source: str | LabelledImages | None = None,
    *,
    part: Literal["test", "validation", "train", "all"] = "test",
    data_dir: Path | None = None,
    device: str = "auto",
) -> Evaluation:
    """Accuracy, loss and confusion of a finished run on one part of its own images, or of another source.

    Looking at the run's own test part is counted in the run folder, before the look. `all` is every image of another
    source. Raises RunError for a folder that is not whole, or where its own images have changed since; DataError where
    another source has classes that the network does not know, or an empty part.
    """
    if part not in PARTS:
        raise UsageError(f"unknown part {part!r}", hint=f"known: {', '.join(PARTS)}")
    folder = Run.open(run)
    network = TrainedNetwork.of(folder, choose_device(device))
    settings = folder.read(SETTINGS)
    if source is None:
        images = images_of(folder, data_dir)
    elif isinstance(source, str):
        height, width, channels = network.graph.input_shape
        images = open_source(source, data_dir=data_dir, input_shape=(height, width, channels))
    else:
        images = source
    own = images.fingerprint == settings.get("fingerprint")
    if source is None and not own:
        raise RunError(
            f"{run}: {images.name} is not what this network was trained on: its test part may be leaked",
            hint=f"to evaluate on them all the same: pennyweight evaluate {run} {images.name}",
        )
    if own and part == "all":
        raise UsageError("part `all` would mix training and test images of the run's own source")
    if images.input_shape != network.graph.input_shape:
        raise DataError(f"the network takes {network.graph.input_shape}, {images.name} has {images.input_shape}")
    chosen = _labels_as(network.class_names, images, _part(images, part, recipe_of(folder).validation))
    if not len(chosen):
        raise DataError(f"the {part} part of {images.name} is empty")

    opened = folder.count_opening() if own and part == "test" else len(folder.openings())
    out = network.logits(chosen.images)
    labels = as_tensor(chosen.labels)
    answers = out.argmax(1)
    accuracy = Accuracy(int((answers == labels).sum()), len(chosen))
    confusion = np.zeros((len(network.class_names),) * 2, np.int64)
    np.add.at(confusion, (chosen.labels, answers.numpy()), 1)
    return Evaluation(
        run=run,
        source=images.name,
        part=part,
        accuracy=accuracy,
        loss=float(F.cross_entropy(out, labels)),
        class_names=network.class_names,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        opened=opened,
    )


def _part(images: LabelledImages, part: str, validation: float) -> Part:
    match part:
        case "test":
            return images.open_test()
        case "all":
            learning, test = images.learning, images.open_test()
            return Part(np.concatenate([learning.images, test.images]), np.concatenate([learning.labels, test.labels]))
        case _:
            return images.split(validation)[part == "validation"]


def _labels_as(class_names: Sequence[str], images: LabelledImages, part: Part) -> Part:
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
