"""The zoo: families of networks, each built from a text such as `mlp:hidden=80-60-50,activation=gelu,dropout=0.2`."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from pennyweight.core.errors import unknown
from pennyweight.net.graph import Graph
from pennyweight.net.ops import Shape
from pennyweight.net.zoo.family import Family

_NO_FAMILIES = ("family", "halving")
"""Modules of this package that families share."""


def build_network(text: str, input_shape: Shape, classes: int) -> Graph:
    """The Graph of the network that `text` names, for pictures of `(height, width, channels)`.

    Raises UsageError for an unknown family or dial and for values that are not allowed, all at once;
    GraphError where the network cannot take such pictures.

    >>> build_network("mlp:dropout=0,hidden=80-60", (28, 28, 1), classes=10).text
    'mlp:hidden=80-60'
    """
    family, dials = parse_text(text)
    return family.build(dials, input_shape, classes)


def parse_text(text: str) -> tuple[Family, Any]:
    """The family that `text` names and its dials as the family's own dataclass. Raises UsageError."""
    name, _, rest = text.partition(":")
    known = _module_names()
    if name.strip() not in known:
        raise unknown("network", name.strip(), known)
    family = _load(name.strip())
    return family, family.read(rest)


def families() -> dict[str, Family]:
    """Every family by its name, in alphabetical order."""
    return {name: _load(name) for name in _module_names()}


@cache
def _module_names() -> dict[str, str]:
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {module.replace("_", "-"): module for module in modules if module not in _NO_FAMILIES}


@cache
def _load(name: str) -> Family:
    module = import_module(f"{__name__}.{_module_names()[name]}")
    summary = str(module.__doc__).splitlines()[0]
    return Family(name, summary, module.Dials, module.build)
