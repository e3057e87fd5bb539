"""The model card of a run: what a stranger must know of a trained network, in Markdown.

Its sections are those of Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993), as far as a run
folder knows what belongs there; what only people know, it asks them for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pennyweight.core.errors import RunError, UsageError
from pennyweight.core.files import write_bytes
from pennyweight.core.run import ENVIRONMENT, RESULTS, SETTINGS, Run
from pennyweight.core.text import command, visible
from pennyweight.core.units import counted, format_milliseconds, format_minutes
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.deployed import Deployed, OnBoard, deployed
from pennyweight.fit.graph import class_names_of, graph_of
from pennyweight.fit.kept import OWN_PARTS, KeptEvaluation, kept_evaluations
from pennyweight.fit.recipe import Recipe
from pennyweight.net.cost import Cost, cost
from pennyweight.net.graph import Graph
from pennyweight.net.ops import describe

CARD = "model-card.md"

CLASSES_SHOWN = 50

WIDE_INTERVAL = 0.05
"""A 95 % interval from which on the card calls the images few."""

POORLY_CALIBRATED = 0.05
"""A calibration error from which on the card warns of the network's confidence."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that a card is written from."""

    run: Run
    settings: Mapping[str, Any]
    results: Mapping[str, Any]
    evaluations: Mapping[str, KeptEvaluation]
    int8: Deployed | None
    left_out: Sequence[str]
    graph: Graph
    classes: tuple[str, ...]
    recipe: Recipe
    opened: int

    @property
    def source(self) -> str:
        return str(self.settings["source"] or "images from Python")

    def accuracies(self) -> Iterator[tuple[str, Accuracy]]:
        """What was looked at, and how it went: first the run's own parts, validation as in the training."""
        correct, n = self.results["validation_correct"], self.results["validation_n"]
        found = {name: each.accuracy for name, each in self.evaluations.items()}
        found |= {"validation": Accuracy(correct, n)} if n else {}
        yield from ((part, found.pop(part)) for part in OWN_PARTS if part in found)
        for name, accuracy in found.items():
            kept = self.evaluations[name]
            yield f"{kept.source}{'' if kept.part == 'all' else f', {kept.part}'}", accuracy


def write_card(run: Run) -> Path:
    """The path of the model card of a finished run, written anew from what its folder holds now.

    It says which evaluations are malformed and were left out.
    Raises RunError where the folder is not whole or cannot be written.
    """
    path = run.folder / CARD
    try:
        write_bytes(path, ("\n".join(_lines(_read(run))) + "\n").encode())
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, UsageError) as error:
        raise RunError(f"{run.folder}: no {CARD} can be written of malformed files: {error!r}") from error
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _read(run: Run) -> _Facts:
    settings, graph = run.read(SETTINGS), graph_of(run)
    left_out: dict[str, str] = {}
    return _Facts(
        run=run,
        settings=settings,
        results=run.read(RESULTS),
        evaluations=kept_evaluations(run, left_out),
        int8=deployed(run, left_out),
        left_out=tuple(left_out.values()),
        graph=graph,
        classes=class_names_of(run, graph),
        recipe=Recipe().with_changes(settings["recipe"]),
        opened=len(run.openings()),
    )


def _lines(facts: _Facts) -> Iterator[str]:
    settings, shape = facts.settings, describe(facts.graph.input_shape)
    yield f"# Model card: {escaped(settings['network'])}, trained on {escaped(facts.source)}"
    yield ""
    yield (
        f"An image classifier. For a picture of {shape} (height x width x channels) it answers one of "
        f"{len(facts.classes):,} classes: {_listed(facts.classes)}."
    )
    yield from _section("Model details")
    yield from _table(
        ("", ""),
        [
            ("network", escaped(settings["network"])),
            ("made by", f"pennyweight {escaped(settings['pennyweight'])}"),
            ("begun", escaped(settings["created"])),
            ("run folder", escaped(facts.run.folder)),
        ],
    )
    yield from _section("How to use it")
    yield from _uses(facts, shape)
    yield from _section("Training data")
    yield f"Source: {escaped(facts.source)}. Fingerprint (SHA-256 of all pictures, labels and class names):"
    yield from _fenced(settings["fingerprint"])
    yield ""
    yield f"{100 * facts.recipe.validation:g} % of the learning part was held out for validation."
    yield from _section("Training")
    yield from _training(facts)
    yield from _section("Cost")
    yield from _costs(facts.graph)
    yield from _section("Accuracy")
    yield from _accuracy(facts)
    if facts.int8 is not None:
        yield from _section("On a board")
        yield from _on_boards(facts.int8)
    yield from _section("Limits")
    yield from (f"- {limit}" for limit in _limits(facts))
    yield from _section("For its users to add")
    yield "- The licence of the images, and whether it allows what the network is meant for."
    yield "- Who or what the pictures show, and whether those concerned agreed."
    yield "- What the network may decide, and who answers for it."


