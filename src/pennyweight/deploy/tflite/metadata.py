"""A .tflite file's metadata: how pixels become its input, and the names of its classes.

The schema is TensorFlow Lite Support's (`metadata_schema.fbs`, 1.0.0); the class names lie in `labels.txt`, a file in a
ZIP archive behind the model's bytes, as that library has it.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.flatbuffer import Fields, Scalar, Table, Vector, build
from pennyweight.deploy.tflite.schema import METADATA_IDENTIFIER

LABELS = "labels.txt"
LABELS_MAX_BYTES = 1 << 20


class _Model(IntEnum):
    NAME = 0
    SUBGRAPHS = 3
    MIN_PARSER_VERSION = 7


class _SubGraph(IntEnum):
    INPUTS = 2
    OUTPUTS = 3


class _Tensor(IntEnum):
    NAME = 0
    DESCRIPTION = 1
    CONTENT = 3
    PROCESS_UNITS = 4
    FILES = 6


_IMAGE, _NORMALISATION, _AXIS_LABELS = 2, 1, 2
"""Numbers of these among the kinds of content, of process units and of associated files."""


@dataclass(frozen=True, slots=True)
class Description:
    """What metadata say: a pixel `p` enters as `(p - mean) / std`, one of each for a channel or for all; what they do
    not say is empty."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()


def metadata_bytes(name: str, description: Description, channels: int) -> bytes:
    """The metadata of a network that takes pictures; class names are told to lie in `labels.txt`."""
    picture: Fields = {
        _Tensor.NAME: "image",
        _Tensor.DESCRIPTION: "pixels from 0 to 255, of which mean and std make the numbers that are quantised",
        _Tensor.CONTENT: {0: Scalar("B", _IMAGE), 1: {0: Scalar("b", {3: 1, 1: 2}.get(channels, 0))}},
        _Tensor.PROCESS_UNITS: [
            {
                0: Scalar("B", _NORMALISATION),
                1: {
                    0: Vector(np.array(description.mean, np.float32)),
                    1: Vector(np.array(description.std, np.float32)),
                },
            }
        ],
    }
    answer: Fields = {_Tensor.NAME: "answer", _Tensor.DESCRIPTION: "one number for each class"}
    if description.class_names:
        answer[_Tensor.FILES] = [{0: LABELS, 1: "the names of the classes, one a line", 2: Scalar("b", _AXIS_LABELS)}]
    return build(
        {
            _Model.NAME: name,
            _Model.SUBGRAPHS: [{_SubGraph.INPUTS: [picture], _SubGraph.OUTPUTS: [answer]}],
            _Model.MIN_PARSER_VERSION: "1.0.0",
        },
        METADATA_IDENTIFIER,
    )


def with_labels(content: bytes, class_names: tuple[str, ...]) -> bytes:
    """A model's bytes with `labels.txt` behind them. Line breaks in a name become blanks."""
    archive = io.BytesIO(content)
    archive.seek(0, io.SEEK_END)
    lines = "".join(" ".join(name.split()) + "\n" for name in class_names)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(zipfile.ZipInfo(LABELS), lines)
    return archive.getvalue()


def describe_bytes(metadata: memoryview, content: bytes = b"") -> Description:
    """What metadata say; class names where the file's whole `content` is given and has them."""
    graphs = Table.root(metadata, METADATA_IDENTIFIER).tables(_Model.SUBGRAPHS)
    inputs = graphs[0].tables(_SubGraph.INPUTS) if graphs else []
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    for unit in inputs[0].tables(_Tensor.PROCESS_UNITS) if inputs else []:
        options = unit.table(1)
        if unit.number(0, "B") == _NORMALISATION and options is not None:
            mean, std = (tuple(options.array(field, "<f4")[:1024].tolist()) for field in (0, 1))
    if not all(map(math.isfinite, mean + std)) or min(std, default=1) <= 0:
        raise GraphError(f"its metadata normalise pixels by {mean} and {std}")
    return Description(mean, std, _labels(content))


def _labels(content: bytes) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file, file.open(LABELS) as labels:
            lines = labels.read(LABELS_MAX_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        return ()
    return tuple(lines.decode(errors="backslashreplace").splitlines()) if len(lines) <= LABELS_MAX_BYTES else ()
