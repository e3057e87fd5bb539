"""Graph -> torch: an fx GraphModule, so that training runs plain generated code and interprets nothing."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.graph import INPUT, Graph, Layer
from pennyweight.net.ops import Padding, Shape

RESERVED = frozenset(dir(fx.GraphModule(nn.Module(), fx.Graph())))
"""Names that torch's modules keep for themselves."""

LOGITS_STD = 0.01
"""Of the last layer's weights, so that training starts from even odds (Goyal et al. 2017, arXiv:1706.02677, 5.1)."""

PRELU_SLOPE = 0.25
"""Where a PReLU starts (He et al. 2015, arXiv:1502.01852, 2.1)."""


def to_module(graph: Graph, *, seed: int | None = None) -> fx.GraphModule:
    """A torch module that computes `graph`, freshly initialised.

    It takes float images `(batch, channels, height, width)`, fastest in channels-last memory, and returns logits
    `(batch, classes)`. Its state dict holds exactly `graph.parameters()` and `graph.statistics()`.
    The same `seed` gives the same weights; None draws one. The global random state is neither read nor changed.
    Raises GraphError where a layer's name cannot name a torch module.
    """
    module = _Writer(graph).module()
    _initialise(graph, module, seed)
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def load_weights(module: nn.Module, tensors: Mapping[str, npt.NDArray[Any] | Tensor]) -> None:
    """Copy `tensors` into `module`: all of them, or none where GraphError lists what is wrong with them."""
    targets: dict[str, Tensor] = module.state_dict()
    faults = [f"{name} is missing" for name in targets if name not in tensors]
    faults += [f"{name} is unexpected" for name in tensors if name not in targets]
    values: dict[str, npt.NDArray[Any]] = {}
    for name in targets.keys() & tensors.keys():
        given, wanted = tensors[name], tuple(targets[name].shape)
        value = values[name] = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
        if value.shape != wanted:
            faults.append(f"{name} has shape {value.shape}, not {wanted}")
        elif not np.issubdtype(value.dtype, np.floating):
            faults.append(f"{name} holds {value.dtype}, not floating point numbers")
        elif not np.isfinite(value).all():
            faults.append(f"{name} has {np.count_nonzero(~np.isfinite(value)):,} numbers that are not finite")
    if faults:
        raise GraphError(
            f"these weights do not fit the network: {'; '.join(sorted(faults))}",
            hint="weights fit the graph that they were saved with, and no other",
        )
    with torch.no_grad():
        for name, value in values.items():
            targets[name].copy_(torch.tensor(value))


class BatchNorm(nn.Module):
    """`ops.BatchNorm` on pictures and on vectors, without PyTorch's counter of batches in the state dict."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, epsilon: float, momentum: float) -> None:
        super().__init__()
        self.epsilon, self.momentum = epsilon, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalised over its axis 1."""
        mean, variance = self.running_mean, self.running_var
        return F.batch_norm(x, mean, variance, self.weight, self.bias, self.training, self.momentum, self.epsilon)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, epsilon={self.epsilon}, momentum={self.momentum}"


