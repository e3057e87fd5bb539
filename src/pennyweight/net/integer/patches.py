"""An int8 network whose first layers work on patches: the same answers, with less memory and some work done twice."""

from __future__ import annotations

from dataclasses import replace

from pennyweight.net.integer.network import IntegerNetwork, Step
from pennyweight.net.ops import Crop, Pair, Paste
from pennyweight.net.patches import patched


def patched_network(network: IntegerNetwork, last: str, grid: Pair) -> IntegerNetwork:
    """The network with everything up to the step `last`, one of `stage_ends(network.graph)`, in a grid of patches.

    Patches share their weights. Raises GraphError as `patched` does.
    """
    made = patched(network.graph, last, grid)
    steps = {step.name: step for step in network.steps}
    found = []
    for layer in made.graph.layers:
        whole = made.made_from[layer.name]
        if isinstance(layer.op, Crop | Paste):
            found.append(Step(layer.name, layer.op, layer.inputs, network.quantizations[whole]))
        else:
            found.append(replace(steps[whole], name=layer.name, op=layer.op, inputs=layer.inputs))
    return replace(network, steps=tuple(found))
