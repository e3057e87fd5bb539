"""What a shell offers when somebody presses Tab: it follows from what the help page calls an argument.

Whatever is loaded here is loaded at every press, so neither torch nor numpy is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, fields
from pathlib import Path

BASH_BREAKS = ("=", ":")
"""Where bash begins a new word (COMP_WORDBREAKS)."""

SOURCES = ("digits", "mnist", "fashion-mnist", "cifar10", "svhn", "cats-vs-dogs")
DEVICES = ("auto", "cpu", "cuda", "mps")
PARTS = ("test", "validation", "train", "all")
SAMPLERS = ("front", "random", "grid", "tpe", "nsga2")
ENGINES = ("auto", "here", "processes", "ray")
FORMS = ("c", "tflite", "onnx")
CALIBRATIONS = ("min-max", "percentile", "mse")
ROUNDINGS = ("nearest", "adaptive")
SPACES = ("default", "mnist-grid")


@dataclass(frozen=True, slots=True)
class Offer:
    """A word that may stand here, and what it means."""

    value: str
    help: str = ""
    type: str = "plain"


def offers(metavar: str, incomplete: str) -> list[Offer]:
    """What may stand where the page says `metavar`, and begins with `incomplete`; nothing where nobody can know.

    In bash the offers lack what stands before their last `=` or `:`, for there these begin a word.
    """
    offer = OFFERED.get(metavar.strip("[].…"))
    fitting = [each for each in offer(incomplete) if each.value.startswith(incomplete)] if offer else []
    if os.environ.get("_PENNYWEIGHT_COMPLETE") != "complete_bash":
        return fitting
    known = max(map(incomplete.rfind, BASH_BREAKS)) + 1
    return [Offer(each.value[known:], each.help) for each in fitting]


def join_bash_words(environment: MutableMapping[str, str]) -> None:
    """Make one word again of those that bash has split at `=` and `:`."""
    words, place = environment["COMP_WORDS"].split("\n"), int(environment["COMP_CWORD"])
    joined: list[str] = []
    for number, word in enumerate(words):
        if joined and (word in BASH_BREAKS or joined[-1].endswith(BASH_BREAKS)):
            joined[-1] += word
        else:
            joined.append(word)
        if number == place:
            environment["COMP_CWORD"] = str(len(joined) - 1)
    environment["COMP_WORDS"] = "\n".join(joined)


def _boards(_: str) -> Iterable[Offer]:
    from pennyweight.core.board import boards

    return (Offer(board.key, board.name) for board in boards().values())


def _networks(incomplete: str) -> Iterable[Offer]:
    """The families; behind a family's name its dials, and behind a dial that is a choice its values."""
    from pennyweight.net.zoo import families

    name, colon, dials = incomplete.partition(":")
    if not colon or name not in families():
        return (Offer(family.name, family.summary) for family in families().values())
    *turned, last = dials.split(",")
    before = f"{name}:" + "".join(f"{dial}," for dial in turned)
    known = {dial.name: dial for dial in families()[name].dials}
    dial, equals, _ = last.partition("=")
    if equals:
        return (Offer(f"{before}{dial}={value}") for value in (known[dial].choices if dial in known else ()))
    return (Offer(f"{before}{dial.name}=", dial.help) for dial in known.values())


def _settings(incomplete: str) -> Iterable[Offer]:
    """The settings of a recipe; behind one that is a choice its values."""
    from pennyweight.fit.recipe import Recipe

    known = {setting.name: setting for setting in fields(Recipe)}
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return (Offer(f"{setting.name}=", setting.metadata["help"]) for setting in known.values())
    if name not in known:
        return ()
    values = ("yes", "no") if known[name].type == "bool" else known[name].metadata["choices"]
    return (Offer(f"{name}={value}") for value in values)


def _sources(incomplete: str) -> Iterable[Offer]:
    return (*map(Offer, SOURCES), *_paths(incomplete, lambda path: path.is_dir() or path.suffix == ".npz"))


def _runs(incomplete: str) -> Iterable[Offer]:
    """The run folders under `runs/`, and whatever leads to others."""
    from pennyweight.core.run import SETTINGS

    near = Path("runs").glob("*") if Path("runs").is_dir() else ()
    runs = [folder for each in near for folder in (each, *each.glob("*")) if (folder / SETTINGS).is_file()]
    found = [Offer(str(folder)) for folder in sorted(runs)]
    return found if any(each.value.startswith(incomplete) for each in found) else _paths(incomplete, Path.is_dir)


def _runs_and_files(incomplete: str) -> Iterable[Offer]:
    """Run folders and .tflite files, and whatever leads to others."""
    runs = list(_runs(incomplete))
    known = {each.value for each in runs}
    files = _paths(incomplete, lambda path: path.is_dir() or path.suffix.lower() == ".tflite")
    return [*runs, *(each for each in files if each.value not in known)]


def _paths(incomplete: str, wanted: Callable[[Path], bool]) -> Iterable[Offer]:
    """The paths that begin so; a folder ends with a slash."""
    folder, _, start = incomplete.rpartition("/")
    place = Path(f"{folder}/" if "/" in incomplete else ".").expanduser()
    try:
        found = sorted(path for path in place.iterdir() if path.name.startswith(start) and wanted(path))
    except OSError:
        return ()
    before = f"{folder}/" if "/" in incomplete else ""
    shown = (path for path in found if start.startswith(".") or not path.name.startswith("."))
    return (Offer(f"{before}{path.name}{'/' * path.is_dir()}") for path in shown)


def _is_space_or_folder(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".toml"


OFFERED: dict[str, Callable[[str], Iterable[Offer]]] = {
    "BOARD": _boards,
    "CALIBRATION": lambda _: map(Offer, CALIBRATIONS),
    "DEVICE": lambda _: map(Offer, DEVICES),
    "ENGINE": lambda _: map(Offer, ENGINES),
    "FORM": lambda _: map(Offer, FORMS),
    "NETWORK": _networks,
    "NAME=VALUE": _settings,
    "PART": lambda _: map(Offer, PARTS),
    "ROUNDING": lambda _: map(Offer, ROUNDINGS),
    "RUN": _runs,
    "RUN|FILE.tflite": _runs_and_files,
    "SAMPLER": lambda _: map(Offer, SAMPLERS),
    "SPACE": lambda incomplete: [*map(Offer, SPACES), *_paths(incomplete, _is_space_or_folder)],
    "SOURCE": _sources,
}
