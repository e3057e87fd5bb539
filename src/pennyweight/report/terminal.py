"""What all reports share in a terminal: the two consoles, two kinds of table, and how figures are written."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pennyweight.core.text import visible

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType, RenderResult

EIGHTHS = " ▏▎▍▌▋▊▉█"


NARROWEST = 40
"""Cells that a report gets at least: in a narrower terminal its lines wrap, but no figure is cut."""

PIPE = 120
"""Cells that a report gets where there is no terminal and COLUMNS does not tell."""

FOLD_FROM = 60
"""From so many cells on a long value is folded beside its title, below it under its title."""

STAND_INS = {
    **dict.fromkeys("▏▎▍", "-"),
    **dict.fromkeys("▌▋▊▉█▀▄", "#"),
    "▒": "%",
    **dict.fromkeys("–—−─━╸╺╴╶┄", "-"),
    **dict.fromkeys("│┃╎", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+"),
    **dict.fromkeys("“”„«»", '"'),
    **dict.fromkeys("‘’‚", "'"),
    "…": "...",
    "★": "*",
    "●": "o",
    "○": ".",
    "•": "*",
    "·": ".",
    "▲": "^",
    "▼": "v",
    "╲": "\\",
    "╱": "/",
    "×": "x",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "±": "+-",
    "≈": "~",
    "²": "^2",
    "°": " deg",
    "µ": "u",
    "✓": "+",
    "✗": "x",
    "\u00a0": " ",
}
"""What is written for a character that the stream's encoding lacks."""

LONGER = 2
"""Cells that a line may gain by a stand-in, kept free where the stream's encoding lacks characters."""

PLAIN = "pennyweight.plain"
"""The name under which `codecs` knows the error handler of `plain_streams`."""


def plain_streams() -> None:
    """Make stdout and stderr write a stand-in, or `?`, for what their encoding lacks, rather than fail."""
    codecs.register_error(PLAIN, _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAIN)


def printable(text: str) -> str:
    """The text as stdout can write it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    codecs.register_error(PLAIN, _stand_in)
    return text.encode(encoding, PLAIN).decode(encoding)


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """A stand-in for each character that could not be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(STAND_INS.get(each, "?") for each in error.object[error.start : error.end]), error.end


def output() -> Console:
    """The console for results: stdout."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = PIPE
    console.width = max(console.width, NARROWEST) - (0 if console.encoding.startswith("utf") else LONGER)
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


def show_note(text: str) -> None:
    """Print a sentence for people on stderr, wrapped between words where the width is known."""
    console = messages()
    known = console.is_terminal or bool(os.environ.get("COLUMNS"))
    console.print(f"note: {visible(text)}", soft_wrap=not known)


def show_error(message: str, hint: str = "") -> None:
    """Print an error on stderr, and what to do about it.

    It is wrapped between words where the width is known; what holds a command is left whole, to be copied.
    """
    console = messages()
    known = console.is_terminal or bool(os.environ.get("COLUMNS"))
    for title, style, text in (("error", "bold red", message), ("hint", "bold cyan", hint)):
        if text:
            lines = "\n".join(map(visible, text.split("\n")))
            whole = not known or "pennyweight " in text
            console.print(Text.assemble((f"{title}:", style), f" {lines}"), soft_wrap=whole)


class _Stacking(Table):
    """A table without lines that fits into any room.

    Where it is too wide it leaves out the `spare` columns and those that only decorate, without a head behind the first
    one with a head. Where that is not enough, each row becomes a title with its figures below.
    """

    spare: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, or its rows one below the other."""
        if self._fits(console, options):
            yield from super().__rich_console__(console, options)
            return
        heads = [_text(column.header).plain.replace("\n", " ").strip() for column in self.columns]
        titles = next((place for place, head in enumerate(heads) if head), 0) + 1
        told = [
            place
            for place, head in enumerate(heads)
            if head not in self.spare and (head or place < titles or not self.show_header)
        ]
        if len(told) < len(heads):
            yield self._with(told)
            return
        for row in zip(*([_text(cell) for cell in column.cells] for column in self.columns), strict=True):
            title = Text(" ").join(cell for cell in row[:titles] if cell.plain.strip())
            title.stylize("bold" if self.show_header else "dim")
            named = zip(heads[titles:], row[titles:], strict=True)
            figures = [_named(head, cell) for head, cell in named if cell.plain.strip()]
            if sum(2 + figure.cell_len for figure in figures) + title.cell_len <= options.max_width:
                yield Text("  ").join([title, *figures])
            else:
                yield title
                yield Padding(Group(*_packed(figures, options.max_width - 2)), (0, 0, 0, 2), expand=False)

    def _with(self, places: Sequence[int]) -> Table:
        """The table of these columns alone."""
        made = table(*("" for _ in places))
        made.show_header = True
        for column, place in zip(made.columns, places, strict=True):
            column.header, column.justify = self.columns[place].header, self.columns[place].justify
        for row in zip(*(self.columns[place].cells for place in places), strict=True):
            made.add_row(*row)
        for mine, other in zip(self.rows, made.rows, strict=True):
            other.style = mine.style
        return made

    def _fits(self, console: Console, options: ConsoleOptions) -> bool:
        wanted = console.measure(self, options=options.update(max_width=10_000)).maximum
        return wanted <= options.max_width


class _Facts(_Stacking):
    """Titles and values: a long value is folded beside its title while there is room for it."""

    def _fits(self, console: Console, options: ConsoleOptions) -> bool:
        return options.max_width >= FOLD_FROM or super()._fits(console, options)


def _text(cell: RenderableType) -> Text:
    return cell.copy() if isinstance(cell, Text) else Text(str(cell))


def _named(head: str, cell: Text) -> Text:
    return Text.assemble((f"{head} ", "dim"), cell) if head else cell


def _packed(figures: Sequence[Text], width: int) -> Iterator[Text]:
    """Lines of as many figures as there is room for; none is cut in two needlessly."""
    line = Text()
    for figure in figures:
        if line and line.cell_len + 2 + figure.cell_len > width:
            yield line
            line = Text()
        line = Text("  ").join([line, figure]) if line else figure
    if line:
        yield line


def table(*columns: str, numbers: Sequence[str] = (), spare: Sequence[str] = ()) -> Table:
    """An empty table with these heads and no lines; the columns in `numbers` are aligned to the right.

    Where it is wider than the terminal, the `spare` columns and those without a head are left out, or its rows are
    printed one below the other.
    """
    made = _Stacking(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(columns))
    made.spare = spare
    for column in columns:
        right = column in numbers
        made.add_column(Text(column), justify="right" if right else "left", no_wrap=True)
    return made


def facts(rows: dict[str, str | Text]) -> Table:
    """A table of titles and values, without heads."""
    made = _Facts(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for title, value in rows.items():
        made.add_row(title, value)
    return made


def bullets(lines: Sequence[str], style: str = "") -> Table:
    """A list of sentences."""
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
    for line in lines:
        made.add_row(Text("•", style=style), visible(line))
    return made


def short(name: object, cells: int) -> str:
    """A name, made harmless, in at most so many cells.

    >>> short("a class with a long name", 10)
    'a class w…'
    """
    text = Text(visible(name))
    text.truncate(cells, overflow="ellipsis")
    return text.plain


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
