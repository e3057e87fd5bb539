"""Program: the C of an IntegerNetwork, as files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pennyweight.core.errors import UsageError
from pennyweight.core.version import VERSION
from pennyweight.deploy.c.layers import Array, Layer, layer
from pennyweight.deploy.c.text import comment, identifier, string_literal
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.quantization import LOW
from pennyweight.net.kernels import Packing
from pennyweight.net.memory import MemoryPlan, plan_memory
from pennyweight.net.ops import Softmax, describe

RUNTIME = Path(str(files("pennyweight.deploy"))) / "runtime"
"""Where the kernels lie, C files and headers."""

INLINED = frozenset({"add_s8"})
"""Kernels that are headers: each call is compiled with its own constants."""

NEEDS = {
    "conv_s8": {"conv_block_v6m", "rescale"},
    "depthwise_conv_s8": {"rescale"},
    "dense_s8": {"rescale"},
    "conv_rows_s8": {"rescale"},
    "dense_rows_s8": {"rescale"},
    "conv_tiles_s8": {"rescale"},
    "dense_tiles_s8": {"rescale"},
}
"""Files that kernels call."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a layer makes: `layer` is the number of PW_BEGIN and PW_END in C, 0 for the input."""

    name: str
    layer: int
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """C for a network: `facts` are what the templates show, `kernels` names C files of `RUNTIME`.

    `tensors` are those that the layers make, in the order of execution, which is that of `plan`, the input first; a
    flattened one is its source.
    """

    name: str
    network: IntegerNetwork
    facts: dict[str, Any]
    kernels: tuple[str, ...]
    tensors: tuple[Tensor, ...]
    plan: MemoryPlan

    @property
    def arena_bytes(self) -> int:
        """The RAM that it takes beside the stack."""
        return self.plan.peak_bytes

    @property
    def files(self) -> dict[str, str]:
        """Every C file and header that the program needs, by file name."""
        model = {f"{self.name}.{end}": render(f"model.{end}", self.facts) for end in ("h", "c")}
        kernels = {name: _runtime(name) for name in self.kernels}
        return model | {name: _runtime(name) for name in _headers([*model.values(), *kernels.values()])} | kernels

    def write(self, folder: Path) -> list[Path]:
        """Write the files; returns the paths of the C files among them."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text, "ascii", newline="\n")
        return [folder / name for name in self.files if name.endswith(".c")]


def program(
    network: IntegerNetwork, *, name: str = "model", classes: Sequence[str] = (), packing: Packing = "blocks"
) -> Program:
    """The C program of a network, whose functions and files begin with `name` as an identifier.

    `classes` are the names of the classes, none or all. `packing` is that of weights: rows for Helium, tiles for PCs,
    blocks for all other cores; all run everywhere. Raises UsageError for a wrong number of names, GraphError where the
    network has lengths that the kernels cannot count.
    """
    count = network.shapes[network.output][-1]
    if classes and len(classes) != count:
        raise UsageError(f"{len(classes)} names for {count} classes")
    plan = plan_memory(network.graph, packing=packing)
    numbers = {step.name: number for number, step in enumerate(network.steps, start=1)}
    layers = _sharing(
        layer(network, network.steps[numbers[name] - 1], numbers[name], packing) for name in plan.steps[1:]
    )
    offsets = plan.offsets_bytes
    tensors = [Tensor(INPUT, 0, offsets[INPUT], math.prod(network.input_shape))]
    tensors += [
        Tensor(one.step.name, one.number, offsets[one.step.name], math.prod(network.shapes[one.step.name]))
        for one in layers
    ]
    word = identifier(name)
    facts = _facts(network, word, classes, layers, plan)
    return Program(word, network, facts, _kernels(layers), tuple(tensors), plan)


def _sharing(layers: Iterable[Layer]) -> list[Layer]:
    """The layers, with the arrays and parameters of an earlier one where theirs are the same."""
    arrays: dict[tuple[str, str, bytes, bytes], str] = {}
    structs: dict[tuple[str, ...], str] = {}
    found = []
    for one in layers:
        same: dict[str, str] = {}
        own_arrays, own_structs = [], []
        for array in one.arrays:
            beside = b"" if array.beside is None else array.beside.tobytes()
            key = array.c_type, array.form, array.values.tobytes(), beside
            same[array.name] = arrays.setdefault(key, array.name)
            if same[array.name] == array.name:
                own_arrays.append(array)
        for struct in one.structs:
            fields = {field: same.get(value, value) for field, value in struct.fields.items()}
            first = structs.setdefault((struct.c_type, *fields, *fields.values()), struct.name)
            same[f"&{struct.name}"] = f"&{first}"
            if first == struct.name:
                own_structs.append(replace(struct, fields=fields))
        calls = tuple(
            replace(call, arguments=tuple(same.get(word, word) for word in call.arguments)) for call in one.calls
        )
        found.append(replace(one, arrays=tuple(own_arrays), structs=tuple(own_structs), calls=calls))
    return found


@cache
def _runtime(name: str) -> str:
    return (RUNTIME / name).read_text("ascii")


def _headers(texts: Iterable[str]) -> list[str]:
    """The headers of the runtime that these files include, and those that they include."""
    found: set[str] = set()
    waiting = list(texts)
    while waiting:
        named = set(re.findall(r'^#include "(\w+\.h)"', waiting.pop(), re.MULTILINE))
        new = {name for name in named - found if (RUNTIME / name).is_file()}
        found |= new
        waiting += map(_runtime, new)
    return sorted(found)


def _kernels(layers: Sequence[Layer]) -> tuple[str, ...]:
    """The C files of the kernels that are used."""
    used = {one.kernel for one in layers} - INLINED | {"pixels_s8", "arg_max_s8"}
    for kernel in used & set(NEEDS):
        used = used | NEEDS[kernel]
    return tuple(sorted(f"{kernel}.c" for kernel in used))


def _facts(
    network: IntegerNetwork,
    name: str,
    classes: Sequence[str],
    layers: Sequence[Layer],
    plan: MemoryPlan,
) -> dict[str, Any]:
    """What the templates show."""
    height, width, channels = network.input_shape
    offsets, scratches = plan.offsets_bytes, plan.scratch_offsets_bytes
    output = network.quantizations[network.output]
    pixels, pixel_tables = _pixels(network, offsets[INPUT])
    return {
        "name": name,
        "prefix": name.upper(),
        "title": comment(network.text),
        "version": VERSION,
        "shape": describe(network.input_shape),
        "height": height,
        "width": width,
        "channels": channels,
        "input_bytes": math.prod(network.input_shape),
        "input_offset": offsets[INPUT],
        "pixels_call": pixels,
        "pixel_tables": pixel_tables,
        "classes": math.prod(network.shapes[network.output]),
        "class_names": [string_literal(text) for text in classes],
        "probabilities": isinstance(network.steps[-1].op, Softmax),
        "arena_bytes": plan.peak_bytes,
        "output_scale": f"{output.scale:.9e}",
        "output_zero_point": output.zero_point,
        "output_offset": offsets[network.output],
        "blocks": sorted({one.block for one in layers if one.block is not None}),
        "inlined": sorted({one.kernel for one in layers} & INLINED),
        "layers": layers,
        "described": {step.name: describe(network.shapes[step.name]) for step in network.steps},
        "calls": {one.step.name: _calls(one, offsets, scratches) for one in layers},
        "offsets": offsets,
        "bytes": {step.name: math.prod(network.shapes[step.name]) for step in network.steps},
        "sources": [f"{name}.c", *_kernels(layers)],
        "render_array": _array,
    }


def _pixels(network: IntegerNetwork, offset: int) -> tuple[str, list[Array]]:
    """The call that makes int8 of pixels, and its tables where taking 128 away is not all that it does."""
    values = np.arange(256.0)[:, None]
    tables = network.input_quantization.quantise((values - network.mean) / network.std)
    numbers = math.prod(network.input_shape)
    if (tables == np.arange(LOW, LOW + 256)[:, None]).all():
        return f"pw_pixels_s8({numbers}, AT({offset}))", []
    array = Array("pixel_tables", np.ascontiguousarray(tables.T))
    return f"pw_pixels_table_s8({array.name}, {tables.shape[1]}, {numbers}, AT({offset}))", [array]


def _calls(one: Layer, offsets: dict[str, int], scratches: dict[str, int]) -> list[str]:
    calls = []
    for call in one.calls:
        places = [offsets[one.step.inputs[index]] for index in call.inputs]
        places.append(offsets[one.step.name] + call.output_offset)
        if one.step.name in scratches:
            places.append(scratches[one.step.name])
        calls.append(f"{call.kernel}({', '.join([*call.arguments, *(f'AT({at})' for at in places)])})")
    return calls


def _array(array: Array) -> str:
    return "\n".join(
        [f"static const {array.c_type} {array.name}[] = {{", *(f"    {line}" for line in array.lines), "};"]
    )


def render(name: str, facts: dict[str, Any]) -> str:
    """The text of a template: `templates/NAME.jinja` with these facts."""
    return _templates().get_template(f"{name}.jinja").render(facts)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
