"""A checkpoint holds the whole state, and one that was changed is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pennyweight.core.errors import RunError
from pennyweight.core.run import CHECKPOINT, Run
from pennyweight.fit.checkpoint import packed, restored, unpacked
from pennyweight.fit.loop import begin
from pennyweight.fit.recipe import Recipe
from pennyweight.net.graph import Graph
from pennyweight.net.module import to_module

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2)
ASKED = {"settings.json": "ab", "graph.json": "cd"}


@pytest.fixture
def run(tmp_path: Path, mlp: Graph) -> Run:
    (tmp_path / CHECKPOINT).write_bytes(packed(begin(mlp, to_module(mlp, seed=3), RECIPE), ASKED))
    return Run(tmp_path)


def test_what_was_packed_is_restored(run: Run, mlp: Graph) -> None:
    tensors, facts, asked = unpacked(run)
    assert asked == ASKED
    state = restored(run, mlp, RECIPE, CPU, tensors, facts)
    assert state.epoch == 0
    assert state.curves == []
    for name, tensor in to_module(mlp, seed=3).state_dict().items():
        assert torch.equal(state.module.state_dict()[name], tensor)
    run.save(packed(state, ASKED))
    again, facts_again, _ = unpacked(run)
    assert facts_again == facts
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())


def test_any_byte_that_was_changed_is_noticed(run: Run) -> None:
    content = run.checkpoint()
    for place in range(0, len(content), len(content) // 40):
        (run.folder / CHECKPOINT).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(RunError, match="cannot be resumed from"):
            unpacked(run)


def test_the_checkpoint_of_another_graph_is_refused(run: Run, conv_net: Graph) -> None:
    tensors, facts, _ = unpacked(run)
    with pytest.raises(RunError, match="not the float32 tensors of this graph"):
        restored(run, conv_net, RECIPE, CPU, tensors, facts)


def test_tensors_that_are_missing_are_refused(run: Run, mlp: Graph) -> None:
    tensors, facts, _ = unpacked(run)
    for name in sorted(tensors)[:2] + sorted(tensors)[-2:]:
        with pytest.raises(RunError, match="cannot be resumed from"):
            restored(run, mlp, replace(RECIPE), CPU, {n: t for n, t in tensors.items() if n != name}, facts)
