from __future__ import annotations

import math
from pathlib import Path

import pytest

from pennyweight.data.images import LabelledImages
from pennyweight.data.source import images_at, open_source
from pennyweight.fit.defaults import default_recipe
from pennyweight.fit.loop import begin, fit
from pennyweight.fit.predict import Normalisation
from pennyweight.net.module import to_module
from pennyweight.net.zoo import build_network


def test_deep_networks_learn_at_a_lower_rate_than_shallow_ones(digits: LabelledImages) -> None:
    rates = [default_recipe(build_network(name, (8, 8, 1), 10), digits) for name in ("pooled-resnet", "mobilenetv2")]
    assert rates[0].optimizer == rates[1].optimizer == "muon"
    assert 0 < rates[1].learning_rate < rates[0].learning_rate


def test_convolutions_without_batch_norm_get_an_optimiser_that_leaves_them_alive(digits: LabelledImages) -> None:
    assert default_recipe(build_network("squeezenet", (32, 32, 1), 10), digits).optimizer == "adamw"


@pytest.mark.parametrize(("name", "mirrored"), [("digits", False), ("fashion-mnist", True)])
def test_images_are_mirrored_where_that_leaves_their_class(digits: LabelledImages, name: str, mirrored: bool) -> None:
    images = LabelledImages(name, digits.learning, digits.sealed, digits.class_names)
    assert default_recipe(build_network("mlp", (8, 8, 1), 10), images).flip is mirrored


def test_a_perceptron_learns_at_a_rate_that_falls_with_the_numbers_of_an_image(digits: LabelledImages) -> None:
    rates = []
    for shape in ((8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3)):
        images = images_at(digits, shape)
        rates.append(default_recipe(build_network("mlp", shape, 10), images).learning_rate)
    assert rates[0] == rates[1] > rates[2] > rates[3] > 0


def test_perceptrons_of_every_size_learn_small_colour_pictures(real_data: Path) -> None:
    images = open_source("svhn", data_dir=real_data)
    for hidden in ("8", "64"):
        network = build_network(f"mlp:hidden={hidden}", images.input_shape, images.classes)
        recipe = default_recipe(network, images).with_changes({"epochs": 12})
        train, validation = images.split(recipe.validation)
        state = begin(network, to_module(network, seed=0), recipe)
        fit(state, train, validation, Normalisation.of(train), recipe)
        last = state.curves[-1]["train_loss"]
        assert last is not None
        assert last < math.log(images.classes), "no better than guessing"
