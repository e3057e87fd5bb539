from __future__ import annotations

import pytest

from pennyweight.data.images import LabelledImages
from pennyweight.fit.defaults import default_recipe
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
