"""How pixels reach a module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.predict import Normalisation, logits
from pennyweight.net.graph import Graph
from pennyweight.net.module import to_module

CPU = torch.device("cpu")


@given(st.integers(1, 6), st.integers(1, 5), st.sampled_from([1, 3]), st.integers(0, 2**31))
def test_normalised_pixels_have_mean_zero_and_deviation_one(count: int, side: int, channels: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    normalisation = Normalisation.of(Part(images, np.zeros(count, np.int64)))
    flat = images.reshape(-1, channels).astype(np.float64)
    assert normalisation.mean == pytest.approx(flat.mean(0), abs=1e-6)
    deviation = np.where(flat.std(0) < 1e-6, 1, flat.std(0))
    assert normalisation.std == pytest.approx(deviation, abs=1e-3)


def test_a_channel_of_one_value_is_not_divided_by_zero() -> None:
    images = np.full((3, 2, 2, 1), 255, np.uint8)
    assert Normalisation.of(Part(images, np.zeros(3, np.int64))) == Normalisation((255.0,), (1.0,))


def test_answers_depend_neither_on_the_batch_nor_on_the_mode_and_change_nothing(
    digits: LabelledImages, conv_net: Graph
) -> None:
    module = to_module(conv_net, seed=0)
    normalisation = Normalisation.of(digits.learning)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    rng = torch.get_rng_state()
    module.train()
    whole = logits(module, digits.learning.images, normalisation, CPU)
    assert module.training
    assert torch.allclose(logits(module.eval(), digits.learning.images, normalisation, CPU, batch=7), whole, atol=1e-5)
    assert not module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), rng)
    assert whole.dtype == torch.float32
    assert whole.shape == (200, 10)


def test_answers_are_those_of_float32_products(digits: LabelledImages, mlp: Graph) -> None:
    module = to_module(mlp, seed=0).eval()
    normalisation = Normalisation.of(digits.learning)
    with torch.no_grad():
        module.double()
        x = torch.from_numpy(digits.learning.images).permute(0, 3, 1, 2).double()
        exact = module((x - normalisation.mean[0]) / normalisation.std[0])
        module.float()
    assert torch.allclose(logits(module, digits.learning.images, normalisation, CPU).double(), exact, atol=1e-5)


def test_another_state_takes_the_place_of_the_modules_own(digits: LabelledImages, conv_net: Graph) -> None:
    one, other = to_module(conv_net, seed=1), to_module(conv_net, seed=2)
    normalisation = Normalisation.of(digits.learning)
    answers = logits(one, digits.learning.images, normalisation, CPU, state=other.state_dict())
    assert torch.allclose(answers, logits(other, digits.learning.images, normalisation, CPU), atol=1e-6)