def _uses(facts: _Facts, shape: str) -> Iterator[str]:
    folder = str(facts.run.folder)
    if facts.settings["source"]:
        lines = [command("evaluate", folder), command("evaluate", folder, "photos/")]
        yield "The first command opens the sealed test part and counts that;"
        yield "the second takes photos of your own, in one folder a class."
        yield from _fenced("\n".join(lines), "sh")
        yield ""
    yield f"In Python, for uint8 `images` of (count, {shape.replace('x', ', ')}):"
    code = [
        "from pathlib import Path",
        "import torch",
        "from pennyweight import Run",
        "from pennyweight.fit.network import TrainedNetwork",
        "",
        f"network = TrainedNetwork.of(Run.open(Path({folder!r})), torch.device('cpu'))",
        "classes = [network.class_names[answer] for answer in network.logits(images).argmax(1)]",
    ]
    yield from _fenced("\n".join(code), "python")


def _training(facts: _Facts) -> Iterator[str]:
    recipe, results, usual = facts.recipe, facts.results, Recipe()
    yield (
        f"{counted(results['epochs'], 'epoch')} in {format_minutes(results['seconds'] / 60)}: "
        f"batches of {recipe.batch:,}, {recipe.optimizer} with a {recipe.schedule} schedule and "
        f"a peak learning rate of {recipe.peak_learning_rate:g}, weight decay {recipe.weight_decay:g}, "
        f"seed {recipe.seed}."
    )
    told = {"epochs", "batch", "optimizer", "schedule", "learning_rate", "weight_decay", "seed", "validation"}
    values = {setting.name: getattr(recipe, setting.name) for setting in fields(Recipe)}
    other = [name for name in values if name not in told and values[name] != getattr(usual, name)]
    if other:
        yield "Beside that: " + ", ".join(f"`{name}` {escaped(values[name])}" for name in other) + "."
    yield ""
    environment = facts.run.read(ENVIRONMENT)
    yield (
        "On "
        + ", ".join(f"{escaped(name.replace('_', ' '))} {escaped(value)}" for name, value in environment.items())
        + "."
    )
    yield ""
    yield from _table(("setting", "value"), [(f"`{name}`", escaped(value)) for name, value in values.items()])


def _costs(graph: Graph) -> Iterator[str]:
    float32, int8 = cost(graph, bits=32), cost(graph, bits=8)
    yield f"{float32.parameters:,} parameters, {float32.macs:,} multiply-accumulates a picture."
    yield ""
    rows = [
        (title, *(f"{getattr(each, name):,} bytes{_estimated(each, name)}" for each in (float32, int8)))
        for title, name in (
            ("weights", "weight_bytes"),
            ("flash", "flash_bytes"),
            ("activations at their peak", "peak_ram_bytes"),
            ("RAM", "ram_bytes"),
        )
    ]
    yield from _table(("", "float32", "int8"), rows)


def _estimated(cost: Cost, name: str) -> str:
    return " (estimated)" if cost.kinds[name] == "estimated" else ""


def _accuracy(facts: _Facts) -> Iterator[str]:
    rows = []
    for name, accuracy in facts.accuracies():
        low, high = accuracy.interval
        interval = f"{100 * low:.2f} … {100 * high:.2f} %"
        rows.append((escaped(name), f"{100 * accuracy.share:.2f} %", interval, f"{accuracy.n:,}"))
    if rows:
        yield from _table(("images", "accuracy", "95 % interval (Wilson)", "n"), rows)
        yield ""
    times = "once" if facts.opened == 1 else f"{facts.opened:,} times"
    yield f"The sealed test part was opened {times}." if facts.opened else "The sealed test part was never opened."
    for part in ("test", "validation"):
        kept = facts.evaluations.get(part)
        if kept and kept.per_class:
            yield ""
            yield f"By class, on the {part} part:"
            yield ""
            yield from _table(
                ("class", "precision", "recall", "F1", "n"),
                [
                    (escaped(each.name), *map(_percent, (each.precision, each.recall, each.f1)), f"{each.n:,}")
                    for each in kept.per_class[:CLASSES_SHOWN]
                ],
            )
            break


def _on_boards(int8: Deployed) -> Iterator[str]:
    tuned = f", after {counted(int8.fine_tuned_epochs, 'epoch')} of fine-tuning" if int8.fine_tuned_epochs else ""
    yield f"Quantised to int8{tuned}: {int8.weight_bytes:,} bytes of weights."
    yield ""
    heads = ("images", "float32", "int8", "95 % interval (Wilson)", "only float32, only int8 right", "n")
    rows = []
    for name, each in int8.accuracies.items():
        low, high = each.int8.interval
        rows.append(
            (
                escaped(name if name in OWN_PARTS else each.source),
                f"{100 * each.float32.share:.2f} %",
                f"{100 * each.int8.share:.2f} %",
                f"{100 * low:.2f} … {100 * high:.2f} %",
                f"{each.only_float_right:,}, {each.only_int8_right:,}",
                f"{each.int8.n:,}",
            )
        )
    yield from _table(heads, rows)
    if int8.boards:
        yield ""
        yield "Its firmware on virtual boards, measured; latency is estimated:"
        yield ""
        heads = ("board", "answers", "flash", "RAM with stack", "instructions an image", "latency")
        yield from _table(heads, map(_board_row, int8.boards))


