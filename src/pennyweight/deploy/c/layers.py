"""Layer: a step as C has it: its constants, its parameters and the calls of its kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError
from pennyweight.deploy.c.packing import in_blocks, in_rows, in_tiles
from pennyweight.net.integer.fixed_point import (
    Integers,
    average_multiplier,
    input_radius,
    quantize_multiplier,
    softmax_multiplier,
)
from pennyweight.net.integer.network import IntegerNetwork, Step, sum_range
from pennyweight.net.kernels import BLOCK, TILE, VECTOR, Packing, up_to, widest_input, window_run
from pennyweight.net.ops import (
    Add,
    Concat,
    Conv,
    Crop,
    Dense,
    DepthwiseConv,
    GlobalPool,
    Multiply,
    Op,
    Paste,
    Pool,
    PRelu,
    Shape,
    Softmax,
    describe,
)

MOST_LENGTH = 32767
"""Lengths of windows and channels are int16 in C."""

STEPS = (16, 28, 24, 20, 12, 8, 4)
"""How many numbers the innermost loop of a convolution may take at once: the first that divides a run of them."""

LEAST_SHIFT = 64
"""What is taken from a shift that `pw_rescale_sum` must not take as one to the right."""

UNITS: dict[Packing, int] = {"blocks": BLOCK, "rows": BLOCK, "tiles": TILE}
"""Filters that go together; the values that each has are made a multiple of so many."""

TILE_ADDED = 128
"""What the kernels for tiles add to the numbers of the input, so that they are not negative."""

C_TYPES = {"uint32": "uint32_t", "int32": "int32_t", "int8": "int8_t"}


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """A constant array. `form` is how an element is written, together with that of `beside` where there is one."""

    name: str
    values: npt.NDArray[Any]
    form: str = "{}"
    beside: npt.NDArray[Any] | None = None

    @property
    def c_type(self) -> str:
        """The type of its elements."""
        return C_TYPES[self.values.dtype.name]

    @property
    def lines(self) -> list[str]:
        """Its elements as C, some on each line."""
        columns = [self.values] if self.beside is None else [self.values, self.beside]
        texts = [self.form.format(*row) for row in zip(*(column.ravel().tolist() for column in columns), strict=True)]
        # The least int32 is no literal of C: it would be minus a number that has no place in an int.
        texts = [text.replace("-2147483648", "(-2147483647 - 1)") for text in texts]
        each = 24 if self.values.dtype == np.int8 else 8
        return [", ".join(texts[start : start + each]) + "," for start in range(0, len(texts), each)]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a kernel: what stands before its tensors, which of the step's inputs it reads, and at which number of
    the output it begins to write."""

    kernel: str
    arguments: tuple[str, ...]
    inputs: tuple[int, ...] = (0,)
    output_offset: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Struct:
    """The parameters of a kernel: a constant of this type and name, each field's value as C."""

    c_type: str
    name: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """The innermost loop of a convolution for windows that lie `offset` numbers apart, with `step` numbers at once."""

    offset: int
    step: int

    @property
    def name(self) -> str:
        """Its function in C."""
        return f"conv_block_{self.offset}_{self.step}"


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What a step brings into `model.c`; `kernel` is the name of a file without its end."""

    step: Step
    number: int
    kernel: str
    calls: tuple[Call, ...]
    structs: tuple[Struct, ...] = ()
    arrays: tuple[Array, ...] = ()
    block: Block | None = None


def layer(network: IntegerNetwork, step: Step, number: int, packing: Packing) -> Layer:
    """The layer of a step that runs. Raises GraphError where lengths are too large for C."""
    (shape, *_), result = network.input_shapes(step), network.shapes[step.name]
    match step.op:
        case Conv():
            return _conv(network, step, step.op, number, packing)
        case DepthwiseConv():
            return _depthwise_conv(network, step, step.op, number)
        case Dense():
            return _dense(network, step, number, packing)
        case Pool():
            return _pool(step, number, step.op, shape, result)
        case GlobalPool(kind="max"):
            return _pool(step, number, Pool("max", (shape[0], shape[1]), (1, 1)), shape, result)
        case GlobalPool():
            return _mean(network, step, number)
        case Add():
            return _add(network, step, number)
        case Multiply():
            return _multiply(network, step, number)
        case Concat():
            return _concat(network, step, number)
        case Crop():
            return _crop(step, number, step.op, shape)
        case Paste():
            return _paste(step, number, step.op, shape)
        case PRelu():
            return _prelu(network, step, number)
        case Softmax():
            return _softmax(network, step, number)
    assert step.table is not None
    table = Array(f"table_{number}", step.table)
    return Layer(
        step, number, "table_s8", (Call("pw_table_s8", (table.name, str(math.prod(result)))),), arrays=(table,)
    )


def _layer(
    step: Step,
    number: int,
    kernel: str,
    fields: dict[str, str],
    *arrays: Array,
    inputs: tuple[int, ...] = (0,),
    **more: Any,
) -> Layer:
    """A layer with one struct of parameters and one call."""
    struct = Struct(f"pw_{kernel}", f"layer_{number}", fields)
    return Layer(step, number, kernel, (Call(f"pw_{kernel}", (f"&{struct.name}",), inputs),), (struct,), arrays, **more)


def _braces(*values: object) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def _result(step: Step) -> str:
    """`struct pw_result`: the clamp before the zero point is added, and the zero point."""
    zero_point = step.quantization.zero_point
    return _braces(step.clamp[0] - zero_point, step.clamp[1] - zero_point, zero_point)


def _factor(real: float) -> str:
    return _braces(*quantize_multiplier(real))


def _windows(op: Conv | DepthwiseConv | Pool, shape: Shape, result: Shape) -> str:
    lengths = (*shape[:2], *result[:2], *op.kernel, *op.stride, op.padding[0], op.padding[2])
    if max(*lengths, *shape, *result) > MOST_LENGTH:
        raise GraphError(f"{op.name} of {describe(shape)} to {describe(result)}: a length is over {MOST_LENGTH:,}")
    return _braces(*lengths)


def _in_groups(values: Integers, groups: int, unit: int, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """One value a filter, each group's made a multiple of `unit`."""
    table = values.reshape(groups, -1)
    return np.pad(table, ((0, 0), (0, up_to(unit, table.shape[1]) - table.shape[1]))).astype(dtype).ravel()


