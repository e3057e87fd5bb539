"""Engines: where the trainings of a search run. One file each; `make_engine` knows them by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pennyweight.core.errors import UsageError, unknown

if TYPE_CHECKING:
    from pennyweight.plan.engines.base import Engine, ImagesByShape, OnProgress

ENGINES = ("auto", "here", "processes", "ray")


def make_engine(
    name: str,
    images: ImagesByShape,
    workers: int | None = None,
    address: str | None = None,
    on_progress: OnProgress | None = None,
) -> Engine:
    """The engine of that name. `auto` takes Ray where an address is told, processes for several workers, else this one.

    `workers` is one unless told, and with `ray` as many as the cluster has cores. Raises UsageError for a name that
    is not known and for what does not go together, MissingExtraError where Ray is not installed.
    """
    name = engine_kind(name, workers, address)
    if name == "ray":
        from pennyweight.plan.engines.ray import OnRay

        return OnRay(images, workers, address)
    if name == "processes":
        from pennyweight.plan.engines.processes import Processes

        return Processes(images, workers or 1)
    from pennyweight.plan.engines.here import Here

    return Here(images, on_progress)


def engine_kind(name: str, workers: int | None, address: str | None) -> str:
    """The engine that `name` stands for. Raises UsageError where it is not known or does not fit the rest."""
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot train anything", hint="--workers 1 is the least")
    if name == "auto":
        name = "ray" if address else "processes" if (workers or 1) > 1 else "here"
    if address and name != "ray":
        raise UsageError(f"engine {name} has no use for the address {address!r}", hint="--engine ray has")
    if name == "here" and (workers or 1) > 1:
        raise UsageError(f"engine here has one worker, not {workers}", hint="--engine processes has several")
    return name