def _board_row(on: OnBoard) -> tuple[str, ...]:
    latency = "–"
    if on.latency_ms is not None and on.latency_error is not None:
        latency = f"{format_milliseconds(on.latency_ms)} ± {100 * on.latency_error:.0f} %"
    return (
        escaped(on.board),
        f"{'equal to' if on.agrees else 'DIFFER from'} the reference ({counted(on.images, 'image')})",
        f"{on.flash_bytes:,} bytes ({100 * on.flash_bytes / on.flash_available_bytes:.0f} %)",
        f"{on.ram_bytes:,} bytes ({100 * on.ram_bytes / on.ram_available_bytes:.0f} %)",
        f"{on.instructions:,}",
        latency,
    )


def _limits(facts: _Facts) -> Iterator[str]:
    """What the figures do not show, in sentences that follow from them."""
    for name, accuracy in facts.accuracies():
        low, high = accuracy.interval
        if high - low > WIDE_INTERVAL:
            yield (
                f"The accuracy on {escaped(name)} rests on {accuracy.n:,} images: "
                f"its interval is {100 * (high - low):.1f} points wide."
            )
    yield from _limits_of_test(facts)
    for part in ("test", "validation"):
        if kept := facts.evaluations.get(part):
            yield from _limits_of(part, kept)
    for name, kept in facts.evaluations.items():
        if name not in OWN_PARTS and kept.not_blank is not None:
            yield (
                f"Nothing was found in {kept.accuracy.n - kept.not_blank.n:,} of the {kept.accuracy.n:,} photos of "
                f"{escaped(kept.source)}; without them the accuracy is {kept.not_blank}."
            )
    if not any(name not in OWN_PARTS for name in facts.evaluations):
        yield "Pictures from elsewhere were not tried: how well it does on other cameras or places is not known."
    if not any(evaluation.timing for evaluation in facts.evaluations.values()):
        yield "The time that a picture takes was not measured."
    yield from (f"Left out of this card: {escaped(what)}." for what in facts.left_out)
    if facts.int8 is None:
        yield "Every accuracy is that of float32 weights; int8 was not measured, its bytes are estimates."
    elif not facts.int8.boards:
        yield "Its firmware ran on no board: the bytes of flash and RAM are estimates."
    else:
        yield "The boards were virtual: instructions were counted, and no real time was measured."
    yield f"It knows {len(facts.classes):,} classes and answers one of them whatever a picture shows."


def _limits_of_test(facts: _Facts) -> Iterator[str]:
    if not facts.opened:
        yield (
            "The test part is still sealed. The validation accuracy is optimistic if it has led to a choice."
            if facts.results["validation_n"]
            else "The test part is still sealed, and there is no validation part: nothing says how good the network is."
        )
    elif "test" not in facts.evaluations and (facts.int8 is None or "test" not in facts.int8.accuracies):
        yield "The test part was opened, but what came out is not kept in the run folder."
    if facts.opened > 1:
        yield "The test part was opened more than once: if that led to a choice, the test accuracy is optimistic."


def _limits_of(part: str, kept: KeptEvaluation) -> Iterator[str]:
    known = [(each.recall, each) for each in kept.per_class if each.recall is not None]
    recall, weakest = min(known, key=lambda pair: pair[0], default=(1.0, None))
    if weakest is not None and recall < kept.accuracy.share:
        yield (
            f"On the {part} part it does worst on {escaped(weakest.name)}: "
            f"{_percent(recall)} of {weakest.n:,} images are right."
        )
    if absent := [each.name for each in kept.per_class if not each.n]:
        yield f"The {part} part has no image of {_listed(absent)}."
    error = kept.calibration_error
    if error is not None and error > POORLY_CALIBRATED:
        yield f"On the {part} part its confidence and the share of right answers are {100 * error:.1f} points apart."


def _section(title: str) -> tuple[str, ...]:
    return "", f"## {title}", ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _fenced(text: str, language: str = "") -> tuple[str, ...]:
    """A block of code, whose fence is longer than any that the text contains."""
    lines = [visible(line) for line in text.split("\n")]
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)
    return "", f"{fence}{language}", *lines, fence


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - CLASSES_SHOWN:,} more" if len(names) > CLASSES_SHOWN else ""
    return ", ".join(map(escaped, names[:CLASSES_SHOWN])) + more


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


def escaped(text: object) -> str:
    """Text that Markdown and HTML leave as it is, but for spaces around it: no markup, no tags, no links.

    >>> print(escaped("<b> a_b [c]"))
    &lt;b&gt; a\\_b \\[c\\]
    """
    plain = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = re.sub(r"([\\`*_{}\[\]()#!|~$@])", r"\\\1", plain)
    return plain.replace("://", ":\\//").replace("www.", "www\\.") or "–"
