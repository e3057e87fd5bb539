"""`pennyweight emulate`: a network's firmware on a virtual board, beside the integer reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pennyweight.core.board import Board, find_board
from pennyweight.core.errors import UsageError
from pennyweight.core.shown import Shown
from pennyweight.deploy.analysis import Analysis, analysis_of
from pennyweight.deploy.deployable import open_deployable
from pennyweight.deploy.emulate.emulation import Emulation
from pennyweight.deploy.emulate.in_qemu import memory_map_in_qemu
from pennyweight.deploy.trial_images import trial_images
from pennyweight.deploy.virtual_board import VirtualBoard
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import Pixels, quantise_input, run, run_all

IMAGES = 20
"""Images that are run unless told."""


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
    """

    analysis: Analysis
    images: int
    source: str
    difference: Difference | None
    second_opinion: SecondOpinion | None

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
) -> Emulated:
    """What the firmware of `model`, a quantised run or an int8 .tflite file, does on a board with some images.

    They are drawn from `part` of the run's images, or of those that `source` names; from noise where a .tflite file
    comes without. With `qemu`, qemu-system-arm or -riscv32 runs the firmware too.
    Raises what `open_deployable`, `trial_images` and `VirtualBoard` raise.
    """
    if images < 1:
        raise UsageError(f"{images} images; at least 1 is needed")
    chosen = find_board(board) if isinstance(board, str) else board
    deployable = open_deployable(model)
    virtual = VirtualBoard.of(deployable.network, chosen)
    trial = trial_images(deployable, images, part=part, source=source, data_dir=data_dir)
    emulation = virtual.run(trial.pixels)
    return Emulated(
        analysis=analysis_of(virtual, virtual.measure(trial.pixels[:1])),
        images=len(trial.pixels),
        source=trial.told,
        difference=first_difference(deployable.network, virtual, trial.pixels, emulation),
        second_opinion=_second_opinion(virtual, trial.pixels, emulation) if qemu else None,
    )


def first_difference(
    network: IntegerNetwork, virtual: VirtualBoard, pixels: Pixels, emulation: Emulation
) -> Difference | None:
    """Where what a board did with these images leaves the way of `network` in the reference; None where it does not.

    Only then is the firmware built and run again, so that it shows what every layer makes.
    """
    inputs = quantise_input(network, pixels)
    answers, wanted = virtual.program.tensors(emulation.output)[network.output], run(network, inputs)
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


def _second_opinion(virtual: VirtualBoard, pixels: Pixels, emulation: Emulation) -> SecondOpinion:
    network, board = virtual.program.program.network, virtual.board
    relinked = memory_map_in_qemu(board.core, virtual.memory) != virtual.memory
    found = (VirtualBoard.of(network, board, in_qemu=True) if relinked else virtual).run_in_qemu(pixels)
    layers = [tensor.layer for tensor in virtual.program.program.tensors]
    spent = found.instructions_by_mark()
    instructions = round(sum(spent.get(layer, 0) for layer in layers) / len(pixels))
    return SecondOpinion(found.output == emulation.output, instructions, relinked)
