"""`pennyweight emulate`: a network's firmware on a virtual board, beside the integer reference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pennyweight.core.board import Board, find_board
from pennyweight.core.errors import UsageError
from pennyweight.core.files import write_json, writing
from pennyweight.core.shown import Shown
from pennyweight.deploy.analysis import Analysis, analysis_of
from pennyweight.deploy.deployable import open_deployable
from pennyweight.deploy.emulate.in_qemu import memory_map_in_qemu
from pennyweight.deploy.trial_images import trial_images
from pennyweight.deploy.virtual_board import VirtualBoard
from pennyweight.deploy.watching import Watcher, unwatched
from pennyweight.fit.card import write_card
from pennyweight.fit.deployed import EMULATED, FOLDER
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import Pixels, quantise_input, run, run_all

IMAGES = 20
"""Images that are run unless told."""

IMAGES_AT_ONCE = 5
"""After so many it is told how far the emulation is, and Ctrl-C is heard."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first tensor, in the order of execution, that is not the reference's: in which image, and how many bytes."""

    tensor: str
    image: int
    differing_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What QEMU made of the same images: whether it gave the same bytes, and its count of instructions for one.

    `relinked` says that QEMU has no memory at the board's addresses, so that the firmware was linked for others.
    """

    agrees: bool
    instructions: int
    relinked: bool


@dataclass(frozen=True, slots=True)
class Emulated(Shown):
    """What a network's firmware did on a virtual board with `images` images.

    `difference` is None where every byte of every answer is the reference's. `source` says where the images came from.
    `kept` is the file of all this in the run folder; a .tflite file has none.
    """

    analysis: Analysis
    images: int
    source: str
    difference: Difference | None
    second_opinion: SecondOpinion | None
    kept: Path | None = None

    @property
    def agrees(self) -> bool:
        """Whether the reference, and QEMU where it was asked, give the same bytes."""
        return self.difference is None and (self.second_opinion is None or self.second_opinion.agrees)

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        difference, second = self.difference, self.second_opinion
        return {
            **self.analysis.as_json(),
            "images": self.images,
            "source": self.source,
            "agrees": self.agrees,
            "difference": difference
            and {
                "tensor": difference.tensor,
                "image": difference.image,
                "differing_bytes": difference.differing_bytes,
                "size_bytes": difference.size_bytes,
            },
            "qemu": second
            and {"agrees": second.agrees, "instructions": second.instructions, "relinked": second.relinked},
            "kept": None if self.kept is None else str(self.kept),
        }


def emulate(
    model: Path | str,
    board: Board | str,
    *,
    images: int = IMAGES,
    part: str = "validation",
    source: str | None = None,
    data_dir: Path | None = None,
    qemu: bool = False,
    on_progress: Watcher = unwatched,
) -> Emulated:
    """What the firmware of `model`, a quantised run or an int8 .tflite file, does on a board with some images.

    They are drawn from `part` of the run's images, or of those that `source` names; from noise where a .tflite file
    comes without. With `qemu`, qemu-system-arm or -riscv32 runs the firmware too. What came out is kept in the run
    folder, one file a board, and its model card is written anew.
    Raises what `open_deployable`, `trial_images` and `VirtualBoard` raise, RunError where nothing can be kept.
    """
    if images < 1:
        raise UsageError(f"{images} images; at least 1 is needed")
    chosen = find_board(board) if isinstance(board, str) else board
    deployable = open_deployable(model)
    trial = trial_images(deployable, images, part=part, source=source, data_dir=data_dir)
    on_progress("compiling", 0, len(trial.pixels))
    virtual = VirtualBoard.of(deployable.network, chosen)
    analysis = analysis_of(virtual, virtual.measure(trial.pixels[:1]))
    output = _output(virtual, trial.pixels, on_progress)
    run = deployable.run
    found = Emulated(
        analysis=analysis,
        images=len(trial.pixels),
        source=trial.told,
        difference=first_difference(deployable.network, virtual, trial.pixels, output),
        second_opinion=_second_opinion(virtual, trial.pixels, output, on_progress) if qemu else None,
        kept=None if run is None else run.subfolder(FOLDER) / f"{EMULATED}{chosen.key}.json",
    )
    if run is not None and found.kept is not None:
        with writing(found.kept) as path:
            write_json(path, found.as_json() | {"created": datetime.now(UTC).isoformat(timespec="seconds")})
        write_card(run)
    return found


def _output(virtual: VirtualBoard, pixels: Pixels, on_progress: Watcher) -> bytes:
    """What the firmware writes of all images."""
    parts = []
    for at in range(0, len(pixels), IMAGES_AT_ONCE):
        on_progress("emulating", at, len(pixels))
        parts.append(virtual.run(pixels[at : at + IMAGES_AT_ONCE]).output)
    return b"".join(parts)


def first_difference(
    network: IntegerNetwork, virtual: VirtualBoard, pixels: Pixels, output: bytes
) -> Difference | None:
    """Where what a board wrote of these images leaves the way of `network` in the reference; None where it does not.

    Only then is the firmware built and run again, so that it shows what every layer makes.
    """
    inputs = quantise_input(network, pixels)
    answers, wanted = virtual.program.tensors(output)[network.output], run(network, inputs)
    wrong = np.flatnonzero([not np.array_equal(*pair) for pair in zip(answers, wanted, strict=True)])
    if not len(wrong):
        return None
    image = int(wrong[0])
    watched = VirtualBoard.of(virtual.program.program.network, virtual.board, writes_tensors=True)
    found = watched.program.tensors(watched.run(pixels[image : image + 1]).output)
    reference = run_all(network, inputs[image : image + 1])
    for name, tensor in found.items():
        if count := int((tensor != reference[name]).sum()):
            return Difference(name, image, count, tensor.size)
    return Difference(network.output, image, int((answers[image] != wanted[image]).sum()), answers[image].size)


def _second_opinion(virtual: VirtualBoard, pixels: Pixels, output: bytes, on_progress: Watcher) -> SecondOpinion:
    on_progress("emulating in QEMU", 0, len(pixels))
    network, board = virtual.program.program.network, virtual.board
    relinked = memory_map_in_qemu(board.core, virtual.memory) != virtual.memory
    found = (VirtualBoard.of(network, board, in_qemu=True) if relinked else virtual).run_in_qemu(pixels)
    layers = [tensor.layer for tensor in virtual.program.program.tensors]
    spent = found.instructions_by_mark()
    instructions = round(sum(spent.get(layer, 0) for layer in layers) / len(pixels))
    return SecondOpinion(found.output == output, instructions, relinked)
