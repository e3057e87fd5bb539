"""The same bytes everywhere: the NumPy reference, TensorFlow Lite Micro, and the C on every core that is emulated.

Random networks, of up to 16 steps of any kind with odd shapes, scales and zero points, are compared tensor by tensor.
So are the images of a data set through a trained network: all of them in the reference, in TensorFlow Lite Micro and in
the C on this machine, and `--emulated` of them on each core, whose answers are compared.

Answers are compared with each other and with no label: a test part whose images are used here stays as good as sealed.

It goes on where it was stopped with `--from`: network number n is the same in every run. Each line of progress says
how many were compared. Wants the extras `test` and `boards`; the M55 wants qemu-system-arm.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from measure import Bar, conclude, data_folder, machine, options, table
from pennyweight import open_source
from pennyweight.core.errors import GraphError
from pennyweight.deploy.c.host import HostProgram
from pennyweight.deploy.c.on_board import build_board_program
from pennyweight.deploy.deployable import open_deployable
from pennyweight.deploy.emulate.in_qemu import memory_map_in_qemu, qemu_for, run_in_qemu
from pennyweight.deploy.emulate.in_unicorn import CPU_MODELS, run_in_unicorn
from pennyweight.deploy.tflite.write import write
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import Pixels, quantise_input, run, run_all
from pennyweight.net.kernels import Packing

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.deploy.c.many_networks import ROOMY, SMALLER, Compared, compare_on_core, random_pixels
from tests.deploy.tflite.micro import tensors_of
from tests.net.integer.random_network import drawn

MODEL = Path(__file__).parents[2] / "shared" / "models" / "mlperf_tiny_resnet8_int8.tflite"
CORES = (
    "cortex-m0",
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4f",
    "cortex-m7",
    "cortex-m33",
    "cortex-m55",
    "rv32imc",
    "rv32ec",
)
WITHOUT_MULTIPLIER = "rv32ec"
"""An image takes it seconds, so that it has random networks alone."""

NETWORKS, IMAGES, EMULATED = 1000, 10_000, 100
QUICK_NETWORKS, QUICK_IMAGES, QUICK_EMULATED = 10, 20, 2

IMAGES_EACH = 3
"""What each random network is given to see."""

TOGETHER = 25
"""Random networks that share a program: kernels are compiled once for them."""

IMAGES_TOGETHER = 250

MICRO = "TFLite Micro"


@dataclass(frozen=True)
class Row:
    """What one engine made, beside the reference; `count` networks or images."""

    engine: str
    count: int
    compared: Compared
    seconds: float

    def cells(self) -> tuple[str, ...]:
        """The row of a table."""
        found = self.compared
        each_ms = 1e3 * self.seconds / max(1, self.count)
        figures = (self.count, found.tensors, found.size_bytes, found.differing_bytes)
        return (self.engine, *(f"{figure:,}" for figure in figures), f"{each_ms:,.1f}")


NOTHING = Compared(0, 0, 0, "")


def main() -> None:
    parser = options(__doc__, seeds=1)
    parser.add_argument("model", nargs="?", default=str(MODEL), help="an int8 .tflite or a quantised run (ResNet-8)")
    parser.add_argument("--source", default="cifar10", help="images whose test part the model sees (%(default)s)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first random network (%(default)s)")
    parser.add_argument("--networks", type=int, help=f"random networks; else the rest of {NETWORKS:,} for each seed")
    parser.add_argument("--images", type=int, default=IMAGES, help="images through the model (%(default)s)")
    parser.add_argument("--emulated", type=int, default=EMULATED, help="how many of them on each core (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=CORES, default=list(CORES), help="cores (all)")
    arguments = parser.parse_args()
    facts = machine()
    cores = [core for core in arguments.only if core in CPU_MODELS or qemu_for(core)]
    for core in set(arguments.only) - set(cores):
        print(f"{core} is left out: its QEMU is not installed")
    asked, images, emulated = arguments.networks, arguments.images, arguments.emulated
    if arguments.quick:
        asked, images, emulated = QUICK_NETWORKS, QUICK_IMAGES, QUICK_EMULATED
    seeds = range(arguments.seeds if asked != 0 else 0)
    networks = [network for seed in seeds for network in drawn(NETWORKS, seed)][arguments.first :][:asked]
    random = random_rows(networks, arguments.first, cores) if networks else []
    trained = []
    if images:
        with data_folder(arguments.data_dir) as folder:
            pixels = open_source(arguments.source, data_dir=folder).open_test().images[:images]
        trained = list(image_rows(open_deployable(arguments.model).network, pixels, emulated, cores))
    heads = ("tensors", "bytes", "differing", "ms each")
    if random:
        table((f"random networks x {IMAGES_EACH} images", "networks", *heads), [row.cells() for row in random])
    if trained:
        table((Path(arguments.model).stem, "images", *heads), [row.cells() for row in trained])
    for row in (*random, *trained):
        if row.compared.first:
            print(f"{row.engine}: {row.compared.first}")
    multiplying = [core for core in CORES if core != WITHOUT_MULTIPLIER]
    bars = [
        judge(f"{NETWORKS:,} random networks, every tensor, on {len(CORES)} cores", random, NETWORKS, CORES),
        judge(f"{IMAGES:,} images through a network on {len(multiplying)} cores", trained, IMAGES, multiplying),
    ]
    results = {"random": [asdict(row) for row in random], "images": [asdict(row) for row in trained]}
    conclude("firmware_bytes", facts, results, bars, quick=arguments.quick)


def random_rows(networks: list[IntegerNetwork], first: int, cores: list[str]) -> list[Row]:
    """A row for each engine; networks that TensorFlow Lite cannot say are left out of its row."""
    rows = {engine: Row(engine, 0, NOTHING, 0.0) for engine in (MICRO, *cores)}
    with TemporaryDirectory(prefix="pennyweight-") as folder:
        for start in range(0, len(networks), TOGETHER):
            some = networks[start : start + TOGETHER]
            for engine in rows:
                began = time.perf_counter()
                if engine == MICRO:
                    found = [compared for network in some if (compared := in_micro(network)) is not None]
                    more, count = sum(found, NOTHING), len(found)
                else:
                    place = Path(folder, engine)
                    place.mkdir(exist_ok=True)
                    more, count = compare_on_core(some, engine, IMAGES_EACH, place), len(some)
                row = rows[engine]
                seconds = row.seconds + time.perf_counter() - began
                rows[engine] = Row(engine, row.count + count, row.compared + more, seconds)
            last = first + start + len(some)
            differing = sum(row.compared.differing_bytes for row in rows.values())
            progress(f"networks {first:,} to {last - 1:,}: {differing:,} bytes differ; goes on with --from {last}")
    return list(rows.values())


def in_micro(network: IntegerNetwork) -> Compared | None:
    """Every tensor that TFLite Micro makes of a random network; None where its file format cannot say the network."""
    try:
        content = write(network)
    except GraphError:  # an average pool that TFLite pads otherwise
        return None
    inputs = quantise_input(network, random_pixels(network, IMAGES_EACH))
    found = tensors_of(content, inputs)
    if network.output not in found:
        raise RuntimeError(f"{MICRO} did not make the answer of {network}")
    return beside(run_all(network, inputs), found, f"of {network}")


def beside(wanted: dict[str, Any], found: dict[str, Any], what: str) -> Compared:
    """Those of the wanted tensors that were found."""
    total = NOTHING
    for name, tensor in wanted.items():
        if name in found:
            wrong = int((found[name].reshape(tensor.shape) != tensor).sum())
            total += Compared(len(tensor), tensor.size, wrong, f"{name} {what}" if wrong else "")
    return total


def image_rows(network: IntegerNetwork, pixels: Pixels, emulated: int, cores: list[str]) -> Iterator[Row]:
    """A row for each engine: all tensors in TFLite Micro and, for each packing, on this machine; the cores' answers."""
    content = write(network)
    engines: dict[str, Callable[[Pixels], dict[str, Any]]] = {
        MICRO: lambda some: tensors_of(content, quantise_input(network, some))
    }
    packings: tuple[Packing, ...] = get_args(Packing)
    engines |= {f"C here, {packing}": HostProgram(network, packing=packing).run_all for packing in packings}
    engines |= {core: on_core(network, core) for core in cores if core != WITHOUT_MULTIPLIER}
    answers = run(network, quantise_input(network, pixels))
    for engine, answer in engines.items():
        seen = pixels[:emulated] if engine in cores else pixels
        total, seconds = NOTHING, 0.0
        for start in range(0, len(seen), IMAGES_TOGETHER):
            some = seen[start : start + IMAGES_TOGETHER]
            wanted = {network.output: answers[start : start + len(some)]}
            if engine not in cores:
                wanted = run_all(network, quantise_input(network, some))
            began = time.perf_counter()
            found = answer(some)
            seconds += time.perf_counter() - began
            total += beside(wanted, found, f"from image {start}")
            progress(f"{engine}: {start + len(some):,} of {len(seen):,} images: {total.differing_bytes:,} bytes differ")
        yield Row(engine, len(seen), total, seconds)


def on_core(network: IntegerNetwork, core: str) -> Callable[[Pixels], dict[str, Any]]:
    """What answers images on a core."""
    if core in CPU_MODELS:
        board = build_board_program(network, core, ROOMY)
        return lambda some: board.tensors(run_in_unicorn(board.firmware, some.tobytes(), check_alignment=False).output)
    board = build_board_program(network, core, memory_map_in_qemu(core, SMALLER))
    return lambda some: board.tensors(run_in_qemu(board.firmware, some.tobytes()).output)


def judge(claim: str, rows: list[Row], wanted: int, cores: Sequence[str]) -> Bar:
    """Whether no byte differs; not judged where a core did not see all that was wanted."""
    differing = sum(row.compared.differing_bytes for row in rows)
    size_bytes = sum(row.compared.size_bytes for row in rows)
    counts = {row.engine: row.count for row in rows}
    fewest = min(counts.get(core, 0) for core in cores)
    found = f"{differing:,} of {size_bytes:,} bytes differ, at least {fewest:,} on each core"
    return Bar(f"{claim}: 0 bytes differ", found, False if differing else (True if fewest >= wanted else None))


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
