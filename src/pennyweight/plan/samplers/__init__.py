"""Samplers: which point a search tries next. One file each; `find_sampler` knows them by their names."""

from __future__ import annotations

from importlib import import_module

from pennyweight.core.errors import unknown
from pennyweight.plan.samplers.base import Sampler

SAMPLERS = {"front": "Front", "random": "Random", "grid": "Grid", "tpe": "Tpe", "nsga2": "Nsga2"}
"""Name, and module -> class."""


def find_sampler(name: str) -> Sampler:
    """The sampler of that name. Raises UsageError for a name that is not known."""
    if name not in SAMPLERS:
        raise unknown("sampler", name, SAMPLERS)
    found: Sampler = getattr(import_module(f"{__name__}.{name}"), SAMPLERS[name])()
    return found