def _shifts(network: IntegerNetwork, step: Step) -> Integers:
    """The shifts of a layer's filters as `pw_rescale_sum` takes them."""
    (source,), shifts = network.input_quantizations(step), network.rescaling(step).shifts
    least, greatest = sum_range(step, source)
    small = (least > -(2**30)) & (greatest < 2**30) & (shifts < 0)
    return np.where(small, -shifts - 1, shifts - LEAST_SHIFT)


def _runs(op: Op) -> int:
    """The runs of numbers of a filter that lie together in the input: rows of a kernel, or with groups its places."""
    if not isinstance(op, Conv):
        return 1
    return op.kernel[0] if op.groups == 1 else math.prod(op.kernel)


def _filters(
    network: IntegerNetwork, step: Step, number: int, groups: int, packing: Packing
) -> tuple[dict[str, str], tuple[Array, ...]]:
    """The fields and arrays of a convolution's or dense layer's filters, packed."""
    weights, (source,), factors = step.weights, network.input_quantizations(step), network.rescaling(step)
    assert weights is not None
    assert weights.bias is not None
    filters = weights.values.reshape(groups, -1, math.prod(weights.values.shape[1:]))
    sums = filters.astype(np.int64).sum(-1).ravel()
    bias = weights.bias - source.zero_point * sums
    unit, name = UNITS[packing], f"weights_{number}"
    form, beside = "{}", None
    match packing:
        case "blocks":
            packed = Array(name, np.concatenate([in_blocks(group) for group in filters]), "0x{:08x}u")
            if isinstance(step.op, Conv):
                packed, form = replace(packed, form="W(0x{:08x}u)"), "B({}, {})"
                beside = _in_groups(sums, groups, unit, np.int32)
        case "rows":
            packed = Array(name, np.concatenate([in_rows(group) for group in filters]))
        case "tiles":
            runs = _runs(step.op)
            packed = Array(name, np.concatenate([in_tiles(group.reshape(len(group), runs, -1)) for group in filters]))
            bias = bias - TILE_ADDED * sums
    arrays = (
        packed,
        Array(f"bias_{number}", _in_groups(bias, groups, unit, np.int32), form, beside),
        Array(f"multiplier_{number}", _in_groups(factors.multipliers, groups, unit, np.int32)),
        Array(f"shift_{number}", _in_groups(_shifts(network, step), groups, unit, np.int8)),
    )
    return {array.name.rpartition("_")[0]: array.name for array in arrays}, arrays


