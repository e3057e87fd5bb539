"""What all reports share in a terminal: the two consoles, one kind of table, and how figures are written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pennyweight.core.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

EIGHTHS = " ▏▎▍▌▋▊▉█"


NARROWEST = 80
"""Cells that a report gets at least: in a narrower terminal its lines wrap, but no figure is cut."""

PIPE = 120
"""Cells that a report gets where there is no terminal and COLUMNS does not tell."""


def output() -> Console:
    """The console for results: stdout."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PIPE
    console.width = max(console.width, NARROWEST)
    return console


def messages() -> Console:
    """The console for progress, notes, warnings and errors: stderr."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def show(report: RenderableType) -> None:
    """Print a result on stdout."""
    output().print(report)


def show_message(text: str) -> None:
    """Print a line for people on stderr."""
    messages().print(visible(text), soft_wrap=True)


def show_error(message: str, hint: str = "") -> None:
    """Print an error on stderr, and what to do about it."""
    console = messages()
    for title, style, text in (("error", "bold red", message), ("hint", "bold cyan", hint)):
        if text:
            lines = "\n".join(map(visible, text.split("\n")))
            console.print(Text.assemble((f"{title}:", style), f" {lines}"), soft_wrap=True)


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table with these heads and no lines; the columns in `numbers` are aligned to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(columns))
    for column in columns:
        right = column in numbers
        made.add_column(Text(column), justify="right" if right else "left", no_wrap=True)
    return made


def facts(rows: dict[str, str | Text]) -> Table:
    """A table of titles and values, without heads."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for title, value in rows.items():
        made.add_row(title, value)
    return made


def bar(share: float, cells: int) -> str:
    """A bar of at most `cells` characters, to the eighth of one.

    >>> bar(0.5, 5)
    '██▌'
    """
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    return (EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()


def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.9722)
    '97.22 %'
    """
    return f"{100 * share:.2f} %"


def and_more(shown: int, count: int) -> str:
    """What ends a list that was cut.

    >>> and_more(5, 1200), and_more(5, 5)
    ('and 1,195 more', '')
    """
    return f"and {count - shown:,} more" if count > shown else ""
