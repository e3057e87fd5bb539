"""`pennyweight train`: images and a network in, a run folder with the trained network out; interrupted, it resumes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from pennyweight.core.errors import DataError, GraphError, PennyweightError, RunError, TrainingError, UsageError
from pennyweight.core.run import ASKED, RESULTS, SETTINGS, WEIGHTS, Run, fresh_folder
from pennyweight.core.shown import Shown
from pennyweight.core.text import command
from pennyweight.core.version import VERSION
from pennyweight.data.geometry import Geometry
from pennyweight.data.images import LabelledImages, Part
from pennyweight.data.source import must_be_fetched, open_source
from pennyweight.fit.accuracy import Accuracy
from pennyweight.fit.card import write_card
from pennyweight.fit.checkpoint import packed, restored, unpacked
from pennyweight.fit.curves import Finding, curve_rows, diagnose_curves, figure
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.device import choose_device, environment, out_of_memory_told
from pennyweight.fit.graph import graph_of
from pennyweight.fit.loop import Progress, Row, State, begin, fit
from pennyweight.fit.network import TrainedNetwork, normalisation_of
from pennyweight.fit.predict import Normalisation, as_tensor, logits
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.tensorboard import EVENTS, event_files, require_tensorboard
from pennyweight.net.graph import Graph
from pennyweight.net.module import load_weights, to_module
from pennyweight.net.network import open_network
from pennyweight.net.ops import describe

FIGURES = ("parameters", "validation_correct", "validation_n", "epochs", "seconds")
"""The single figures of results.json."""


@dataclass(frozen=True, slots=True)
class Training(Shown):
    """What a training came to; `validation` is None where no images were held out."""

    run: Path
    source: str
    network: str
    class_names: tuple[str, ...]
    recipe: Recipe
    parameters: int
    validation: Accuracy | None
    epochs: int
    seconds: float
    curves: tuple[Row, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the curves alone show to be wrong, the leading finding first."""
        return diagnose_curves(self.curves, len(self.class_names), recipe=self.recipe)

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        accuracy = self.validation
        return {
            "run": str(self.run),
            "source": self.source,
            "network": self.network,
            "recipe": asdict(self.recipe),
            "parameters": self.parameters,
            "epochs": self.epochs,
            "seconds": round(self.seconds, 3),
            "validation_accuracy": accuracy.share if accuracy else None,
            "validation_interval": list(accuracy.interval) if accuracy else None,
            "validation_n": accuracy.n if accuracy else 0,
            "curves": list(self.curves),
        }