def _conv(network: IntegerNetwork, step: Step, op: Conv, number: int, packing: Packing) -> Layer:
    (shape,), (source,) = network.input_shapes(step), network.input_quantizations(step)
    filters, arrays = _filters(network, step, number, op.groups, packing)
    channels = shape[-1] // op.groups
    fields = {
        "windows": _windows(op, shape, network.shapes[step.name]),
        "channels": str(channels),
        "filters": str(op.filters // op.groups),
        "groups": str(op.groups),
        "zero_point": str(source.zero_point),
        "result": _result(step),
        **filters,
    }
    if packing == "rows":
        fields["run"] = str(up_to(VECTOR, math.prod(op.kernel) * channels))
    if packing != "blocks":
        return _layer(step, number, f"conv_{packing}_s8", fields, *arrays)
    run, offset = window_run(op, channels)
    block = Block(offset, next(step for step in STEPS if run % step == 0))
    fields["block"] = block.name
    return _layer(step, number, "conv_s8", fields, *arrays, block=block)


def _depthwise_conv(network: IntegerNetwork, step: Step, op: DepthwiseConv, number: int) -> Layer:
    (shape,), (source,), weights = network.input_shapes(step), network.input_quantizations(step), step.weights
    factors = network.rescaling(step)
    assert weights is not None
    assert weights.bias is not None
    fields = {
        "windows": _windows(op, shape, network.shapes[step.name]),
        "channels": str(shape[-1]),
        "multiplicity": str(op.multiplier),
        "zero_point": str(source.zero_point),
        "result": _result(step),
        "weights": f"weights_{number}",
        "bias": f"bias_{number}",
        "multiplier": f"multiplier_{number}",
        "shift": f"shift_{number}",
    }
    arrays = (
        Array(fields["weights"], weights.values),
        Array(fields["bias"], weights.bias),
        Array(fields["multiplier"], factors.multipliers.astype(np.int32)),
        Array(fields["shift"], _shifts(network, step).astype(np.int8)),
    )
    return _layer(step, number, "depthwise_conv_s8", fields, *arrays)


def _dense(network: IntegerNetwork, step: Step, number: int, packing: Packing) -> Layer:
    ((features,),), (units,) = network.input_shapes(step), network.shapes[step.name]
    filters, arrays = _filters(network, step, number, 1, packing)
    fields = {"features": str(features), "units": str(units), "result": _result(step), **filters}
    if packing == "rows":
        fields["run"] = str(up_to(VECTOR, features))
    return _layer(step, number, "dense_s8" if packing == "blocks" else f"dense_{packing}_s8", fields, *arrays)


def _pool(step: Step, number: int, op: Pool, shape: Shape, result: Shape) -> Layer:
    fields = {
        "windows": _windows(op, shape, result),
        "channels": str(shape[-1]),
        "result": _braces(*step.clamp, 0),
    }
    kernel = f"{op.kind}_pool_s8"
    struct = Struct("pw_pool_s8", f"layer_{number}", fields)
    return Layer(step, number, kernel, (Call(f"pw_{kernel}", (f"&{struct.name}",)),), (struct,))


def _mean(network: IntegerNetwork, step: Step, number: int) -> Layer:
    (shape,), (source,) = network.input_shapes(step), network.input_quantizations(step)
    pixels = shape[0] * shape[1]
    fields = {
        "pixels": str(pixels),
        "channels": str(shape[-1]),
        "offset": str(-source.zero_point * pixels),
        "factor": _braces(*average_multiplier(source.scale / step.quantization.scale, pixels)),
        "result": _result(step),
    }
    return _layer(step, number, "mean_s8", fields)


def _add(network: IntegerNetwork, step: Step, number: int) -> Layer:
    sources = network.input_quantizations(step)
    twice = 2 * max(source.scale for source in sources)
    fields = {
        "numbers": str(math.prod(network.shapes[step.name])),
        "zero_points": _braces(*(source.zero_point for source in sources)),
        "inputs": _braces(*(_factor(source.scale / twice) for source in sources)),
        "factor": _factor(twice / (2**20 * step.quantization.scale)),
        "result": _result(step),
    }
    return _layer(step, number, "add_s8", fields, inputs=(0, 1))


def _multiply(network: IntegerNetwork, step: Step, number: int) -> Layer:
    sources, shapes = network.input_quantizations(step), network.input_shapes(step)
    fields = {
        "numbers": str(math.prod(shapes[0])),
        "period": str(math.prod(shapes[1])),
        "zero_points": _braces(*(source.zero_point for source in sources)),
        "factor": _factor(sources[0].scale * sources[1].scale / step.quantization.scale),
        "result": _result(step),
    }
    return _layer(step, number, "multiply_s8", fields, inputs=(0, 1))


def _concat(network: IntegerNetwork, step: Step, number: int) -> Layer:
    result = network.shapes[step.name]
    structs, calls, start = [], [], 0
    for index, shape in enumerate(network.input_shapes(step)):
        fields = {
            "pixels": str(math.prod(result[:-1])),
            "channels": str(shape[-1]),
            "output_channels": str(result[-1]),
        }
        structs.append(Struct("pw_concat_s8", f"layer_{number}_{index}", fields))
        calls.append(Call("pw_concat_s8", (f"&{structs[-1].name}",), (index,), start))
        start += shape[-1]
    calls.insert(0, calls.pop(widest_input(network.input_shapes(step))))
    return Layer(step, number, "concat_s8", tuple(calls), tuple(structs))


def _crop(step: Step, number: int, op: Crop, shape: Shape) -> Layer:
    fields = {
        "rows": str(op.size[0]),
        "bytes": str(op.size[1] * shape[2]),
        "input_pitch": str(shape[1] * shape[2]),
        "output_pitch": str(op.size[1] * shape[2]),
        "input_start": str((op.start[0] * shape[1] + op.start[1]) * shape[2]),
        "output_start": "0",
    }
    return _layer(step, number, "copy_s8", fields)


def _paste(step: Step, number: int, op: Paste, shape: Shape) -> Layer:
    pitch = op.size[1] * shape[2]
    fields = {
        "rows": str(shape[0]),
        "bytes": str(shape[1] * shape[2]),
        "input_pitch": str(shape[1] * shape[2]),
        "output_pitch": str(pitch),
        "input_start": "0",
        "output_start": str(op.start[0] * pitch + op.start[1] * shape[2]),
    }
    pasted = _layer(step, number, "copy_s8", fields)
    numbers = str(op.size[0] * pitch)
    begin = Call("pw_keep_s8", (numbers,), (1,)) if len(step.inputs) == 2 else Call("pw_clear_s8", (numbers,), ())
    return replace(pasted, calls=(begin, *pasted.calls))


def _prelu(network: IntegerNetwork, step: Step, number: int) -> Layer:
    (shape,), (source,), weights = network.input_shapes(step), network.input_quantizations(step), step.weights
    assert weights is not None
    scale = source.scale / step.quantization.scale
    fields = {
        "pixels": str(math.prod(shape[:-1])),
        "channels": str(shape[-1]),
        "zero_point": str(source.zero_point),
        "slope_zero_point": str(weights.zero_point),
        "positive": _factor(scale),
        "negative": _factor(source.scale * float(weights.scales[0]) / step.quantization.scale),
        "result": _result(step),
        "slopes": f"slopes_{number}",
    }
    return _layer(step, number, "prelu_s8", fields, Array(fields["slopes"], weights.values))


def _softmax(network: IntegerNetwork, step: Step, number: int) -> Layer:
    (shape,), (source,) = network.input_shapes(step), network.input_quantizations(step)
    factor = softmax_multiplier(source.scale)
    fields = {
        "rows": str(math.prod(shape[:-1])),
        "classes": str(shape[-1]),
        "factor": _braces(*factor),
        "least_difference": str(-input_radius(5, factor[1])),
    }
    return _layer(step, number, "softmax_s8", fields)
