"""Foreign torch modules -> Graph: exported once by torch, then read node by node.

PyTorch keeps pictures as channels, height, width and flattens them in that order; a Graph keeps height, width,
channels. So every torch tensor is followed as a Graph tensor and an index: an array of the torch tensor's shape
(without its batch) that says where in the Graph tensor's memory each number lies. Views, flattenings and
permutations change the index and nothing else; a dense layer that reads a vector in another order has its columns
moved instead.
"""

from __future__ import annotations

import copy
import io
import logging
import math
import operator
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, fx, nn

from pennyweight.core.errors import GraphError
from pennyweight.net import ops
from pennyweight.net.build import Builder
from pennyweight.net.foreign import call_by_text, describe_error
from pennyweight.net.graph import INPUT, Graph
from pennyweight.net.ops import Op, Padding, Shape

Index = npt.NDArray[np.int64]

BATCH = 2
NO_PADDING: Padding = (0, 0, 0, 0)


@contextmanager
def _silent_logging() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def trace(module: nn.Module, input_shape: Shape, text: str) -> tuple[Graph, dict[str, Tensor]]:
    """The Graph that `module` computes on images `(height, width, channels)`, and its weights by the Graph's names.

    `module` takes `(batch, channels, height, width)` and returns `(batch, classes)`; it is left as it is. What it
    does in evaluation is carried. A softmax at the very end is dropped, for a Graph answers with logits; dropout of
    whole channels becomes dropout of numbers. Raises GraphError where the module fails, or naming every module and
    operation that a Graph cannot carry.
    """
    height, width, channels = input_shape
    image = torch.zeros(BATCH, channels, height, width)
    try:
        with warnings.catch_warnings():
            # Raised inside torch 2.13's own export when it copies a tree specification.
            warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated", category=FutureWarning)
            frozen = copy.deepcopy(module).cpu().float().eval()
            with torch.no_grad():
                frozen(image)  # What is wrong with the module itself is told more plainly here than by the export.
            # What torch writes about a failed export says nothing that the error does not.
            with redirect_stderr(io.StringIO()), _silent_logging():
                exported = torch.export.export(frozen, (image,), strict=False)
    except Exception as error:
        raise GraphError(
            f"{text} fails on images of {ops.describe(input_shape)}: {describe_error(error)}",
            hint="a network must take (batch, channels, height, width) and may not branch on the pixels' values",
        ) from error
    return _Tracer(exported, input_shape, text).result()


def load_callable(text: str, input_shape: Shape, classes: int) -> tuple[Graph, dict[str, Tensor] | None]:
    """The Graph of the network that `package.module:callable` returns, and its weights (None where it is a Graph).

    How the callable is found and what it is given: `foreign.call_by_text`. Raises GraphError where it fails, returns
    neither a torch module nor a Graph, cannot be carried, or does not fit the images and classes.
    """
    network = call_by_text(text, input_shape, classes)
    weights: dict[str, Tensor] | None = None
    if isinstance(network, Graph):
        graph = replace(network, text=text)
    elif isinstance(network, nn.Module):
        graph, weights = trace(network, input_shape, text)
    else:
        raise GraphError(f"{text} returned a {type(network).__name__}, not a torch module or a Graph")
    if graph.input_shape != tuple(input_shape):
        given, wanted = ops.describe(graph.input_shape), ops.describe(input_shape)
        raise GraphError(f"{text} takes images of {given}, not {wanted}", hint="take a parameter `input_shape`")
    if graph.classes != classes:
        raise GraphError(
            f"{text} answers with {graph.classes} logits, not {classes}", hint="take a parameter `classes`"
        )
    return graph, weights


@dataclass(frozen=True, eq=False)
class _Value:
    """A torch tensor: where in the memory of `tensor` its numbers lie, and a border of `fill` not yet laid out."""

    tensor: str
    index: Index
    padding: Padding = NO_PADDING
    fill: float = 0.0


