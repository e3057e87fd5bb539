"""A .tflite file in float32 as one in int8."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pennyweight.core.errors import DataError, GraphError, unknown
from pennyweight.core.text import command, visible
from pennyweight.data.images import LabelledImages
from pennyweight.deploy.deployable import open_tflite
from pennyweight.deploy.evaluate import file_images
from pennyweight.deploy.export.file import check_file, write_file
from pennyweight.deploy.tflite.read import FloatNetwork
from pennyweight.deploy.trained import trained_network
from pennyweight.fit.asked import labels_as
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.device import choose_device, out_of_memory_told
from pennyweight.shrink.quantize.calibrated import (
    IMAGES,
    LOSS_IMAGES,
    Pair,
    Rounding,
    calibrated,
    calibration_notes,
    check_ways,
    clipping_notes,
    drawn,
)
from pennyweight.shrink.quantize.fold import fold
from pennyweight.shrink.quantize.loss import step_losses
from pennyweight.shrink.quantize.quantize import PARTS, Quantized
from pennyweight.shrink.quantize.ranges import Calibration

MAX_DROP_POINTS = 0.3
"""A drop of accuracy, in percentage points, from which on a reader is told what else may be tried."""


@out_of_memory_told("quantisation", "stop other programs, or take --device cpu")
def quantize_tflite(
    file: Path | str,
    source: str | LabelledImages,
    out: Path | str,
    *,
    part: Literal["validation", "test", "train"] = "validation",
    calibration: Calibration = "mse",
    calibration_images: int = IMAGES,
    rounding: Rounding = "nearest",
    data_dir: Path | None = None,
    device: str = "auto",
) -> Quantized:
    """The network of a .tflite file in int8, written to `out` as another, and both accuracies on one part of `source`.

    Ranges are seen on the training part of the source, which is split as a training would split it. The rest is as in
    `quantize`, but that nothing is fine-tuned: how the network was trained is not known.
    Raises GraphError for a file that cannot be read, is in int8 already or has layers without an integer form;
    UsageError where something else lies at `out`.
    """
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    check_ways(calibration, calibration_images, rounding)
    path, made_path = Path(file), Path(out).expanduser()
    check_file(made_path, "tflite")
    held = open_tflite(path)
    network = held.network
    if not isinstance(network, FloatNetwork):
        raise GraphError(f"{visible(path)} is in int8 already", hint=command("export", path, "--to", "c"))
    folded = fold(network.graph, network.weights)
    asked, names = file_images(source, "train", held, data_dir)
    images = asked.images
    assert isinstance(images, LabelledImages)
    trained = trained_network(network, names, choose_device(device))
    train, validation = images.split(default_recipe(network.graph, images).validation)
    seen = labels_as(names, images, drawn(train, calibration_images))
    notes = [*asked.notes, *calibration_notes(seen, names)]
    made = calibrated(folded, trained, seen, calibration, rounding)
    compared = images.open_test() if part == "test" else validation if part == "validation" else train
    if not len(compared):
        raise DataError(f"the {part} part of {images.name} is empty", hint="take another --part")
    pair = Pair.of(trained, made.integers, labels_as(names, images, compared))
    losses = step_losses(made.executor, made.scales, seen.images[:LOSS_IMAGES], trained.normalisation)
    notes += clipping_notes(losses)
    if 100 * pair.drop > MAX_DROP_POINTS and rounding == "nearest":
        notes.append("--rounding adaptive may bring int8 closer to float")
    write_file(made_path, made.integers, names, "tflite")
    return Quantized.of(
        pair,
        made,
        losses,
        run=path,
        network=visible(network.graph.text),
        source=images.name,
        part=part,
        calibration=calibration,
        calibration_images=len(seen),
        rounding=rounding,
        fine_tuned_epochs=0,
        opened=0,
        notes=tuple(notes),
        kept=made_path,
    )
