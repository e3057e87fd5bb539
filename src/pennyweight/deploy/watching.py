"""Watcher: who is told how far something is that takes long."""

from __future__ import annotations

from collections.abc import Callable

Watcher = Callable[[str, int, int], None]
"""Is told what is done, of how many images it is over, and of how many it will be."""


def unwatched(what: str, done: int, images: int) -> None:
    """Tells nobody."""
