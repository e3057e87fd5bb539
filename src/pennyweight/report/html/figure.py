"""What a figure is: plotly's JSON, a finding as its title, its data as a table; and what all figures share.

A drawing is the JSON that plotly.js takes. Its colours are the page's CSS variables, which the page's script resolves
when it draws, so that figures follow the reader's light or dark mode.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pennyweight.core.text import visible
from pennyweight.fit.accuracy import Accuracy

Drawing = dict[str, Any]

BLUE, RED, GREEN, ORANGE = "var(--blue)", "var(--red)", "var(--green)", "var(--orange)"
PURPLE, SKY, QUIET, INK = "var(--purple)", "var(--sky)", "var(--quiet)", "var(--ink)"


LABEL_LETTERS = 18
"""Letters of a name beside an axis."""

BARS_DRAWN = 40
"""Bars of one figure at most: the longest."""


@dataclass(frozen=True)
class Cell:
    """What stands in a table: `text`, by which `value` it is sorted, and a bar of `share` of the cell behind it."""

    text: str
    value: float | None = None
    share: float | None = None
    is_number: bool = True
    full: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Table:
    """Heads and rows. `marked` are the numbers of rows that stand out."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: frozenset[int] = frozenset()


class Key(NamedTuple):
    """What a colour in a figure stands for, and the sign that has it."""

    name: str
    colour: str
    sign: str = "━"


@dataclass(frozen=True)
class Figure:
    """A figure: `drawings` has one under each choice that the reader has, or one under the empty word.

    `above` stands over the y axis, with the `keys` of colours; the table begins open where it `is_open`.
    """

    key: str
    title: str
    about: str
    drawings: Mapping[str, Drawing]
    table: Table
    height_px: int = 340
    choice: str = ""
    above: str = ""
    keys: tuple[Key, ...] = ()
    is_open: bool = False
    width: Literal["whole", "half", "third"] = "whole"


def words(text: object, limit: int = 60) -> Cell:
    """A cell with a name from anywhere in it, shortened."""
    full = visible(text)
    short = shortened(full, limit)
    return Cell(short, is_number=False, full=full if full != short else "")


def figure_cell(value: float | None, form: str = ",.0f", share: float | None = None) -> Cell:
    """A cell with a number, or a dash where there is none."""
    return Cell("–" if value is None else format(value, form), value, share)


def shortened(text: str, limit: int) -> str:
    """The text, its end replaced by … where it is longer than `limit`."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def name_in_sentence(text: object, limit: int = 40) -> str:
    """A name for the middle of a sentence: one that is written from right to left does not turn the words around it.

    Unicode Standard Annex 9: U+2068 and U+2069 isolate what they enclose.
    """
    short = shortened(visible(text), limit)
    return short if short.isascii() else f"\u2068{short}\u2069"


def label(text: object, limit: int = LABEL_LETTERS) -> str:
    """A name as plotly takes it: harmless, short, and with nothing that it reads as markup.

    >>> label("<b>cat</b>")
    '&lt;b&gt;cat&lt;/b&gt;'
    """
    return html.escape(shortened(visible(text), limit), quote=False)


def bars(drawn: Sequence[tuple[str, int]], title: str) -> Drawing:
    """Lying bars with their figures at the ends, the first on top."""
    places = list(range(len(drawn)))
    most = max((value for _, value in drawn), default=0) or 1
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": places,
        "x": [value for _, value in drawn],
        "text": [f"{value:,}" for _, value in drawn],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": BLUE},
        "hovertemplate": "%{y}: %{x:,}<extra></extra>",
        "width": 0.66,
    }
    y = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [name for name, _ in drawn],
        "autorange": "reversed",
        "showgrid": False,
        "zeroline": False,
    }
    x = {"title": {"text": title}, "range": [0, 1.22 * most], "showgrid": False, "showticklabels": False}
    return drawing([trace], x, y)


def accuracy_cell(found: Accuracy | None) -> Cell:
    """A cell with an accuracy in percent, and its interval on a closer look."""
    return Cell("–") if found is None else Cell(f"{100 * found.share:.2f}", found.share, full=interval(found))


def in_percent(found: Accuracy) -> str:
    """The accuracy alone."""
    return f"{100 * found.share:.2f} %"


def interval(found: Accuracy) -> str:
    """The accuracy's interval and n in words."""
    low, high = found.interval
    return f"95 % interval {100 * low:.2f} … {100 * high:.2f} %, n = {found.n:,}"


def percent(share: float | None) -> float | None:
    """The share in percent, in five digits."""
    return scaled(share, 100)


def scaled(value: float | None, scale: float) -> float | None:
    """The value in another unit, in five digits."""
    return None if value is None else float(f"{scale * value:.5g}")


def drawing(traces: Sequence[Drawing], x: Drawing, y: Drawing) -> Drawing:
    """The JSON of a quiet figure."""
    axis = {
        "automargin": True,
        "fixedrange": True,
        "gridcolor": "var(--line)",
        "zerolinecolor": "var(--line)",
        "linecolor": "var(--line)",
        "ticks": "",
    }
    return {
        "data": list(traces),
        "layout": {
            "margin": {"l": 44, "r": 12, "t": 10, "b": 44},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 12, "color": "var(--soft)"},
            "hoverlabel": {
                "bgcolor": "var(--page)",
                "bordercolor": "var(--line)",
                "align": "left",
                "font": {"color": INK, "size": 13},
            },
            "hovermode": "closest",
            "dragmode": False,
            "showlegend": False,
            "uniformtext": {"minsize": 9, "mode": "hide"},
            "xaxis": axis | x,
            "yaxis": axis | y,
        },
    }
