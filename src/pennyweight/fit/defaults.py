"""The recipe that is used where none is given: it follows from what the network is and what the images are.

Where nothing else is said the numbers come from trainings on MNIST and CIFAR-10 that `docs/log.md` tells of.
"""

from __future__ import annotations

import math

from pennyweight.data.images import LabelledImages
from pennyweight.fit.recipe import Recipe
from pennyweight.net.graph import Graph
from pennyweight.net.ops import BatchNorm, Conv, DepthwiseConv

IMAGES_SEEN = 800_000
"""Images that a training sees: many epochs of a small set, few of a large one. Dense layers alone see twice as many.
Ours, a rough figure."""

EPOCHS = (15, 100)
"""The fewest and the most epochs: ours, a rough figure."""

DEEP = 16
"""Convolutions from which on the learning rate falls with their number: MobileNetV2 has 52."""

WIDE = 784
"""Numbers of an image from which on dense layers learn at a rate that falls with their root: MNIST's. On SVHN's 3,072
the rate for MNIST diverges (docs/log.md)."""

MIRRORS = {"mnist": False, "digits": False, "svhn": False, "fashion-mnist": True, "cats-vs-dogs": True}
"""Whether a mirrored image is still one of its class, in sets that we know. Of others colour ones are mirrored."""

PHOTO_PIXELS = 64
"""Images whose sides have at least so many pixels are treated as photos: cropped at random rather than shifted.
Ours, a rough figure."""


def default_recipe(graph: Graph, images: LabelledImages) -> Recipe:
    """A recipe that trains `graph` well on `images` without tuning.

    Muon with a one-cycle schedule; AdamW for convolutions without batch norm, which larger steps leave dead.
    Augmentation is mild: small networks underfit sooner than they overfit.
    """
    count, (height, width, channels) = len(images.learning), images.input_shape
    side = min(height, width)
    photo = side >= PHOTO_PIXELS
    fewest, most = EPOCHS
    ops = {type(layer.op) for layer in graph.layers}
    convolutions = sum(isinstance(layer.op, Conv | DepthwiseConv) for layer in graph.layers)
    convolutional = convolutions > 0
    fragile = convolutional and BatchNorm not in ops
    batch = 64 if count < 4_000 else 128 if count < 20_000 else 256
    if convolutional:
        muon_rate = 0.12 * batch / 256 * min(1.0, DEEP / convolutions)
    else:
        muon_rate = 0.02 * min(1.0, math.sqrt(WIDE / math.prod(images.input_shape)))
    return Recipe(
        epochs=min(max(round(IMAGES_SEEN * (1 if convolutional else 2) / count), fewest), most),
        batch=batch,
        optimizer="adamw" if fragile else "muon",
        learning_rate=0.001 if fragile else muon_rate,
        flip=MIRRORS.get(images.name, channels == 3),
        shift=0 if photo else round(side / (16 if convolutional else 28)),
        crop=0.6 if photo else 1.0,
        rotate=8.0 if channels == 1 else 0.0,
        color=0.2 if photo and channels == 3 else 0.0,
        validation=0.2 if count < 4_000 else 0.1,
    )
