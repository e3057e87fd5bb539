"""What `quantize`, `evaluate --firmware` and `emulate` kept of a run's int8 network, read again: checked.

integer/results.json           both accuracies when it was quantised
integer/firmware-PART.json     how well its C answers
integer/emulated-BOARD.json    what its firmware takes on a virtual board
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pennyweight.core.errors import RunError
from pennyweight.core.run import WEIGHTS, Run
from pennyweight.core.text import visible
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.kept import WHOLE_MAX, count_of, list_of, number_of, text_of

FOLDER, RESULTS = "integer", "results.json"
FIRMWARE, EMULATED = "firmware-", "emulated-"
"""What the names of files begin with."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Int8Accuracy:
    """The same images answered in float32 and in int8; how many of them only one of the two got right."""

    source: str
    part: str
    float32: Accuracy
    int8: Accuracy
    only_float_right: int
    only_int8_right: int


@dataclass(frozen=True, slots=True)
class LayerOnBoard:
    """What a layer takes; `cycles` is None where the core's timing is not known."""

    name: str
    op: str
    macs: int
    instructions: int
    cycles: float | None
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class OnBoard:
    """What the firmware did on a virtual board, by its key. `flash` and `ram` have the bytes of each segment.

    `agrees` says whether all answers were the reference's, byte for byte; `instructions` are those of one image.
    `latency_ms`, an estimate, and `latency_error`, its relative band, are None where the core's timing is not known.
    """

    board: str
    agrees: bool
    images: int
    macs: int
    instructions: int
    latency_ms: float | None
    latency_error: float | None
    flash: Mapping[str, int]
    flash_available_bytes: int
    ram: Mapping[str, int]
    ram_available_bytes: int
    layers: tuple[LayerOnBoard, ...]

    @property
    def flash_bytes(self) -> int:
        """All segments together."""
        return sum(self.flash.values())

    @property
    def ram_bytes(self) -> int:
        """All segments together, with as much stack as was used."""
        return sum(self.ram.values())


@dataclass(frozen=True, slots=True)
class Deployed:
    """A run's int8 network: `weight_bytes` are its weights and biases.

    `accuracies` has one for each part, or other source, that it answered: that of its C where that was asked.
    """

    weight_bytes: int
    fine_tuned_epochs: int
    accuracies: Mapping[str, Int8Accuracy]
    boards: tuple[OnBoard, ...]


def deployed(run: Run, left_out: dict[str, str]) -> Deployed | None:
    """What is kept of a run's int8 network; None where it was not quantised since its weights are these.

    `left_out` is told which files are malformed, or older than the network, and why.
    """
    folder = run.folder / FOLDER
    if not (folder / RESULTS).is_file():
        return None
    found = _read(run, RESULTS, left_out, lambda facts: _quantised(run, facts))
    if found is None:
        return None
    since, accuracies = found.created, {found.accuracy.part: found.accuracy}
    for path in sorted(folder.glob(f"{FIRMWARE}*.json")):
        if (answered := _read(run, path.name, left_out, lambda facts: _answered(facts, since))) is not None:
            accuracies[visible(path.stem.removeprefix(FIRMWARE))] = answered
    boards = [
        board
        for path in sorted(folder.glob(f"{EMULATED}*.json"))
        if (board := _read(run, path.name, left_out, lambda facts: _on_board(facts, since))) is not None
    ]
    return Deployed(found.weight_bytes, found.fine_tuned_epochs, accuracies, tuple(boards))


def _read(run: Run, name: str, left_out: dict[str, str], reader: Callable[[Mapping[str, Any]], T]) -> T | None:
    try:
        return reader(run.read(f"{FOLDER}/{name}"))
    except RunError as error:
        left_out[name] = str(error)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        left_out[name] = f"{run.folder}: {FOLDER}/{visible(name)} is malformed: {visible(error)}"
    return None


@dataclass(frozen=True, slots=True)
class _Quantised:
    """What is needed of RESULTS; `created` is when."""

    created: str
    weight_bytes: int
    fine_tuned_epochs: int
    accuracy: Int8Accuracy


def _quantised(run: Run, facts: Mapping[str, Any]) -> _Quantised:
    n = count_of(facts, "n", least=1)
    if _object(facts, "sha256").get(WEIGHTS) != run.checksum(WEIGHTS):
        raise ValueError("it is of other weights")
    accuracy = Int8Accuracy(
        source=text_of(facts, "source"),
        part=text_of(facts, "part"),
        float32=Accuracy(count_of(facts, "float_correct"), n),
        int8=Accuracy(count_of(facts, "int8_correct"), n),
        only_float_right=count_of(facts, "only_float_right"),
        only_int8_right=count_of(facts, "only_int8_right"),
    )
    return _Quantised(
        text_of(facts, "created"), count_of(facts, "weight_bytes"), count_of(facts, "fine_tuned_epochs"), accuracy
    )


def _answered(facts: Mapping[str, Any], since: str) -> Int8Accuracy:
    _check_age(facts, since)
    n, against = count_of(facts, "n", least=1), _object(facts, "against_float")
    return Int8Accuracy(
        source=text_of(facts, "source"),
        part=text_of(facts, "part"),
        float32=Accuracy(count_of(against, "correct"), n),
        int8=Accuracy(count_of(facts, "correct"), n),
        only_float_right=count_of(against, "only_float_right"),
        only_int8_right=count_of(against, "only_firmware_right"),
    )


def _on_board(facts: Mapping[str, Any], since: str) -> OnBoard:
    _check_age(facts, since)
    flash, ram = _object(facts, "flash"), _object(facts, "ram")
    if type(facts.get("agrees")) is not bool:
        raise ValueError("it does not say whether the bytes agree")
    return OnBoard(
        board=text_of(facts, "board"),
        agrees=facts["agrees"],
        images=count_of(facts, "images", least=1),
        macs=count_of(facts, "macs"),
        instructions=count_of(facts, "instructions"),
        latency_ms=number_of(facts, "latency_ms", most=WHOLE_MAX),
        latency_error=number_of(facts, "latency_error", most=WHOLE_MAX),
        flash={name: count_of(flash, f"{name}_bytes") for name in ("weights", "code", "constants", "initial_values")},
        flash_available_bytes=count_of(flash, "available_bytes", least=1),
        ram={name: count_of(ram, f"{name}_bytes") for name in ("activations", "variables", "stack")},
        ram_available_bytes=count_of(ram, "available_bytes", least=1),
        layers=tuple(
            LayerOnBoard(
                name=text_of(layer, "name"),
                op=text_of(layer, "op"),
                macs=count_of(layer, "macs"),
                instructions=count_of(layer, "instructions"),
                cycles=number_of(layer, "cycles", most=WHOLE_MAX),
                weight_bytes=count_of(layer, "weight_bytes"),
            )
            for layer in list_of(facts, "layers", Mapping)
        ),
    )


def _check_age(facts: Mapping[str, Any], since: str) -> None:
    """Raises ValueError for what an int8 network left that was there before this one."""
    if text_of(facts, "created") < since:
        raise ValueError("it is older than the int8 network")


def _object(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = facts.get(name)
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is no JSON object")
    return value
