"""A network as one file, which is whole or not there, and takes the place of nothing but an older one of its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pennyweight.core.errors import GraphError, UsageError
from pennyweight.core.files import write_bytes, writing
from pennyweight.core.text import visible
from pennyweight.core.version import VERSION
from pennyweight.deploy.onnx import write as onnx
from pennyweight.deploy.tflite import write as tflite
from pennyweight.deploy.tflite.flatbuffer import Table
from pennyweight.deploy.tflite.schema import IDENTIFIER, Model
from pennyweight.net.integer.network import IntegerNetwork

FileForm = Literal["tflite", "onnx"]

WRITTEN_BY = ", in int8 by pennyweight "
"""What stands in the description of a .tflite file that was exported, behind the network's text."""

READ_MAX_BYTES = 1 << 30


def check_file(path: Path, form: FileForm) -> None:
    """Raises UsageError where an export may not take the place of what is at `path`, MissingExtraError where the form
    needs an extra that is not installed."""
    if form == "onnx":
        onnx.onnx_package()
    if not path.exists():
        return
    if not path.is_file():
        raise UsageError(f"{visible(path)} is no file", hint="name the file itself with --out")
    with path.open("rb") as file:
        content = file.read(READ_MAX_BYTES)
    if not (onnx.is_ours(content) if form == "onnx" else _is_our_tflite(content)):
        raise UsageError(
            f"{visible(path)} exists, and was not exported from here", hint="choose another --out, or move the file"
        )


def write_file(path: Path, network: IntegerNetwork, class_names: tuple[str, ...], form: FileForm) -> int:
    """Write the network to `path`; returns how many bytes that are.

    Raises UsageError as `check_file`, GraphError that lists what the form cannot say, RunError where the disk refuses.
    """
    check_file(path, form)
    if form == "onnx":
        content = onnx.write(network, class_names)
    else:
        # A lone half of a character, which a run's JSON may hold, is none in UTF-8.
        names = tuple(name.encode("utf-8", "backslashreplace").decode() for name in class_names)
        content = tflite.write(network.renamed(f"{visible(network.text)}{WRITTEN_BY}{VERSION}"), names)
    with writing(path):
        write_bytes(path, content)
    return len(content)


def _is_our_tflite(content: bytes) -> bool:
    try:
        return WRITTEN_BY in Table.root(memoryview(content), IDENTIFIER).text(Model.DESCRIPTION)
    except GraphError:
        return False
