"""IntegerNetworks of any Graph, whose weights are noise: what matters is what they take on a board."""

from __future__ import annotations

import numpy as np

from pennyweight.net.graph import INPUT, Graph
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.shrink.quantize.fold import fold
from pennyweight.shrink.quantize.integers import Scales, input_range, integer_network, tensor_quantizations


def untrained(graph: Graph) -> IntegerNetwork:
    """The graph in int8, with scales of its own for each tensor, as a trained network has them."""
    random = np.random.default_rng(0)
    shapes = graph.parameters() | graph.statistics()
    network = fold(graph, {name: np.abs(random.normal(size=shape)) for name, shape in shapes.items()})
    mean, std = ((number,) * graph.input_shape[-1] for number in (128.0, 64.0))
    ranges = {INPUT: input_range(mean, std)} | {
        step.name: (-4.0, 4.0 + at / 100) for at, step in enumerate(network.steps)
    }
    scales = Scales.of(network, tensor_quantizations(network, ranges))
    return integer_network(network, scales, mean, std)
