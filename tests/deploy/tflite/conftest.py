"""MLPerf Tiny's trained ResNet-8, in int8 and in float32."""

from __future__ import annotations

from pathlib import Path

import pytest

MODELS = Path(__file__).parents[4] / "shared" / "models"


def _model(name: str) -> bytes:
    path = MODELS / name
    if not path.is_file():
        pytest.skip(f"no trained model: {name} does not lie in ../shared/models")
    return path.read_bytes()


@pytest.fixture(scope="session")
def resnet8_int8() -> bytes:
    """The file of MLPerf Tiny's int8 ResNet-8 for CIFAR-10; skips where it is not there."""
    return _model("mlperf_tiny_resnet8_int8.tflite")


@pytest.fixture(scope="session")
def resnet8_float() -> bytes:
    """The same network's float32 file."""
    return _model("mlperf_tiny_resnet8_float.tflite")
