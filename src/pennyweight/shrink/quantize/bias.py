"""Bias correction: what rounding weights adds to a channel's mean is taken from its bias.

Nagel et al. 2019, arXiv:1906.04721, 4.2, with the mean of each layer's input seen on images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pennyweight.data.images import Pixels
from pennyweight.fit.predict import Normalisation
from pennyweight.shrink.quantize.execute import Executor, batches
from pennyweight.shrink.quantize.fold import FloatNetwork
from pennyweight.shrink.quantize.integers import Scales
from pennyweight.shrink.quantize.rounding import rounded_weights


@torch.inference_mode()
def bias_corrected(executor: Executor, scales: Scales, images: Pixels, normalisation: Normalisation) -> FloatNetwork:
    """The network with biases under which the mean of every channel is, on integers, what it was.

    A convolution is linear, so that it makes the mean of its results of the mean of its inputs.
    """
    network, means = executor.network, dict[str, Tensor]()
    wanted = {step.inputs[0] for step in network.linear}

    def look(name: str, tensor: Tensor) -> Tensor:
        if name in wanted:
            mean = tensor.sum(0, keepdim=True) / len(images)
            means[name] = means[name] + mean if name in means else mean
        return tensor

    for batch in batches(images, normalisation, executor.device):
        executor(batch, look)
    rounded = rounded_weights(executor.weights, scales)
    biases = network.arrays
    for step in network.linear:
        exact, off = (executor.step(step, [means[step.inputs[0]]], weights) for weights in (executor.weights, rounded))
        shift = (off - exact).reshape(len(biases[f"{step.name}.bias"]), -1).mean(1)
        biases[f"{step.name}.bias"] = biases[f"{step.name}.bias"] - shift.cpu().double().numpy()
    return network.with_arrays(biases)