class PaddedAveragePool(nn.Module):
    """An average pool whose padding differs from side to side; it counts the pixels that exist."""

    share: Tensor

    def __init__(self, op: ops.Pool, shape: Shape, padding: Padding) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = op.kernel, op.stride, padding
        pixels = self._sums(torch.ones(1, 1, *shape[:2]))
        self.register_buffer("share", 1 / pixels, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The average of each window of `x`."""
        return self._sums(x) * self.share

    def _sums(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, _torch_padding(self.padding)), self.kernel, self.stride, divisor_override=1)


class _Writer:
    """Writes a Graph as fx code, layer by layer; modules that hold numbers go into `root`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.root = nn.Module()
        self.code = fx.Graph()
        self.nodes = {INPUT: self.code.placeholder(INPUT)}

    def module(self) -> fx.GraphModule:
        for layer in self.graph.layers:
            self.nodes[layer.name] = self._write(layer)
        self.code.output(self.nodes[self.graph.output])
        return fx.GraphModule(self.root, self.code, class_name="Network")

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        return self.code.call_function(function, args, kwargs)

    def _own(self, layer: Layer, module: nn.Module, x: fx.Node) -> fx.Node:
        if layer.name in RESERVED:
            raise GraphError(f"layer {layer.name!r} needs another name: torch's modules have an attribute of that name")
        self.root.add_module(layer.name, module)
        return self.code.call_module(layer.name, (x,))

    def _write(self, layer: Layer) -> fx.Node:
        x, *rest = (self.nodes[name] for name in layer.inputs)
        shape, *rest_shapes = self.graph.input_shapes(layer)
        match layer.op:
            case ops.Conv() | ops.DepthwiseConv() as op:
                if _is_even(op.padding):
                    return self._own(layer, _conv(op, shape, op.padding), x)
                padded = self._call(F.pad, x, _torch_padding(op.padding))
                return self._own(layer, _conv(op, shape, (0, 0, 0, 0)), padded)
            case ops.Dense(units, bias):
                return self._own(layer, _empty(nn.Linear(shape[0], units, bias, device="meta")), x)
            case ops.BatchNorm(epsilon, momentum):
                return self._own(layer, BatchNorm(shape[-1], epsilon, momentum), x)
            case ops.PRelu():
                return self._own(layer, nn.PReLU(shape[-1], PRELU_SLOPE), x)
            case ops.Dropout(rate):
                return self._own(layer, nn.Dropout(rate), x)
            case ops.Activation(function, slope):
                arguments = {"negative_slope": slope} if function == "leaky_relu" else {}
                return self._call(ACTIVATIONS[function], x, **arguments)
            case ops.Pool() as op:
                return self._write_pool(layer, op, shape, x)
            case ops.GlobalPool(kind):
                return self._call(F.adaptive_avg_pool2d if kind == "average" else F.adaptive_max_pool2d, x, 1)
            case ops.Flatten():
                # In the order height, width, channels: with channels-last memory this moves nothing.
                if len(shape) == 3 and shape[2] > 1 and shape[:2] != (1, 1):
                    x = self.code.call_method("permute", (x, 0, 2, 3, 1))
                return self._call(torch.flatten, x, 1)
            case ops.Add():
                return self._call(operator.add, x, rest[0])
            case ops.Multiply():
                gate = self._call(torch.flatten, rest[0], 1) if len(shape) < len(rest_shapes[0]) else rest[0]
                return self._call(operator.mul, x, gate)
            case ops.Concat():
                return self._call(torch.cat, (x, *rest), 1)
            case ops.Softmax():
                return self._call(torch.softmax, x, 1)
            case op:
                raise GraphError(f"layer {layer.name!r}: {op.name} has no form in torch")

    def _write_pool(self, layer: Layer, op: ops.Pool, shape: Shape, x: fx.Node) -> fx.Node:
        top, _, left, _ = op.padding
        if _is_even(op.padding) and 2 * top <= op.kernel[0] and 2 * left <= op.kernel[1]:
            if op.kind == "max":
                return self._call(F.max_pool2d, x, op.kernel, op.stride, (top, left), ceil_mode=op.ceil)
            return self._call(F.avg_pool2d, x, op.kernel, op.stride, (top, left), op.ceil, count_include_pad=False)
        # What torch's pools cannot say is padded by hand: as far as the last window reaches.
        rows, columns = op.output_shape(shape)[:2]
        bottom = max(0, (rows - 1) * op.stride[0] + op.kernel[0] - shape[0] - top)
        right = max(0, (columns - 1) * op.stride[1] + op.kernel[1] - shape[1] - left)
        padding = (top, bottom, left, right)
        if op.kind == "max":
            padded = self._call(F.pad, x, _torch_padding(padding), value=-math.inf)
            return self._call(F.max_pool2d, padded, op.kernel, op.stride)
        return self._own(layer, PaddedAveragePool(op, shape, padding), x)


ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "gelu": F.gelu,
    "silu": F.silu,
    "hard_swish": F.hardswish,
    "leaky_relu": F.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def _conv(op: ops.Conv | ops.DepthwiseConv, shape: Shape, padding: Padding) -> nn.Module:
    channels, filters = shape[2], op.output_shape(shape)[2]
    groups = channels if isinstance(op, ops.DepthwiseConv) else op.groups
    pads = (padding[0], padding[2])
    conv = nn.Conv2d(channels, filters, op.kernel, op.stride, pads, groups=groups, bias=op.bias, device="meta")
    return _empty(conv)


def _empty(module: nn.Module) -> nn.Module:
    """A module made on the meta device, so that torch's initialisation drew no random numbers, given memory."""
    return module.to_empty(device="cpu")


def _torch_padding(padding: Padding) -> tuple[int, int, int, int]:
    top, bottom, left, right = padding
    return left, right, top, bottom


def _is_even(padding: Padding) -> bool:
    top, bottom, left, right = padding
    return top == bottom and left == right


@torch.no_grad()
def _initialise(graph: Graph, module: nn.Module, seed: int | None) -> None:
    """He et al. 2015 (arXiv:1502.01852, equation 10): weights are normal with variance gain / fan in, biases 0.

    The gain is 2 before a rectifier and 1 elsewhere; the last layer's weights are normal with LOGITS_STD.
    """
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    weighted = [layer for layer in graph.layers if isinstance(layer.op, ops.Conv | ops.DepthwiseConv | ops.Dense)]
    for layer in weighted:
        own = module.get_submodule(layer.name)
        assert isinstance(own, nn.Conv2d | nn.Linear)
        fan_in = own.weight[0].numel()
        std = LOGITS_STD if layer is weighted[-1] else math.sqrt(_gain(graph, layer) / fan_in)
        own.weight.normal_(0, std, generator=generator)
        if own.bias is not None:
            own.bias.zero_()


def _gain(graph: Graph, layer: Layer) -> int:
    """2 where a rectifier halves what `layer` makes, 1 elsewhere; layers that keep the sign are looked through."""
    following = next((reader for reader in graph.layers if layer.name in reader.inputs), None)
    match following:
        case Layer(op=ops.Activation(function)):
            return 1 if function in ("tanh", "sigmoid") else 2
        case Layer(op=ops.PRelu()):
            return 2
        case Layer(op=ops.BatchNorm() | ops.Dropout() | ops.Pool() | ops.GlobalPool() | ops.Flatten()):
            return _gain(graph, following)
        case _:
            return 1
