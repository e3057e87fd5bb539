"""Shown: a result that shows itself in a notebook."""

from __future__ import annotations

from importlib import import_module


class Shown:
    """Gives a result the method that Jupyter asks for a cell's picture.

    How results look is the report's business, which stands above whatever makes them; so its module is imported by
    name when a notebook asks, and imports still point one way.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        """The result as HTML, as `pennyweight` would print it in a terminal."""
        drawn: str = import_module("pennyweight.report.notebook").html(self)
        return drawn
