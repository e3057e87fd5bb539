"""The training loop, from the first step to the last, in the order in which things happen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from pennyweight.core.errors import TrainingError
from pennyweight.data import augment
from pennyweight.data.images import Part
from pennyweight.fit.device import keep_freed_memory, product_type
from pennyweight.fit.optimizers import make_optimizers
from pennyweight.fit.predict import Normalisation, as_tensor, logits
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.schedule import learning_rate_share
from pennyweight.net.graph import Graph

CHUNK = 16
"""Batches whose whole-pixel augmentation is done at once: enough to make it cheap, few enough to need little memory."""

EMA_EVERY = 4
"""Steps between two updates of the average of the weights."""

Tensors = dict[str, Tensor]
Row = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands, for whoever watches it."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    validation_accuracy: float | None
    images_per_s: float
    seconds_left: float


@dataclass(slots=True)
class State:
    """All that the next epoch needs; `fit` changes it in place and hands it out after every epoch."""

    graph: Graph
    module: nn.Module
    optimizers: list[torch.optim.Optimizer]
    epoch: int = 0
    curves: list[Row] = field(default_factory=list)
    average: Tensors | None = None
    best: Tensors | None = None
    best_loss: float = math.inf
    best_epoch: int = 0


def begin(graph: Graph, module: nn.Module, recipe: Recipe) -> State:
    """The state before the first epoch of `graph`'s module."""
    state = State(graph, module, make_optimizers(graph, module, recipe))
    if recipe.ema:
        state.average = _copy(module)
    return state


