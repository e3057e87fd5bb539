"""How well a network answers in each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Precision, recall and F1 of a class of `n` images; None where nothing says them.

    Precision where the class was never answered, recall where it has no images, F1 where both is so.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    n: int


def class_figures(class_names: Sequence[str], confusion: npt.NDArray[np.int64]) -> tuple[ClassFigures, ...]:
    """Precision, recall and F1 of each class, of a matrix `confusion[true][answered]`."""
    right, images, answered = confusion.diagonal(), confusion.sum(1), confusion.sum(0)

    def share(count: int, of: int) -> float | None:
        return count / of if of else None

    return tuple(
        ClassFigures(
            name,
            precision=share(int(right[i]), int(answered[i])),
            recall=share(int(right[i]), int(images[i])),
            f1=share(2 * int(right[i]), int(images[i] + answered[i])),
            n=int(images[i]),
        )
        for i, name in enumerate(class_names)
    )


def confusions(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Who is taken for whom in `matrix[true][answered]`: (images, true, answered), the most frequent first.

    >>> confusions([[5, 2], [3, 5]])
    [(3, 1, 0), (2, 0, 1)]
    """
    wrong = [
        (count, true, answered)
        for true, row in enumerate(matrix)
        for answered, count in enumerate(row)
        if count and true != answered
    ]
    return sorted(wrong, key=lambda each: (-each[0], *each[1:]))