@dataclass(frozen=True, eq=False)
class _Layer:
    op: Op
    inputs: tuple[str, ...]
    weights: dict[str, Tensor] = field(default_factory=dict)
    origins: tuple[Tensor, ...] = ()


class _Refusal(Exception):
    """Why a node cannot be carried."""


def _refuse(reason: str) -> NoReturn:
    raise _Refusal(reason)


class _Tracer:
    """Reads an exported program; layers get their final names last, when it is known which are needed."""

    def __init__(self, exported: torch.export.ExportedProgram, input_shape: Shape, text: str) -> None:
        self.exported, self.input_shape, self.text = exported, input_shape, text
        self.layers: dict[str, _Layer] = {}
        self.shapes: dict[str, Shape] = {INPUT: input_shape}
        self.plain: dict[Shape, Index] = {}
        self.origin_names: dict[int, str] = {}
        self.values: dict[fx.Node, _Value | Tensor | None] = {}
        self.pictures: dict[str, str] = {}
        self.vectors: dict[str, str] = {}

    def result(self) -> tuple[Graph, dict[str, Tensor]]:
        self._placeholders()
        answer = self._answer()
        faults: list[str] = []
        for node in self.exported.graph.nodes:
            if (
                node.op == "call_function"
                and not (node > answer and _is_softmax(node))
                and (node.users or _writes(node))
            ):
                try:
                    self.values[node] = self._node(node)
                except (_Refusal, GraphError) as refusal:
                    self.values[node] = None
                    faults.append(f"{_place(node)}: {_operation(node)} {refusal}")
        output = ""
        if not faults:
            try:
                output = self._logits(self.values[answer])
                faults = self._shared(output)
            except _Refusal as refusal:
                faults = [f"its answer: {refusal}"]
        if faults:
            known = (name for name, op in ops.OPS.items() if op not in ops.OF_FIRMWARE)
            raise GraphError(
                f"{self.text} cannot be carried into a graph: {'; '.join(dict.fromkeys(faults))}",
                hint=f"a graph has these operations: {', '.join(known)}",
            )
        return self._graph(output)

    def _placeholders(self) -> None:
        signature = self.exported.graph_signature
        held = {**self.exported.state_dict, **self.exported.constants}
        names = {spec.arg.name: spec.target for spec in signature.input_specs if spec.target is not None}
        for node in self.exported.graph.nodes:
            if node.op != "placeholder":
                continue
            if node.name in names:
                tensor = held[names[node.name]]
                self.values[node] = tensor.detach()
                self.origin_names[tensor.data_ptr()] = names[node.name]
            else:
                self.values[node] = self._whole(INPUT)

    def _node(self, node: fx.Node) -> _Value | None:
        """The value of a node; None where an earlier fault left one of its arguments unknown."""
        if node.target is operator.getitem:
            return self._item(*node.args)
        handler = HANDLERS.get(_operation(node).removeprefix("aten.").removesuffix("_"))
        if handler is None:
            _refuse("is not an operation of a graph")
        given = _arguments(node)
        if any(map(self._failed, given.values())):
            return None
        result = node.meta["val"]
        made = result[0] if isinstance(result, tuple) else result
        if made.dtype != torch.float32:
            _refuse(f"computes in {made.dtype}")
        value = handler(self, made.shape, **{name: self._resolve(value) for name, value in given.items()})
        if _writes(node):
            self._overwrite(node, value)
        return value

    def _item(self, results: Any, number: Any) -> _Value | None:
        """One of several results; the only op with several is a maximum, which tells where it was as well."""
        if number != 0 and not self._failed(results):
            _refuse("takes the place of a maximum")
        value = self.values.get(results)
        assert value is None or isinstance(value, _Value)
        return value

    def _resolve(self, argument: Any) -> Any:
        if isinstance(argument, fx.Node):
            return self.values.get(argument)
        return [self._resolve(item) for item in argument] if isinstance(argument, list | tuple) else argument

    def _failed(self, argument: Any) -> bool:
        if isinstance(argument, fx.Node):
            return self.values.get(argument) is None
        return isinstance(argument, list | tuple) and any(map(self._failed, argument))

    def _overwrite(self, node: fx.Node, value: _Value) -> None:
        """After an in-place operation its argument means the new value too; views of it would have to, as well."""
        target = base = node.args[0]
        assert isinstance(target, fx.Node)
        while isinstance(base, fx.Node) and _is_view(base):
            base = base.args[0]
            if isinstance(base, fx.Node) and len(base.users) > 1:
                _refuse("writes in place into a tensor that others read through a view")
        if any(_is_view(user) and user < node for user in target.users):
            _refuse("writes in place into a tensor of which there is a view")
        self.values[target] = value

    # What every handler stands on.

    def _lay(self, op: Op, *inputs: str, weights: dict[str, Tensor] | None = None, origins: Any = ()) -> str:
        shape = op.output_shape(*(self.shapes[name] for name in inputs))
        name = str(len(self.layers))
        self.layers[name] = _Layer(op, inputs, weights or {}, tuple(origins))
        self.shapes[name] = shape
        return name

    def _plain(self, shape: Shape) -> Index:
        """The index of a whole tensor: of a picture `(channels, height, width)`, of a vector in its order."""
        if shape not in self.plain:
            index = np.arange(math.prod(shape)).reshape(shape)
            self.plain[shape] = index.transpose(2, 0, 1) if len(shape) == 3 else index
        return self.plain[shape]

    def _whole(self, tensor: str) -> _Value:
        return _Value(tensor, self._plain(self.shapes[tensor]))

    def _picture(self, given: Any) -> str:
        """The tensor that holds `given`, which is a whole picture, as one."""
        value = _unpadded(given)
        if value.index.ndim != 3:
            _refuse(f"takes {_describe(value)}, not batch x channels x height x width")
        tensor = self._as_picture(value.tensor) if len(self.shapes[value.tensor]) == 1 else value.tensor
        if not np.array_equal(value.index, self._plain(self.shapes[tensor])):
            _refuse("takes a picture whose axes were moved")
        return tensor

    def _vector(self, given: Any) -> tuple[str, Index]:
        """The tensor that holds `given` as a vector, and its order: where torch's vector has each of its numbers."""
        value = _unpadded(given)
        if value.index.ndim != 1 or value.index.size != math.prod(self.shapes[value.tensor]):
            _refuse(f"takes {_describe(value)}, not batch x features")
        tensor = value.tensor
        if len(self.shapes[tensor]) == 3:
            if tensor not in self.vectors:
                self.vectors[tensor] = self._lay(ops.Flatten(), tensor)
            tensor = self.vectors[tensor]
        return tensor, np.argsort(value.index)

    def _as_picture(self, tensor: str) -> str:
        """A vector's layers once more on a picture of 1x1: a gate made by dense layers is made by convolutions."""
        if tensor in self.pictures:
            return self.pictures[tensor]
        layer = self.layers[tensor]
        match layer.op:
            case ops.Flatten() if self.shapes[layer.inputs[0]][:2] == (1, 1):
                picture = layer.inputs[0]
            case ops.Dense(units, bias):
                source = self._as_picture(layer.inputs[0])
                weights = layer.weights | {"weight": layer.weights["weight"][:, :, None, None]}
                op = ops.Conv(units, (1, 1), bias=bias)
                picture = self._lay(op, source, weights=weights, origins=layer.origins)
            case ops.Activation() | ops.BatchNorm() | ops.PRelu() | ops.Dropout() | ops.Add() | ops.Multiply():
                sources = map(self._as_picture, layer.inputs)
                picture = self._lay(layer.op, *sources, weights=layer.weights, origins=layer.origins)
            case _:
                _refuse("takes a vector as a picture, which was not made from one of 1x1")
        self.pictures[tensor] = picture
        return picture

    def _padded(self, value: Any, fills: tuple[float, ...]) -> tuple[str, Padding]:
        """The tensor of a picture, and the border around it, which is of one of the `fills`."""
        if not isinstance(value, _Value) or value.padding == NO_PADDING:
            return self._picture(value), NO_PADDING
        if value.fill not in fills:
            _refuse(f"takes a tensor padded with {value.fill:g}")
        return self._picture(replace(value, padding=NO_PADDING)), value.padding

    def _aligned(self, a: Any, b: Any) -> tuple[str, str, Index]:
        """The tensors of two values of one shape whose numbers lie in one order, and that order."""
        a, b = _unpadded(a), _unpadded(b)
        if a.index.shape != b.index.shape:
            _refuse(f"takes {_describe(a)} and {_describe(b)}")
        if self.shapes[a.tensor] == self.shapes[b.tensor] and np.array_equal(a.index, b.index):
            return a.tensor, b.tensor, a.index
        if a.index.ndim == 3:
            return self._picture(a), self._picture(b), a.index
        (first, order), (second, other) = self._vector(a), self._vector(b)
        if not np.array_equal(order, other):
            _refuse("takes two vectors that were flattened in different orders")
        return first, second, a.index

    # Operations. Each takes the shape of its result and aten's arguments by their names.

    def _conv(
        self, shape: Any, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
    ) -> _Value:
        if _pair(dilation) != (1, 1):
            _refuse(f"has dilation {_pair(dilation)}")
        tensor, border = self._padded(input, (0.0,))
        weights = _weights(weight=weight, bias=bias)
        filters, kernel, steps = len(weights["weight"]), _pair(weights["weight"].shape[2:]), _pair(stride)
        border = _added(border, _conv_padding(padding, kernel))
        op: Op
        if groups > 1 and groups == self.shapes[tensor][2]:
            op = ops.DepthwiseConv(kernel, steps, border, filters // groups, bias is not None)
        else:
            op = ops.Conv(filters, kernel, steps, border, groups, bias is not None)
        return self._whole(self._lay(op, tensor, weights=weights, origins=weights.values()))

    def _linear(self, shape: Any, input: Any, weight: Any, bias: Any) -> _Value:
        tensor, order = self._vector(input)
        weights = _weights(weight=weight, bias=bias)
        op = ops.Dense(len(weights["weight"]), bias is not None)
        moved = weights | {"weight": weights["weight"][:, torch.from_numpy(order)]}
        return self._whole(self._lay(op, tensor, weights=moved, origins=weights.values()))

    def _by_channel(self, value: Any, op: Op, weights: dict[str, Tensor]) -> _Value:
        """An op with one number a channel, on a picture or on a vector."""
        origins = weights.values()
        if isinstance(value, _Value) and value.index.ndim == 1:
            tensor, order = self._vector(value)
            weights = {name: tensor[torch.from_numpy(order)] for name, tensor in weights.items()}
            return _Value(self._lay(op, tensor, weights=weights, origins=origins), value.index)
        return self._whole(self._lay(op, self._picture(value), weights=weights, origins=origins))

    def _batch_norm(
        self,
        shape: Any,
        input: Any,
        weight: Any,
        bias: Any,
        running_mean: Any,
        running_var: Any,
        training: bool,
        momentum: float,
        eps: float,
        **_: Any,
    ) -> _Value:
        if training or running_mean is None:
            _refuse("keeps no running statistics")
        if weight is None:
            _refuse("has no learnt scale and shift (affine=False)")
        if momentum == 0:
            _refuse("averages over all batches (momentum=None)")
        weights = _weights(weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
        return self._by_channel(input, ops.BatchNorm(eps, momentum), weights)

    def _prelu(self, shape: Any, self_: Any, weight: Any) -> _Value:
        weights = _weights(weight=weight)
        if len(weights["weight"]) != shape[1]:
            _refuse(f"has one slope for {shape[1]} channels: give it num_parameters={shape[1]}")
        return self._by_channel(self_, ops.PRelu(), weights)

    def _elementwise(self, value: Any, op: Op) -> _Value:
        plain = _unpadded(value)
        return replace(plain, tensor=self._lay(op, plain.tensor))

    def _clamp(self, shape: Any, self_: Any, min: Any = None, max: Any = None) -> _Value:
        return self._hardtanh(shape, self_, min, max)

    def _hardtanh(self, shape: Any, self_: Any, min_val: Any, max_val: Any) -> _Value:
        low, high = ("a tensor" if isinstance(bound, Tensor | _Value) else bound for bound in (min_val, max_val))
        if (low, high) not in ((0, 6), (0, None)):
            _refuse(f"clamps to {low} … {high}; known are 0 … 6 and 0 …")
        return self._elementwise(self_, ops.Activation("relu" if max_val is None else "relu6"))

    def _gelu(self, shape: Any, self_: Any, approximate: str) -> _Value:
        if approximate != "none":
            _refuse(f"is approximate ({approximate}); known is the exact one")
        return self._elementwise(self_, ops.Activation("gelu"))

    def _leaky_relu(self, shape: Any, self_: Any, negative_slope: float) -> _Value:
        return self._elementwise(self_, ops.Activation("leaky_relu", negative_slope))

    def _dropout(self, shape: Any, input: Any, p: float, train: bool) -> _Value:
        if train:
            _refuse("is random in evaluation: give it training=self.training")
        return self._elementwise(input, ops.Dropout(p))

    def _max_pool(
        self, shape: Any, self_: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
    ) -> _Value:
        if _pair(dilation) != (1, 1):
            _refuse(f"has dilation {_pair(dilation)}")
        tensor, border = self._padded(self_, (-math.inf, 0.0) if self._never_negative(self_) else (-math.inf,))
        return self._pool("max", tensor, _added(border, _around(padding)), kernel_size, stride, ceil_mode)

    def _never_negative(self, value: Any) -> bool:
        layer = self.layers.get(value.tensor) if isinstance(value, _Value) else None
        return (
            layer is not None
            and isinstance(layer.op, ops.Activation)
            and layer.op.function in ("relu", "relu6", "sigmoid")
        )

    def _average_pool(
        self,
        shape: Any,
        self_: Any,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> _Value:
        if divisor_override is not None:
            _refuse(f"divides by {divisor_override}")
        if count_include_pad and any(padding):
            _refuse("counts the padding: give it count_include_pad=False")
        return self._pool("average", self._picture(self_), _around(padding), kernel_size, stride, ceil_mode)

    def _pool(
        self, kind: Literal["max", "average"], tensor: str, padding: Padding, kernel: Any, stride: Any, ceil: bool
    ) -> _Value:
        op = ops.Pool(kind, _pair(kernel), _pair(stride or kernel), padding, ceil)
        return self._whole(self._lay(op, tensor))

    def _adaptive(self, kind: Literal["max", "average"], value: Any, output_size: Any) -> _Value:
        tensor = self._picture(value)
        height, width, _ = self.shapes[tensor]
        rows, columns = _pair(output_size)
        if (rows, columns) == (height, width):
            return self._whole(tensor)
        if (rows, columns) == (1, 1):
            return self._whole(self._lay(ops.GlobalPool(kind), tensor))
        if height % rows or width % columns:
            _refuse(f"makes {rows}x{columns} of {height}x{width}, windows of different sizes")
        kernel = (height // rows, width // columns)
        return self._whole(self._lay(ops.Pool(kind, kernel, kernel), tensor))

    def _adaptive_average_pool(self, shape: Any, self_: Any, output_size: Any) -> _Value:
        return self._adaptive("average", self_, output_size)

    def _adaptive_max_pool(self, shape: Any, self_: Any, output_size: Any) -> _Value:
        return self._adaptive("max", self_, output_size)

    def _mean(self, shape: Any, self_: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> _Value:
        return self._reduce("average", shape, self_, dim)

    def _amax(self, shape: Any, self_: Any, dim: Any, keepdim: bool = False) -> _Value:
        return self._reduce("max", shape, self_, dim)

    def _reduce(self, kind: Literal["max", "average"], shape: Any, value: Any, axes: Any) -> _Value:
        if not isinstance(value, _Value) or {axis % (value.index.ndim + 1) for axis in axes or ()} != {2, 3}:
            _refuse("does not go over height and width")
        pooled = self._adaptive(kind, value, (1, 1))
        return replace(pooled, index=pooled.index.reshape(shape[1:]))

    def _add(self, shape: Any, self_: Any, other: Any, alpha: Any = 1) -> _Value:
        if alpha != 1:
            _refuse(f"scales by {alpha}")
        first, second, index = self._aligned(self_, other)
        return _Value(self._lay(ops.Add(), first, second), index)

    def _multiply(self, shape: Any, self_: Any, other: Any) -> _Value:
        for value, gate in ((self_, other), (other, self_)):
            if isinstance(gate, _Value) and isinstance(value, _Value) and _is_gate(gate.index, value.index):
                compact = replace(gate, index=gate.index[:, :1, :1])
                return self._whole(self._lay(ops.Multiply(), self._picture(value), self._picture(compact)))
        first, second, index = self._aligned(self_, other)
        return _Value(self._lay(ops.Multiply(), first, second), index)

    def _concat(self, shape: Any, tensors: Any, dim: int) -> _Value:
        if dim % len(shape) != 1:
            _refuse(f"goes along axis {dim}, not along the channels")
        if len(shape) == 4:
            return self._whole(self._lay(ops.Concat(), *map(self._picture, tensors)))
        names = [self._vector(value)[0] for value in tensors]
        starts = np.cumsum([0, *(value.index.size for value in tensors)])
        index = np.concatenate([value.index + start for value, start in zip(tensors, starts[:-1], strict=True)])
        return _Value(self._lay(ops.Concat(), *names), index)

    def _pad(self, shape: Any, self_: Any, pad: Any, mode: str = "constant", value: float | None = None) -> _Value:
        if not any(pad):
            return self._same(shape, self_)
        if mode != "constant" or not isinstance(self_, _Value) or self_.index.ndim != 3:
            _refuse(f"pads in mode {mode}; known are constant borders of pictures")
        left, right, top, bottom, *others = list(pad) + [0] * (4 - len(pad))
        if any(others) or min(left, right, top, bottom) < 0:
            _refuse("crops, or pads other axes than height and width")
        fill = float(value or 0)
        if self_.padding != NO_PADDING and self_.fill != fill:
            _refuse("pads with one value after another")
        return replace(self_, padding=_added(self_.padding, (top, bottom, left, right)), fill=fill)

    def _same(self, shape: Any, self_: Any, **_: Any) -> _Value:
        """Operations that only copy."""
        value = _unpadded(self_)
        if shape[1:] != value.index.shape:
            _refuse("takes a part of a tensor")
        return value

    def _reshape(self, shape: Any, /, self_: Any, **_: Any) -> _Value:
        value = _unpadded(self_)
        if shape[0] != BATCH:
            _refuse("mixes the images of a batch")
        return replace(value, index=value.index.reshape(shape[1:]))

    def _expand(self, shape: Any, self_: Any, **_: Any) -> _Value:
        value = _unpadded(self_)
        if value.index.ndim + 1 != len(shape):
            _refuse("adds an axis in front")
        return replace(value, index=np.broadcast_to(value.index, shape[1:]))

    def _permute(self, shape: Any, self_: Any, dims: Any) -> _Value:
        value = _unpadded(self_)
        batch, *axes = (axis % len(shape) for axis in dims)
        if batch != 0:
            _refuse("moves the batch")
        return replace(value, index=value.index.transpose([axis - 1 for axis in axes]))

    def _transpose(self, shape: Any, self_: Any, dim0: int, dim1: int) -> _Value:
        axes = list(range(len(shape)))
        axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
        return self._permute(shape, self_, axes)

    # The end.

    def _answer(self) -> fx.Node:
        """The node whose result is returned, or the one whose softmax is."""
        (output,) = (node for node in self.exported.graph.nodes if node.op == "output")
        (results,) = output.args
        if len(results) != 1 or not isinstance(results[0], fx.Node):
            raise GraphError(f"{self.text} returns {len(results)} values, not one tensor of (batch, classes)")
        answer = results[0]
        while _is_softmax(answer) and isinstance(answer.args[0], fx.Node):
            answer = answer.args[0]
        return answer

    def _logits(self, value: Any) -> str:
        tensor, order = self._vector(value)
        if not np.array_equal(order, np.arange(len(order))):
            _refuse("returns a flattened picture, not (batch, classes)")
        return tensor

    def _needed(self, output: str) -> set[str]:
        needed, waiting = set(), [output]
        while waiting:
            name = waiting.pop()
            if name in self.layers and name not in needed:
                needed.add(name)
                waiting += self.layers[name].inputs
        return needed

    def _shared(self, output: str) -> list[str]:
        needed = self._needed(output)
        uses = Counter(origin.data_ptr() for name in needed for origin in self.layers[name].origins)
        return [f"{self.origin_names[key]} is used {count} times" for key, count in uses.items() if count > 1]

    def _graph(self, output: str) -> tuple[Graph, dict[str, Tensor]]:
        builder, names = Builder(self.input_shape), {INPUT: INPUT}
        weights: dict[str, Tensor] = {}
        needed = self._needed(output)
        for key, layer in self.layers.items():
            if key in needed:
                name = names[key] = builder.add(layer.op, *(names[source] for source in layer.inputs))
                weights |= {f"{name}.{own}": tensor.clone() for own, tensor in layer.weights.items()}
        return builder.graph(self.text), weights


def _unpadded(value: Any) -> _Value:
    if not isinstance(value, _Value):
        _refuse("takes a number, a parameter or a constant")
    if value.padding != NO_PADDING:
        _refuse("takes a padded tensor: only a convolution or a pool may follow a padding")
    return value


def _weights(**tensors: Tensor | None) -> dict[str, Tensor]:
    faults = [name for name, tensor in tensors.items() if not isinstance(tensor, Tensor | None)]
    if faults:
        _refuse(f"has a computed {' and '.join(faults)}")
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _pair(lengths: Any) -> tuple[int, int]:
    """Torch writes two equal lengths as one too."""
    both = [lengths] if isinstance(lengths, int) else list(lengths)
    return both[0], both[-1]


def _around(padding: Any) -> Padding:
    rows, columns = _pair(padding)
    return rows, rows, columns, columns


def _added(a: Padding, b: Padding) -> Padding:
    top, bottom, left, right = (x + y for x, y in zip(a, b, strict=True))
    return top, bottom, left, right


def _conv_padding(padding: Any, kernel: tuple[int, int]) -> Padding:
    if padding == "valid":
        return NO_PADDING
    if padding == "same":
        # Torch allows this at stride 1 only; the odd row or column comes after the image.
        rows, columns = kernel[0] - 1, kernel[1] - 1
        return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2
    return _around(padding)


def _is_gate(gate: Index, value: Index) -> bool:
    """Whether `gate` has one number for each channel of the picture `value`, spread over it or not."""
    if gate.ndim != 3 or value.ndim != 3 or len(gate) != len(value):
        return False
    return gate.shape[1:] in ((1, 1), value.shape[1:]) and bool((gate == gate[:, :1, :1]).all())


def _describe(value: _Value) -> str:
    return ops.describe((BATCH, *value.index.shape))


def _operation(node: fx.Node) -> str:
    """The name of what a node calls, such as `aten.relu_`."""
    schema = getattr(node.target, "_schema", None)
    return schema.name.replace("::", ".") if schema is not None else str(getattr(node.target, "__name__", node.target))


def _arguments(node: fx.Node) -> dict[str, Any]:
    """What a node is called with, defaults among them, by aten's names; `self` is `self_`."""
    schema = node.target._schema  # type: ignore[union-attr]
    given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | node.kwargs
    defaults = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    return {"self_" if name == "self" else name: value for name, value in (defaults | given).items()}


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def _is_softmax(node: fx.Node) -> bool:
    return _operation(node) in ("aten.softmax", "aten.log_softmax")


def _is_view(node: fx.Node) -> bool:
    """Whether a node's result may share memory with its first argument; dropout in evaluation is the identity."""
    return _operation(node).removeprefix("aten.") in SHARING


def _place(node: fx.Node) -> str:
    """The module that a node comes from, by its path and class."""
    path, kind = [*node.meta.get("nn_module_stack", {"": ("", "")}).values()][-1]
    name = getattr(kind, "__name__", str(kind).rpartition(".")[2])
    return f"{path or 'the network itself'} ({name})" if name else path or "the network itself"


def _activation(function: ops.ActivationFunction) -> Callable[..., _Value]:
    return lambda tracer, shape, self_: tracer._elementwise(self_, ops.Activation(function))


HANDLERS: dict[str, Callable[..., _Value]] = {
    "conv2d": _Tracer._conv,
    "linear": _Tracer._linear,
    "batch_norm": _Tracer._batch_norm,
    "relu": _activation("relu"),
    "relu6": _activation("relu6"),
    "silu": _activation("silu"),
    "hardswish": _activation("hard_swish"),
    "tanh": _activation("tanh"),
    "sigmoid": _activation("sigmoid"),
    "gelu": _Tracer._gelu,
    "leaky_relu": _Tracer._leaky_relu,
    "hardtanh": _Tracer._hardtanh,
    "clamp": _Tracer._clamp,
    "clamp_min": _Tracer._clamp,
    "prelu": _Tracer._prelu,
    "dropout": _Tracer._dropout,
    "feature_dropout": _Tracer._dropout,
    "max_pool2d": _Tracer._max_pool,
    "avg_pool2d": _Tracer._average_pool,
    "adaptive_avg_pool2d": _Tracer._adaptive_average_pool,
    "adaptive_max_pool2d": _Tracer._adaptive_max_pool,
    "mean": _Tracer._mean,
    "amax": _Tracer._amax,
    "add": _Tracer._add,
    "mul": _Tracer._multiply,
    "cat": _Tracer._concat,
    "pad": _Tracer._pad,
    "constant_pad_nd": _Tracer._pad,
    "contiguous": _Tracer._same,
    "clone": _Tracer._same,
    "to": _Tracer._same,
    "slice": _Tracer._same,
    "view": _Tracer._reshape,
    "reshape": _Tracer._reshape,
    "flatten": _Tracer._reshape,
    "unflatten": _Tracer._reshape,
    "squeeze": _Tracer._reshape,
    "unsqueeze": _Tracer._reshape,
    "expand": _Tracer._expand,
    "expand_as": _Tracer._expand,
    "permute": _Tracer._permute,
    "transpose": _Tracer._transpose,
}
"""What a Graph can carry, by aten's names."""

SHARING = {
    "view",
    "reshape",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
    "expand",
    "expand_as",
    "permute",
    "transpose",
    "slice",
    "contiguous",
    "to",
    "dropout",
    "feature_dropout",
}
"""Operations whose result may be a view of their argument."""
