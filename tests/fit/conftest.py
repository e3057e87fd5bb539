"""A few real digits and networks small enough to train in a blink."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from pennyweight.data.digits import read_digits
from pennyweight.data.images import LabelledImages, Part
from pennyweight.net.build import Builder
from pennyweight.net.graph import Graph


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def first(part: Part, count: int) -> Part:
    return part.take(np.arange(count))


@pytest.fixture(scope="session")
def digits() -> LabelledImages:
    """200 digits to learn from and 100 sealed ones, 8x8x1."""
    everything = read_digits()
    learning, sealed = first(everything.learning, 200), first(everything.sealed, 100)
    return LabelledImages("few digits", learning, sealed, everything.class_names)


@pytest.fixture(scope="session")
def conv_net() -> Graph:
    """Convolutions, one of them depthwise, with batch norm and dropout: all that remembers or draws."""
    builder = Builder((8, 8, 1))
    builder.conv_block(8, 3, activation="relu")
    builder.conv_block(8, 3, stride=2, activation="relu")
    builder.depthwise_block(3, activation="relu")
    builder.global_pool()
    builder.dropout(0.1)
    builder.dense(10)
    return builder.graph("conv net")


@pytest.fixture(scope="session")
def mlp() -> Graph:
    """A perceptron with dropout."""
    builder = Builder((8, 8, 1))
    builder.dense(24)
    builder.activation("relu")
    builder.dropout(0.1)
    builder.dense(16)
    builder.activation("relu")
    builder.dense(10)
    return builder.graph("mlp")