@out_of_memory_told()
def train(
    source: str | LabelledImages,
    network: str | Graph | nn.Module,
    *,
    recipe: Recipe | None = None,
    recipe_file: Path | None = None,
    settings: Sequence[str] = (),
    input_shape: tuple[int, int, int] | None = None,
    data_dir: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    tensorboard: bool = False,
    on_download: Callable[[str, int, int], None] | None = None,
    on_begin: Callable[[Path], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Training:
    """A finished training in the run folder `out`, a new one under `runs/` unless told.

    `recipe` is the default one for this network and these images unless told; the TOML file `recipe_file` changes it,
    and then do `settings`, texts such as `epochs=10`. `on_begin` is told the run folder once it can be resumed.
    `tensorboard` writes the curves as event files too, into the run folder.
    Raises TrainingError where the loss is not a number or memory runs out, DataError, UsageError, GraphError for what
    was asked; the folder then keeps its last checkpoint.
    """
    chosen = choose_device(device)
    if tensorboard:
        require_tensorboard()
    _changed(recipe or Recipe(), recipe_file, settings)  # a wrong setting is refused before the images are read
    if isinstance(source, str):
        images = open_source(source, data_dir=data_dir, input_shape=input_shape, on_download=on_download)
    else:
        images = source
    graph, initial = open_network(network, images.input_shape, images.classes)
    _check(graph, images)
    recipe = _changed(recipe or default_recipe(graph, images), recipe_file, settings)
    if recipe.teacher:
        recipe = replace(recipe, teacher=str(Path(recipe.teacher).expanduser().resolve()))
    part, _ = images.split(recipe.validation)
    normalisation = Normalisation.of(part)
    teacher, teacher_sha256 = _teacher_logits(recipe, images, part, chosen)
    module = to_module(graph, seed=recipe.seed)
    if initial is not None:
        load_weights(module, initial)
    state = begin(graph, module.to(chosen), recipe)
    run = Run.create(
        out or fresh_folder(_stem(images.name, graph.text)),
        settings={
            "pennyweight": VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": images.source,
            "input_shape": list(images.input_shape),
            "class_names": list(images.class_names),
            "class_counts": np.bincount(images.learning.labels, minlength=images.classes).tolist(),
            "notes": list(images.notes),
            "fingerprint": images.fingerprint,
            "network": graph.text,
            "recipe": asdict(recipe),
            "teacher_sha256": teacher_sha256,
            "device": chosen.type,
            "normalisation": asdict(normalisation),
            "geometry": geometry.to_json() if (geometry := Geometry.of(part)) else None,
        },
        graph=graph.to_json(),
        environment=environment(chosen),
    )
    asked = {name: run.checksum(name) for name in ASKED}
    try:
        run.save(packed(state, asked))
    except RunError:
        run.withdraw()
        raise
    if on_begin is not None:
        on_begin(run.folder)
    return _go_on(run, asked, state, images, recipe, normalisation, teacher, on_progress, tensorboard)


@out_of_memory_told()
def resume(
    folder: Path,
    images: LabelledImages | None = None,
    *,
    data_dir: Path | None = None,
    tensorboard: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Training:
    """The training in `folder`, carried on from its last checkpoint to its end; a finished one comes back as it is.

    `images` is needed only where the training was begun in Python with images of its own. `tensorboard` writes the
    curves as event files too; those that were begun are carried on in any case. Raises RunError where the folder is
    not whole or was edited, or where the images or the teacher are not those that it was begun with.
    """
    run = Run.open(folder)
    if run.finished:
        done = finished_training(run)
        if tensorboard:
            with event_files(run, done.curves):
                pass
        return done
    tensors, facts, asked = unpacked(run)
    run.check(asked)
    settings = run.read(SETTINGS)
    recipe = recipe_of(run)
    try:
        device = choose_device(str(settings.get("device")))
    except UsageError as error:
        raise RunError(f"{folder}: {error}", hint="resume on a machine of the kind on which it was begun") from error
    images = images or images_of(run, data_dir)
    if images.fingerprint != settings.get("fingerprint"):
        raise RunError(f"{folder}: the images of {images.name} are not the ones that this training was begun with")
    graph = graph_of(run)
    normalisation = normalisation_of(run, graph)
    state = restored(run, graph, recipe, device, tensors, facts)
    part, _ = images.split(recipe.validation)
    teacher, teacher_sha256 = _teacher_logits(recipe, images, part, device)
    if teacher_sha256 != settings.get("teacher_sha256"):
        raise RunError(
            f"{folder}: the teacher {recipe.teacher} is not the one that this training was begun with",
            hint="bring its run folder back, or train again",
        )
    tensorboard = tensorboard or (folder / EVENTS).is_dir()
    return _go_on(run, asked, state, images, recipe, normalisation, teacher, on_progress, tensorboard)


def images_of(run: Run, data_dir: Path | None = None, *, fetch: bool = True) -> LabelledImages:
    """The images that a run was trained on, opened anew.

    Without `fetch`, those that would have to be fetched raise DataError: a stranger's run may name any.
    """
    settings = run.read(SETTINGS)
    if not settings.get("source"):
        raise RunError(f"{run.folder} was trained on images from Python: pass them again")
    try:
        height, width, channels = map(int, settings["input_shape"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{run.folder}: {SETTINGS} has no usable input_shape") from error
    source = str(settings["source"])
    if not fetch and must_be_fetched(source, data_dir):
        hint = f"{command('evaluate', run.folder, '--part', 'train')} fetches them"
        raise DataError(f"its images, {source}, would have to be fetched", hint=hint)
    return open_source(source, data_dir=data_dir, input_shape=(height, width, channels))


def recipe_of(run: Run) -> Recipe:
    """The recipe of a run."""
    facts = run.read(SETTINGS).get("recipe")
    if not isinstance(facts, dict):
        raise RunError(f"{run.folder}: {SETTINGS} has no recipe")
    try:
        return Recipe().with_changes(facts)
    except UsageError as error:
        raise RunError(f"{run.folder}: {SETTINGS}: {error}") from error


def finished_training(run: Run) -> Training:
    """The result of a finished run, as it was."""
    settings, results = run.read(SETTINGS), run.read(RESULTS)
    try:
        figures = {name: figure(results[name]) for name in FIGURES}
        n, correct = int(figures["validation_n"]), int(figures["validation_correct"])
        return Training(
            run=run.folder,
            source=str(settings["source"]),
            network=str(settings["network"]),
            class_names=tuple(map(str, settings["class_names"])),
            recipe=recipe_of(run),
            parameters=int(figures["parameters"]),
            validation=Accuracy(correct, n) if n else None,
            epochs=int(figures["epochs"]),
            seconds=figures["seconds"],
            curves=curve_rows(results["curves"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{run.folder}: {RESULTS} is malformed: {error!r}") from error


def _check(graph: Graph, images: LabelledImages) -> None:
    """Raises GraphError where `graph` cannot learn these images."""
    made, wanted = graph.shapes[graph.output], (images.classes,)
    if graph.input_shape != images.input_shape or made != wanted:
        raise GraphError(
            f"{graph.text} leads from {describe(graph.input_shape)} to {describe(made)}, "
            f"{images.name} needs {describe(images.input_shape)} to {describe(wanted)}"
        )
    if not graph.parameters():
        raise GraphError(f"{graph.text} has no parameters: there is nothing to learn")


def _changed(recipe: Recipe, file: Path | None, settings: Sequence[str]) -> Recipe:
    return (recipe.with_file(file) if file else recipe).with_settings(settings)


def _go_on(
    run: Run,
    asked: Mapping[str, str],
    state: State,
    images: LabelledImages,
    recipe: Recipe,
    normalisation: Normalisation,
    teacher: Tensor | None,
    on_progress: Callable[[Progress], None] | None,
    tensorboard: bool,
) -> Training:
    part, validation = images.split(recipe.validation)
    events = event_files(run, state.curves) if tensorboard else nullcontext(lambda row: None)
    try:
        with events as write_events:

            def keep(state: State) -> None:
                write_events(state.curves[-1])
                run.save(packed(state, asked))

            weights = fit(
                state,
                part,
                validation,
                normalisation,
                recipe,
                teacher_logits=teacher,
                on_progress=on_progress,
                on_epoch=keep,
            )
    except TrainingError as error:
        run.note_failure({"epoch": state.epoch + 1, "what": str(error), "hint": error.hint})
        raise
    state.module.load_state_dict(weights)
    correct = 0
    if len(validation):
        device = next(state.module.parameters()).device
        answers = logits(state.module, validation.images, normalisation, device).argmax(1)
        correct = int((answers == as_tensor(validation.labels)).sum())
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.module.state_dict().items()}
    run.finish(
        save_tensors(tensors),
        {
            "parameters": sum(parameter.numel() for parameter in state.module.parameters()),
            "validation_correct": correct,
            "validation_n": len(validation),
            "epochs": state.epoch,
            "seconds": sum(row["seconds"] or 0 for row in state.curves),
            "curves": state.curves,
        },
        asked,
    )
    with suppress(RunError):  # the results are whole; the next evaluation writes it again
        write_card(run)
    return finished_training(run)


def _teacher_logits(
    recipe: Recipe, images: LabelledImages, part: Part, device: torch.device
) -> tuple[Tensor | None, str | None]:
    """The teacher's logits of the training images, taken once, and the checksum of its weights; None without one.

    It must know the same classes and image shape.
    """
    if not recipe.teacher:
        return None, None
    try:
        run = Run.open(Path(recipe.teacher))
        teacher, sha256 = TrainedNetwork.of(run, device), run.checksum(WEIGHTS)
    except PennyweightError as error:
        raise RunError(f"teacher {recipe.teacher}: {error}", hint=error.hint) from error
    if teacher.class_names != images.class_names or teacher.graph.input_shape != images.input_shape:
        raise RunError(f"teacher {recipe.teacher} was trained for other classes or another image shape")
    return teacher.logits(part.images), sha256


def _stem(data: str, network: str) -> str:
    """How the folder of a run is called, before its number."""
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{data}-{network.split(':')[0]}").strip("-").lower()
