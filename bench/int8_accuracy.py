"""What int8 costs: a small network of each data set in float32, and its C on integers, on the same test images.

Each is trained with its default recipe, quantised by calibration alone (and fine-tuned where the validation part asks
for it), and the firmware's C, compiled for this machine, answers the test part, which is opened once. A run under
`--out` that has ended is used again, whatever its network; an interrupted one resumes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from measure import QUICK_IMAGES, Bar, conclude, data_folder, machine, options, percent, table
from pennyweight import evaluate_firmware, open_source, quantize, resume, train
from pennyweight.core.errors import DataError
from pennyweight.data.images import LabelledImages
from pennyweight.deploy.evaluate import DeployedEvaluation
from pennyweight.shrink.quantize.quantize import Quantized

DROP_POINTS_MAX = 0.3


@dataclass(frozen=True)
class Line:
    """A network for the images of a source, and the shape in which it takes them where that is not theirs."""

    network: str
    input_shape: tuple[int, int, int] | None = None
    settings: tuple[str, ...] = ()


LINES = {
    "digits": Line("pooled-resnet:width=8"),
    "mnist": Line("pooled-resnet:width=8"),
    "fashion-mnist": Line("pooled-resnet:width=8"),
    "cifar10": Line("resnet8"),
    "svhn": Line("pooled-resnet:width=8"),
    "cats-vs-dogs": Line("pooled-resnet:width=16", (100, 100, 1), ("epochs=50",)),
}


def main() -> None:
    parser = options(__doc__, seeds=1)
    parser.add_argument("--out", type=Path, default=Path("runs/int8"), help="where the runs go (%(default)s)")
    parser.add_argument("--epochs", type=int, help="for how long to train (as the recipe has it)")
    parser.add_argument("--only", nargs="+", choices=LINES, default=list(LINES), help="data sets (all)")
    arguments = parser.parse_args()
    facts = machine()
    epochs, out = (1, arguments.out / "quick") if arguments.quick else (arguments.epochs, arguments.out)
    found: dict[str, tuple[Quantized, DeployedEvaluation]] = {}
    with data_folder(arguments.data_dir) as folder:
        for source in arguments.only:
            line = LINES[source]
            try:
                images = open_source(source, data_dir=folder, input_shape=line.input_shape)
            except DataError as error:
                print(f"{source} is left out: {error}")
                continue
            images = few(images) if arguments.quick else images
            for seed in range(arguments.seeds):
                name = f"{source}-{seed}" if seed else source
                found[name] = one(images, line, out / name, epochs, seed)
                print(f"{name}: {found[name][1].accuracy}", flush=True)
    rows = [_row(source, *each) for source, each in found.items()]
    heads = (
        "network",
        "n",
        "float %",
        "int8 %",
        "float less int8, points (95 %)",
        "only float, int8 right",
        "openings",
    )
    table(("test part", *heads), rows)
    bars = [_bar(source, firmware) for source, (_, firmware) in found.items()]
    results = {source: {"firmware": _short(firmware)} for source, (_, firmware) in found.items()}
    conclude("int8_accuracy", facts, results, bars, quick=arguments.quick)


def few(images: LabelledImages) -> LabelledImages:
    """The first of each part."""
    learning, sealed = (part.take(np.arange(min(QUICK_IMAGES, len(part)))) for part in (images.learning, images.sealed))
    return replace(images, learning=learning, sealed=sealed)


def one(
    images: LabelledImages, line: Line, run: Path, epochs: int | None, seed: int
) -> tuple[Quantized, DeployedEvaluation]:
    """What became of one run: trained, quantised, and asked the test part."""
    settings = [f"seed={seed}", *(line.settings if epochs is None else (f"epochs={epochs}",))]
    if run.is_dir():
        resume(run, images)
    else:
        train(images, line.network, settings=settings, out=run, device="cpu")
    return quantize(run, images, device="cpu"), evaluate_firmware(run, images, part="test", device="cpu")


def paired_interval(only_a: int, only_b: int, n: int) -> tuple[float, float, float]:
    """The share of n that only `a` got right less that of `b`, and its 95 % interval.

    Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data", Journal of Educational and Behavioral Statistics 37.

    >>> [round(share, 4) for share in paired_interval(20, 15, 10_000)]
    [0.0005, -0.0007, 0.0017]
    """
    a, b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    reach = 1.959964 * math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    return (only_a - only_b) / n, a - b - reach, a - b + reach


def _drop(firmware: DeployedEvaluation) -> tuple[float, float, float]:
    """In percentage points, with its interval."""
    against = firmware.against_float
    assert against is not None
    shares = paired_interval(against.only_float_right, against.only_firmware_right, firmware.accuracy.n)
    drop, low, high = (100 * share for share in shares)
    return drop, low, high


def _row(source: str, quantized: Quantized, firmware: DeployedEvaluation) -> tuple[str, ...]:
    against = firmware.against_float
    assert against is not None
    drop, low, high = _drop(firmware)
    return (
        source,
        quantized.network,
        f"{firmware.accuracy.n:,}",
        percent(against.accuracy.share),
        percent(firmware.accuracy.share),
        f"{drop:+.2f} ({low:+.2f} … {high:+.2f})",
        f"{against.only_float_right}, {against.only_firmware_right}",
        str(firmware.opened),
    )


def _bar(source: str, firmware: DeployedEvaluation) -> Bar:
    drop, low, high = _drop(firmware)
    claim = f"{source}: int8 answers at most {DROP_POINTS_MAX} points fewer rightly than float32"
    return Bar(claim, f"{drop:+.2f} ({low:+.2f} … {high:+.2f})", drop <= DROP_POINTS_MAX)


def _short(firmware: DeployedEvaluation) -> dict[str, object]:
    facts = firmware.as_json()
    return {name: facts[name] for name in ("network", "accuracy", "correct", "n", "against_float", "test_openings")}


if __name__ == "__main__":
    main()
