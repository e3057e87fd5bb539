"""An example that answers one image and knows the answer: what tells on a new board that all is well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pennyweight.deploy.c.program import Program, render
from pennyweight.deploy.c.text import comment
from pennyweight.net.integer.reference import Pixels, quantise_input, run

NUMBERS_A_LINE = 24


@dataclass(frozen=True, slots=True, eq=False)
class ExampleImage:
    """Pixels uint8 `(height, width, channels)`, and what they are, in words."""

    pixels: Pixels
    told: str

    @staticmethod
    def random(shape: Sequence[int]) -> ExampleImage:
        """Pixels of no meaning, the same in every call."""
        return ExampleImage(np.random.default_rng(0).integers(0, 256, shape, np.uint8), "pixels drawn at random")


def header(program: Program, image: ExampleImage) -> str:
    """The text of `test_image.h`: the pixels, and each byte of the answer."""
    network = program.network
    answer = run(network, quantise_input(network, image.pixels[None]))
    facts = {
        **program.facts,
        "image": comment(image.told),
        "pixels": list(_lines(image.pixels.ravel().tolist())),
        "answer": list(_lines(answer.ravel().tolist())),
    }
    return render("test_image.h", facts)


def _lines(numbers: list[int]) -> Iterator[str]:
    for start in range(0, len(numbers), NUMBERS_A_LINE):
        yield ", ".join(map(str, numbers[start : start + NUMBERS_A_LINE])) + ","
