"""A training's checkpoint as one safetensors file: packed after an epoch, unpacked where it is resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from pennyweight.core.errors import GraphError, RunError
from pennyweight.core.run import CHECKPOINT, Run
from pennyweight.fit.curves import curve_rows
from pennyweight.fit.device import out_of_memory_told
from pennyweight.fit.loop import Row, State, begin, checkpoint, restore
from pennyweight.fit.network import module_with
from pennyweight.fit.recipe import Recipe
from pennyweight.net.graph import Graph


def packed(state: State, asked: Mapping[str, str]) -> bytes:
    """The checkpoint of a state as a safetensors file, with a checksum over all that it says.

    `asked` holds the checksums of the files that the training follows from.
    """
    tensors, facts = checkpoint(state)
    text = json.dumps(facts | {"asked": dict(asked)})
    return save_tensors(tensors, metadata={"facts": text, "sha256": _digest(tensors, text)})


def unpacked(run: Run) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, str]]:
    """Tensors, facts and `asked` of a run's checkpoint. Raises RunError where it is not the one that was written."""
    content = run.checkpoint()
    with _resuming(run):
        tensors, metadata = load_tensors(content), _metadata(content)
        if metadata["sha256"] != _digest(tensors, metadata["facts"]):
            raise ValueError("it is not what the training wrote")
        facts = json.loads(metadata["facts"])
        return tensors, facts, dict(facts["asked"])


def curves_so_far(run: Run) -> tuple[Row, ...]:
    """The epochs that a training which has not ended has behind it; none where there is no checkpoint.

    Raises RunError where the checkpoint is not the one that was written.
    """
    if not (run.folder / CHECKPOINT).is_file():
        return ()
    _, facts, _ = unpacked(run)
    try:
        return curve_rows(facts.get("curves"))
    except ValueError as error:
        raise RunError(f"{run.folder}: {CHECKPOINT} is malformed: {error}", hint="train again") from error


def restored(
    run: Run, graph: Graph, recipe: Recipe, device: torch.device, tensors: dict[str, Tensor], facts: dict[str, Any]
) -> State:
    """The state of which `tensors` and `facts` are the checkpoint. Raises RunError where they do not fit the graph."""
    with _resuming(run):
        own = {name.removeprefix("module/"): tensor for name, tensor in tensors.items() if name.startswith("module/")}
        state = begin(graph, module_with(graph, own).to(device), recipe)
        restore(state, tensors, facts)
    return state


@contextmanager
def _resuming(run: Run) -> Iterator[None]:
    """Turns what is wrong with a checkpoint into a RunError."""
    try:
        with out_of_memory_told():
            yield
    except (GraphError, SafetensorError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise RunError(f"{run.folder}: {CHECKPOINT} cannot be resumed from: {error}", hint="train again") from error


def _digest(tensors: dict[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)} ".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file: its header is JSON behind eight bytes of length."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata: dict[str, str] = header["__metadata__"]
    return metadata
