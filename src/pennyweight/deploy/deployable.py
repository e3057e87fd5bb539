"""Deployable: what goes onto a board: an int8 network, and what is known of it, of a run folder or a .tflite file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pennyweight.core.errors import GraphError, UsageError
from pennyweight.core.run import Run
from pennyweight.core.text import command, visible
from pennyweight.deploy.tflite.read import FloatNetwork, class_names, read
from pennyweight.fit.graph import class_names_of, graph_of
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.shrink.quantize.kept import kept_network

TFLITE = ".tflite"
TFLITE_MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Deployable:
    """An int8 network; `class_names` is empty where nobody has told them, `run` None where it came out of a file.

    The network's text is visible. `notes` say what a reader must know.
    """

    network: IntegerNetwork
    class_names: tuple[str, ...]
    run: Run | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TfliteFile:
    """What a .tflite file holds; `class_names` and `notes` as in a Deployable."""

    network: IntegerNetwork | FloatNetwork
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def open_deployable(source: Path | str) -> Deployable:
    """The int8 network of a quantised run folder, or of a .tflite file in int8.

    Raises RunError for a run that is not quantised, GraphError for a file that cannot be read or holds a network in
    float32, UsageError where there is nothing.
    """
    path = Path(source)
    if not is_tflite(path):
        run = Run.open(path)
        network = kept_network(run)
        return Deployable(network.renamed(visible(network.text)), class_names_of(run, graph_of(run)), run)
    file = open_tflite(path)
    if isinstance(file.network, FloatNetwork):
        way = command("quantize", path, "SOURCE", "--out", path.with_suffix(".int8.tflite"))
        raise GraphError(f"{visible(path)} is a network in float32", hint=f"to bring it to int8: {way}")
    return Deployable(file.network, file.class_names, None, file.notes)


def open_tflite(path: Path) -> TfliteFile:
    """The network of a .tflite file. Raises UsageError, or GraphError for a file that cannot be read."""
    content = read_tflite(path)
    network, names = read(content, visible(path)), class_names(content)
    classes = network.graph.classes
    if names and len(names) != classes:
        told = f"{visible(path)} names {len(names):,} classes and tells {classes:,} apart: its names are left out"
        return TfliteFile(network, (), (told,))
    return TfliteFile(network, names, ())


def is_tflite(path: Path) -> bool:
    """Whether a path means a .tflite file, and no run folder."""
    return path.suffix.lower() == TFLITE and not path.is_dir()


def read_tflite(path: Path) -> bytes:
    """The content of a .tflite file. Raises UsageError where it cannot be read, or is larger than any of its kind."""
    try:
        with path.open("rb") as file:
            content = file.read(TFLITE_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {visible(path)}: {error.strerror}") from error
    if len(content) > TFLITE_MAX_BYTES:
        raise UsageError(f"{visible(path)} is larger than {TFLITE_MAX_BYTES >> 20} MiB")
    return content
