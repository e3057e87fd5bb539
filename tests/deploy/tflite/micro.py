"""TensorFlow Lite Micro's own interpreter, with its reference kernels: what every byte is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pennyweight.deploy.tflite.model import parse

runtime = pytest.importorskip(
    "tflite_micro.python.tflite_micro.runtime", reason="tflite-micro of the extra `test` has no wheel for this system"
)


def tensors_of(content: bytes, images: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Every tensor that TFLite Micro computes for a file, by its name in the file, `(count, ...)`."""
    interpreter = runtime.Interpreter.from_bytes(
        content,
        arena_size=len(content) * 10 + (1 << 20),
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    model = parse(content)
    made = {operator.outputs[0] for operator in model.operators}
    rows: dict[str, list[npt.NDArray[Any]]] = {}
    for image in images:
        interpreter.set_input(image[None], 0)
        interpreter.invoke()
        for number in made:
            tensor = interpreter.GetTensor(number, 0)["tensor_data"]
            rows.setdefault(model.tensors[number].name, []).append(tensor[0])
    return {name: np.stack(tensors) for name, tensors in rows.items()}


def answers_of(content: bytes, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The answers alone, `(count, classes)`."""
    interpreter = runtime.Interpreter.from_bytes(content)
    rows = []
    for image in images:
        interpreter.set_input(image[None], 0)
        interpreter.invoke()
        rows.append(interpreter.get_output(0)[0].copy())
    return np.stack(rows)
