"""The handwritten digits that come with scikit-learn: no network, no file."""

from __future__ import annotations

import numpy as np

from pennyweight.data.images import SEALED_NOTE, LabelledImages, Part, seal

WHITE = 16
"""The brightest value of a pixel; each counts the set pixels of a 4x4 block (UCI, "Optical recognition of handwritten
digits")."""


def read_digits() -> LabelledImages:
    """1,797 digits, 8x8x1, ten classes; 0 … 16 is scaled to 0 … 255.

    >>> read_digits().input_shape
    (8, 8, 1)
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * 255 / WHITE).astype(np.uint8)[..., np.newaxis]
    learning, sealed = seal(Part(images, bunch.target.astype(np.int64)))
    names = tuple(map(str, bunch.target_names))
    origin = "scikit-learn's load_digits (UCI, optical recognition of handwritten digits)"
    return LabelledImages("digits", learning, sealed, names, origin=origin, notes=(SEALED_NOTE,))
