"""HostProgram: the C of a network, compiled for this machine and called from Python."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pennyweight.core.errors import UsageError
from pennyweight.deploy.c.program import program
from pennyweight.deploy.toolchain.host import build_library
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.quantization import Int8
from pennyweight.net.integer.reference import Pixels
from pennyweight.net.kernels import Packing
from pennyweight.net.ops import describe

FLAGS = ("-O3", "-march=native")


class HostProgram:
    """The C of an IntegerNetwork on this machine; it answers in the bytes that the firmware answers in.

    Raises MissingExtraError where there is no compiler, FirmwareError where it refuses the C.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        *,
        packing: Packing = "tiles",
        flags: Sequence[str] = FLAGS,
        compiler: str | None = None,
    ) -> None:
        self.program = program(network, name="model", packing=packing)
        with TemporaryDirectory(prefix="pennyweight-") as folder:
            sources = [path for path in self.program.write(Path(folder)) if path.name != "model.c"]
            sources.append(Path(__file__).with_name("host.c"))
            built = build_library(
                sources, Path(folder, "model.so"), include=[Path(folder)], flags=flags, compiler=compiler
            )
            self._library = ctypes.CDLL(str(built))

    def run(self, pixels: Pixels) -> Int8:
        """The answers, int8 `(count, classes)`, to uint8 images `(count, height, width, channels)`."""
        network = self.program.network
        answers = np.empty((len(pixels), *network.shapes[network.output]), np.int8)
        self._call("run_images", pixels, answers)
        return answers

    def run_all(self, pixels: Pixels) -> dict[str, Int8]:
        """Every tensor that a layer makes, by its name, the input's among them, int8 `(count, ...)`."""
        network, tensors = self.program.network, self.program.tensors
        bytes_each = sum(tensor.size_bytes for tensor in tensors)
        kept = np.empty((len(pixels), bytes_each), np.int8)
        self._call("run_tensors", pixels, kept)
        ends = np.cumsum([tensor.size_bytes for tensor in tensors])
        parts = np.split(kept, ends[:-1], axis=1)
        return {
            tensor.name: part.reshape(-1, *network.shapes[tensor.name])
            for tensor, part in zip(tensors, parts, strict=True)
        }

    def _call(self, function: str, pixels: Pixels, result: Int8) -> None:
        wanted = self.program.network.input_shape
        if pixels.dtype != np.uint8 or pixels.shape[1:] != wanted:
            raise UsageError(
                f"this program takes uint8 images of {describe(wanted)}, not {pixels.dtype} of "
                f"{describe(pixels.shape[1:])}"
            )
        pixels = np.ascontiguousarray(pixels)
        getattr(self._library, function)(
            ctypes.c_int32(len(pixels)), pixels.ctypes.data_as(ctypes.c_void_p), result.ctypes.data_as(ctypes.c_void_p)
        )
