"""Recipe: everything that decides a training besides data and network."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pennyweight.core.errors import UsageError, unknown

OPTIMIZERS = ("sgd", "nesterov", "adam", "adamw", "nadam", "adadelta", "rmsprop", "muon")
SCHEDULES = ("constant", "step", "linear", "cosine", "one-cycle")
CLASS_WEIGHTS = ("none", "balanced")

LEARNING_RATES = {
    "sgd": 0.1,
    "nesterov": 0.1,
    "adam": 0.002,
    "adamw": 0.002,
    "nadam": 0.002,
    "adadelta": 1.0,
    "rmsprop": 0.001,
    "muon": 0.03,
}
"""The peak learning rate of each optimiser where the recipe names none; for `muon` that of its matrices."""


def _knob(default: Any, help: str, low: float = -math.inf, high: float = math.inf, choices: Sequence[str] = ()) -> Any:
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": tuple(choices)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The settings of a training; each field's metadata holds its help and its limits.

    Raises UsageError with every fault at once.
    """

    epochs: int = _knob(20, "passes over the training images", 1, 100_000)
    batch: int = _knob(128, "images a step (two at least: batch norm needs them)", 2, 65_536)
    optimizer: str = _knob("nesterov", "how gradients become steps", choices=OPTIMIZERS)
    learning_rate: float = _knob(0.0, "peak learning rate; 0 takes the optimiser's own", 0, 100)
    momentum: float = _knob(0.9, "of sgd, nesterov, rmsprop and muon", 0, 0.9999)
    weight_decay: float = _knob(5e-4, "decay of weight matrices and filters (biases and norms have none)", 0, 1)
    schedule: str = _knob("one-cycle", "course of the learning rate", choices=SCHEDULES)
    warmup: float = _knob(0.1, "share of the steps in which one-cycle, linear and cosine rise to the peak", 0, 0.9)
    flip: bool = _knob(False, "mirror every image left to right in every second epoch")
    shift: int = _knob(0, "shift by up to this many pixels each way", 0, 64)
    crop: float = _knob(1.0, "smallest share of the area that a random crop keeps; 1 is none", 0.05, 1)
    rotate: float = _knob(0.0, "rotate by up to this many degrees each way", 0, 180)
    color: float = _knob(0.0, "strength of random brightness, contrast and saturation", 0, 1)
    cutout: int = _knob(0, "side in pixels of a square that is blanked", 0, 512)
    mixup: float = _knob(0.0, "Beta(alpha, alpha) of mixing pairs of images; 0 is none", 0, 10)
    label_smoothing: float = _knob(0.0, "share of the target spread over all classes", 0, 0.9)
    class_weights: str = _knob("none", "weight of each class in the loss", choices=CLASS_WEIGHTS)
    ema: float = _knob(0.0, "decay a step of the average of the weights that is kept in the end; 0 is none", 0, 0.99999)
    patience: int = _knob(
        0, "stop after this many epochs without a better validation loss, keep the best; 0 is never", 0
    )
    teacher: str = _knob("", "run folder of a network whose logits are learnt too")
    distill: float = _knob(0.7, "weight of the teacher's logits in the loss, where there is a teacher", 0, 1)
    temperature: float = _knob(4.0, "softens teacher and student", 0.1, 100)
    validation: float = _knob(0.1, "share of the learning images that is held out for validation", 0, 0.9)
    seed: int = _knob(0, "of weights, order and augmentation", 0, 2**31 - 1)

    def __post_init__(self) -> None:
        faults = [fault for f in fields(self) for fault in _faults(f, getattr(self, f.name))]
        if self.patience and not self.validation:
            faults.append("patience needs a validation part (validation is 0)")
        if faults:
            raise UsageError("recipe: " + "; ".join(faults), hint="pennyweight train --help lists every setting")

    def with_settings(self, settings: Sequence[str]) -> Recipe:
        """This recipe with texts such as `epochs=10` applied. Raises UsageError for unknown or malformed ones."""
        changes: dict[str, Any] = {}
        for text in settings:
            name, equals, value = text.partition("=")
            if not equals:
                raise UsageError(f"setting {text!r} has no value", hint="write it as name=value, such as epochs=10")
            changes[name.strip()] = value.strip()
        return self.with_changes(changes)

    def with_changes(self, changes: Mapping[str, Any]) -> Recipe:
        """This recipe with some fields replaced; texts are read as their field's type."""
        known = {f.name: f for f in fields(self)}
        strangers = [unknown("recipe setting", name, known) for name in changes if name not in known]
        if strangers:
            raise UsageError("; ".join(map(str, strangers)), hint="; ".join(error.hint for error in strangers))
        return dataclasses.replace(self, **{name: _read(known[name], value) for name, value in changes.items()})

    def with_file(self, path: Path) -> Recipe:
        """This recipe with the settings of a TOML file applied. Raises UsageError that names the lines at fault."""
        try:
            text = path.read_text(encoding="utf-8")
            changes = tomllib.loads(text)
        except OSError as error:
            hint = "name a TOML file with a setting a line, such as: epochs = 10"
            raise UsageError(f"recipe {path} cannot be read: {error.strerror or error}", hint=hint) from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            hint = 'write a setting a line, words in quotes: epochs = 10, then optimizer = "adam"'
            raise UsageError(f"recipe {path} is no TOML: {error}", hint=hint) from error
        try:
            return self.with_changes(changes)
        except UsageError as error:
            faulty = [name for name in changes if not self._takes({name: changes[name]})]
            lines = " and ".join(str(_line(text, name)) for name in faulty)
            place = f", line{'s' * (len(faulty) > 1)} {lines}" if faulty else ""
            raise UsageError(f"{path}{place}: {error}", hint=error.hint) from error

    def _takes(self, changes: Mapping[str, Any]) -> bool:
        try:
            self.with_changes(changes)
        except UsageError:
            return False
        return True

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate asked for, or the optimiser's own."""
        return self.learning_rate or LEARNING_RATES[self.optimizer]

    @property
    def calmer_learning_rate(self) -> float:
        """What to try after a training that diverged: a quarter of the peak, and no more than the optimiser's own."""
        return min(self.peak_learning_rate / 4, LEARNING_RATES[self.optimizer])


def _line(text: str, name: str) -> int:
    """The number of the line of a TOML file that sets `name`, or opens the table of that name."""
    setting = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if setting.match(line)), 1)


def _kind(f: dataclasses.Field[Any]) -> type:
    return type(f.default)


def _read(f: dataclasses.Field[Any], value: Any) -> Any:
    kind = _kind(f)
    if kind is bool and str(value).lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        return str(value).lower() in ("true", "yes", "on", "1")
    if kind in (int, float) and not isinstance(value, bool):
        try:
            number = float(value)
            return int(number) if kind is int and number.is_integer() else number if kind is float else value
        except (TypeError, ValueError, OverflowError):
            return value
    return value


def _faults(f: dataclasses.Field[Any], value: Any) -> list[str]:
    kind, limits = _kind(f), f.metadata
    if type(value) is not kind and not (kind is float and type(value) is int):
        return [f"{f.name}={value!r} is not {'a whole number' if kind is int else f'a {kind.__name__}'}"]
    if limits["choices"] and value not in limits["choices"]:
        return [f"{f.name}={value} is none of {', '.join(limits['choices'])}"]
    if kind in (int, float) and not limits["low"] <= value <= limits["high"]:
        return [f"{f.name}={value} is outside {limits['low']:g} … {limits['high']:g}"]
    return []