def fit(
    state: State,
    train: Part,
    validation: Part,
    normalisation: Normalisation,
    recipe: Recipe,
    *,
    teacher_logits: Tensor | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[State], None] | None = None,
) -> Tensors:
    """The weights in the end, by their names in the module: the last, their average (`ema`), or the best (`patience`).

    Every random draw follows from the recipe's seed and the epoch, so an epoch that is begun again, from the state
    that `on_epoch` was shown, ends in the same numbers. `teacher_logits` `(images, classes)` belong to `train`.
    Whatever the recipe makes of the loss, `train_loss` in the curves is the cross-entropy of the labels that
    `train_accuracy` counts, as the validation loss is: without teacher, smoothing and class weights, and of a mixture
    the label of its larger part.
    Raises TrainingError when the loss is not a number.
    """
    module, device = state.module, next(state.module.parameters()).device
    keep_freed_memory()
    images, labels = as_tensor(train.images), as_tensor(train.labels).to(device)
    teacher = None if teacher_logits is None else teacher_logits.to(device)
    classes = state.graph.classes
    weight = _class_weights(labels, classes) if recipe.class_weights == "balanced" else None
    mean, scale = normalisation.tensors(device)
    batch = min(recipe.batch, len(labels))
    products = product_type(device, state.graph, batch)
    steps = len(labels) // batch
    plain = not (recipe.mixup or recipe.label_smoothing or weight is not None or teacher is not None)

    while state.epoch < recipe.epochs and not _out_of_patience(state, recipe):
        epoch, began, told = state.epoch, time.perf_counter(), 0.0
        generator = Generator().manual_seed(_epoch_seed(recipe.seed, epoch))
        losses = torch.zeros(steps, device=device)
        entropies = losses if plain else torch.zeros_like(losses)
        correct = torch.zeros((), device=device)
        module.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(_epoch_seed(recipe.seed, epoch))
            for step, (index, pixels) in enumerate(_batches(images, batch, steps, recipe, epoch, generator)):
                share = learning_rate_share(recipe.schedule, (epoch + step / steps) / recipe.epochs, recipe.warmup)
                for optimizer in state.optimizers:
                    for group in optimizer.param_groups:
                        group["lr"] = group["initial_lr"] * share

                x = pixels.to(device).permute(0, 3, 1, 2).float()
                if recipe.color:
                    x = augment.recolored(x, recipe.color, generator)
                x = x.sub_(mean).mul_(scale)
                if recipe.rotate or recipe.crop < 1:
                    x = augment.warped(x, recipe.rotate, recipe.crop, generator)
                if recipe.cutout:
                    x = augment.cut_out(x, recipe.cutout, generator)
                index = index.to(device)
                y = target = labels[index]
                guide = None if teacher is None else teacher[index]
                if recipe.mixup:
                    mix = augment.mixing(len(x), recipe.mixup, generator)
                    x, target = mix(x), mix(F.one_hot(y, classes).float())
                    y = target.argmax(1)
                    guide = None if guide is None else mix(guide)

                with torch.autocast(device.type, products, enabled=products != torch.float32):
                    out = module(x)
                out = out.float()
                loss = F.cross_entropy(out, target, weight, label_smoothing=recipe.label_smoothing)
                if guide is not None:
                    loss = torch.lerp(loss, _distillation(out, guide, recipe.temperature), recipe.distill)
                loss.backward()  # type: ignore[no-untyped-call]
                for optimizer in state.optimizers:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)

                losses[step] = loss.detach()
                if not plain:
                    entropies[step] = F.cross_entropy(out.detach(), y)
                correct += (out.argmax(1) == y).sum()
                taken = epoch * steps + step + 1
                if state.average is not None and (taken % EMA_EVERY == 0 or step + 1 == steps):
                    _update(state.average, module, recipe.ema, taken)
                now = time.perf_counter() - began
                if on_progress is not None and (now - told > 0.2 or step + 1 == steps):
                    told = now
                    pace = (step + 1) / now
                    left = (recipe.epochs * steps - taken) / pace
                    last = state.curves[-1]["validation_accuracy"] if state.curves else None
                    current = _finite(float(losses[step]), epoch, step, recipe)
                    on_progress(Progress(epoch, recipe.epochs, step + 1, steps, current, last, pace * batch, left))

        train_seconds = time.perf_counter() - began
        for each in (losses, entropies):
            for step, value in enumerate(each.tolist()):
                _finite(value, epoch, step, recipe)
        if not all(bool(tensor.isfinite().all()) for tensor in module.state_dict().values()):
            raise _diverged("a weight is not finite", epoch, steps - 1, recipe)
        kept = state.average
        row: Row = {
            "epoch": epoch + 1,
            "train_loss": math.fsum(entropies.tolist()) / steps,
            "train_accuracy": float(correct) / (steps * batch),
            "validation_loss": None,
            "validation_accuracy": None,
            "learning_rate": recipe.peak_learning_rate * share,
            "images_per_s": steps * batch / train_seconds,
        }
        if len(validation):
            out = logits(module, validation.images, normalisation, device, state=kept)
            y = as_tensor(validation.labels)
            row["validation_loss"] = _finite(float(F.cross_entropy(out, y)), epoch, steps - 1, recipe)
            row["validation_accuracy"] = float((out.argmax(1) == y).float().mean())
        row["seconds"] = time.perf_counter() - began
        state.curves.append(row)
        state.epoch += 1
        if recipe.patience:
            loss_now = row["validation_loss"]
            if loss_now is not None and loss_now < state.best_loss:
                state.best_loss, state.best_epoch = loss_now, state.epoch
                state.best = {name: tensor.clone() for name, tensor in (kept or module.state_dict()).items()}
        if on_epoch is not None:
            on_epoch(state)

    return dict(state.best or state.average or module.state_dict())


