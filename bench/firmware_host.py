"""The C of an int8 network on this machine, against LiteRT with XNNPACK on the same file, both with one thread.

Contenders take turns, so that whatever else the machine does hits all alike; a ratio is the median over the turns. Each
turn runs the same images one by one. XNNPACK rounds otherwise than the reference, whose bytes ours
are, so that only most of the classes must be the same.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType  # type: ignore[import-untyped]

from measure import Bar, conclude, machine, options, paired_ratio, table
from pennyweight.core.errors import UsageError
from pennyweight.deploy.c.host import FLAGS, HostProgram
from pennyweight.deploy.tflite.read import read
from pennyweight.deploy.toolchain.compiler import host_compilers
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import Pixels, quantise_input, run

MODEL = Path(__file__).parents[2] / "shared" / "models" / "mlperf_tiny_resnet8_int8.tflite"
IMAGES, TURNS = 64, 40
QUICK_IMAGES, QUICK_TURNS = 4, 3
MOST_TIMES_SLOWER = 2.0
LEAST_ALIKE = 0.75

Contender = Callable[[], np.ndarray]
"""Answers all images; int8 `(images, classes)`."""


def litert(model: bytes, images: np.ndarray, resolver: OpResolverType) -> Contender:
    """LiteRT with one thread; its time includes what Python takes for the call, some microseconds an image."""
    interpreter = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def answers() -> np.ndarray:
        found = []
        for image in images:
            interpreter.set_tensor(source, image[None])
            interpreter.invoke()
            found.append(interpreter.get_tensor(result)[0])
        return np.array(found)

    return answers


def ours(network: IntegerNetwork, pixels: Pixels, compiler: str) -> Contender:
    """The C of the network by a compiler of this machine."""
    built = HostProgram(network, flags=FLAGS, compiler=compiler)
    return lambda: built.run(pixels)


def took_ms(contender: Contender, count: int) -> float:
    """Milliseconds of one image."""
    began = time.perf_counter()
    contender()
    return 1e3 * (time.perf_counter() - began) / count


def main() -> None:
    parser = options(__doc__, seeds=1)
    parser.add_argument("model", nargs="?", type=Path, default=MODEL, help="an int8 .tflite (MLPerf Tiny's ResNet-8)")
    arguments: argparse.Namespace = parser.parse_args()
    facts = machine()
    content = arguments.model.read_bytes()
    network = read(content, arguments.model.stem)
    if not isinstance(network, IntegerNetwork):
        raise UsageError(f"{arguments.model.name} is not in int8")
    count, turns = (QUICK_IMAGES, QUICK_TURNS) if arguments.quick else (IMAGES, TURNS)
    pixels = np.random.default_rng(0).integers(0, 256, (count, *network.input_shape)).astype(np.uint8)
    images = quantise_input(network, pixels)
    contenders: dict[str, Contender] = {
        "LiteRT, XNNPACK": litert(content, images, OpResolverType.AUTO),
        "LiteRT, its own kernels": litert(content, images, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES),
    }
    contenders |= {f"ours, {compiler}": ours(network, pixels, compiler) for compiler in host_compilers()}

    wanted = run(network, images)
    for name, contender in contenders.items():
        answers = contender()
        alike = float((answers.argmax(-1) == wanted.argmax(-1)).mean())
        if alike < LEAST_ALIKE or (name.startswith("ours") and not np.array_equal(answers, wanted)):
            raise RuntimeError(f"{name} gives other answers than the reference: {alike:.0%} of the classes are its")

    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, contender in contenders.items():
            spent[name].append(took_ms(contender, count))
    peer = spent["LiteRT, XNNPACK"]
    ratios = {name: paired_ratio(each, peer) for name, each in spent.items()}
    table(
        (network.text, "ms an image", "against XNNPACK"),
        [(name, f"{statistics.median(each):.3f}", f"{ratios[name]:.2f}x") for name, each in spent.items()],
    )
    best = min((name for name in ratios if name.startswith("ours")), key=lambda name: ratios[name])
    claim = f"our C takes at most {MOST_TIMES_SLOWER:g} times as long as LiteRT with XNNPACK"
    bars = [Bar(claim, f"{ratios[best]:.2f}x ({best})", ratios[best] <= MOST_TIMES_SLOWER)]
    results: dict[str, Any] = {"ms": spent, "against_xnnpack": ratios, "flags": FLAGS}
    conclude("firmware_host", facts, results, bars, quick=arguments.quick)


if __name__ == "__main__":
    main()
