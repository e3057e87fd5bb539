"""The recipe that is used where none is given: by what the network is and what the images are."""

from __future__ import annotations

from pennyweight.data.images import LabelledImages
from pennyweight.fit.recipe import Recipe
from pennyweight.net.graph import Graph


def default_recipe(graph: Graph, images: LabelledImages) -> Recipe:
    return Recipe()