def _batches(
    images: Tensor, batch: int, steps: int, recipe: Recipe, epoch: int, generator: Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Indices `(batch,)` and uint8 pictures `(batch, height, width, channels)` of an epoch, flipped and shifted.

    Which images are mirrored alternates: each is seen both ways in any two epochs, half of them one way in each
    (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024).
    """
    order = torch.randperm(len(images), generator=generator)[: steps * batch]
    mirrored = torch.rand(len(images), generator=Generator().manual_seed(recipe.seed)) < 0.5
    if epoch % 2:
        mirrored = ~mirrored
    for chunk in torch.split(order, CHUNK * batch):
        pixels = images[chunk]
        if recipe.flip:
            pixels = augment.flipped(pixels, mirrored[chunk])
        if recipe.shift:
            pixels = augment.shifted(pixels, recipe.shift, generator)
        yield from zip(torch.split(chunk, batch), torch.split(pixels, batch), strict=True)


def _distillation(out: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Divergence from the softened teacher, times temperature² (Hinton et al. 2015, arXiv:1503.02531)."""
    log_student = F.log_softmax(out / temperature, 1)
    log_teacher = F.log_softmax(teacher / temperature, 1)
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * temperature**2


def _class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights inverse to each class's count, of mean 1 over the images; a class without images has 0."""
    counts = torch.bincount(labels, minlength=classes).float()
    return torch.where(counts > 0, len(labels) / ((counts > 0).sum() * counts.clamp_min(1)), 0.0)


def _update(average: Tensors, module: nn.Module, decay: float, taken: int) -> None:
    """Move the average towards the weights; at the start it follows them faster, so that it forgets the first ones."""
    decay = min(decay, taken / (taken + 10)) ** EMA_EVERY
    current = module.state_dict()
    torch._foreach_lerp_([average[name] for name in average], [current[name] for name in average], 1 - decay)


def _copy(module: nn.Module) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _epoch_seed(seed: int, epoch: int) -> int:
    return (seed * 1_000_003 + epoch) % 2**63


def _out_of_patience(state: State, recipe: Recipe) -> bool:
    return recipe.patience > 0 and state.epoch - state.best_epoch >= recipe.patience


def _finite(loss: float, epoch: int, step: int, recipe: Recipe) -> float:
    if not math.isfinite(loss):
        raise _diverged(f"the loss is {loss}", epoch, step, recipe)
    return loss


def _diverged(what: str, epoch: int, step: int, recipe: Recipe) -> TrainingError:
    return TrainingError(
        f"{what} in epoch {epoch + 1}, step {step + 1} ({recipe.optimizer}, "
        f"learning rate {recipe.peak_learning_rate:g})",
        hint=f"try a lower one: --set learning_rate={recipe.calmer_learning_rate:.3g}",
    )


def checkpoint(state: State) -> tuple[Tensors, dict[str, Any]]:
    """The state as tensors and JSON facts, which `restore` takes back."""
    tensors = {f"module/{name}": tensor for name, tensor in state.module.state_dict().items()}
    for title, group in (("average", state.average), ("best", state.best)):
        tensors |= {f"{title}/{name}": tensor for name, tensor in (group or {}).items()}
    for number, optimizer in enumerate(state.optimizers):
        for parameter, values in optimizer.state_dict()["state"].items():
            for name, value in values.items():
                if value is not None:
                    tensors[f"optimizer{number}/{parameter}/{name}"] = torch.as_tensor(value)
    facts = {"epoch": state.epoch, "curves": state.curves, "best_epoch": state.best_epoch}
    if state.best is not None:
        facts["best_loss"] = state.best_loss
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, facts


def restore(state: State, tensors: Tensors, facts: dict[str, Any]) -> None:
    """Bring a fresh `state` to where `checkpoint` was taken.

    Raises LookupError, TypeError, ValueError, ArithmeticError or RuntimeError where they are not such a checkpoint.
    """
    groups: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        title, _, rest = name.partition("/")
        groups.setdefault(title, {})[rest] = tensor
    state.module.load_state_dict(groups["module"])
    for title in ("average", "best"):
        if title in groups:
            held = state.module.state_dict()
            setattr(state, title, {name: _as(like, groups[title][name]) for name, like in held.items()})
    for number, optimizer in enumerate(state.optimizers):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        values: dict[int, dict[str, Tensor]] = {}
        for key, tensor in groups.get(f"optimizer{number}", {}).items():
            parameter, name = key.split("/", 1)
            like = parameters[int(parameter)]
            values.setdefault(int(parameter), {})[name] = _as(like, tensor) if tensor.shape == like.shape else tensor
        optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})
    state.epoch = int(facts["epoch"])
    state.curves = list(facts["curves"])
    state.best_epoch = int(facts["best_epoch"])
    state.best_loss = float(facts.get("best_loss", math.inf))


def _as(like: Tensor, tensor: Tensor) -> Tensor:
    """A copy in the device and memory format of `like`: sums over another order would end in other last bits."""
    return torch.empty_like(like).copy_(tensor)
