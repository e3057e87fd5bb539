"""`pennyweight report`: one HTML file that holds all it shows, from what run folders and search folders keep.

The page asks for nothing from anywhere: its policy (a Content-Security-Policy) allows two scripts, known by their
checksums, and pictures that are in the page itself. plotly.js travels compressed and wakes when the page is read.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from pennyweight.core.errors import RunError, UsageError
from pennyweight.core.files import write_bytes
from pennyweight.core.text import visible
from pennyweight.core.version import VERSION
from pennyweight.fit.accuracy import Accuracy
from pennyweight.report.html.answers import answers_section, photos_sections
from pennyweight.report.html.beside import beside_chapter, names_of
from pennyweight.report.html.board import board_section
from pennyweight.report.html.choices import choices_section
from pennyweight.report.html.curves import curves_section
from pennyweight.report.html.data import data_section
from pennyweight.report.html.facts import RunFacts, SearchFacts, read
from pennyweight.report.html.figure import in_percent, shortened
from pennyweight.report.html.front import front_section
from pennyweight.report.html.making import making_section
from pennyweight.report.html.price import price_section
from pennyweight.report.html.section import Chapter, Section
from pennyweight.report.html.summary import own_accuracy, summary_section

PAGE = "report.html"

CHAPTERS_OPEN = 3
"""Of more runs than these the overview is shown, and each chapter on request."""

_UNIT = re.compile(r"(?<=\d) (?=(?:%|[kMG]?B|[KMG]iB|[kMG]|ms|s|USD|MACs|points)\b|%)|(?<=≈) ")
"""A space between a number and its unit."""


def write_report(
    paths: Path | Iterable[Path], out: Path | None = None, *, on_warning: Callable[[str], None] | None = None
) -> Path:
    """The path of one HTML file about run folders and search folders, `report.html` in the first unless told.

    It shows what the folders keep, and says what they do not; `on_warning` is told too what is missing or damaged. It
    opens no images. Raises RunError where a folder is neither a run nor a search, or the file cannot be written.
    """
    folders = [paths] if isinstance(paths, Path) else list(paths)
    if not folders:
        raise UsageError("nothing to report on", hint="pennyweight report RUN, the folder of a training or a search")
    out = out or folders[0] / PAGE
    subjects = [read(folder) for folder in folders]
    content = page(subjects)
    try:
        write_bytes(out, content)
    except OSError as error:
        raise RunError(
            f"{out} cannot be written: {error.strerror or error}",
            hint="choose another place with --out FILE, or see who may write there and whether the disk is full",
        ) from error
    if on_warning is not None:
        for warning in _warnings(subjects):
            on_warning(warning)
    return out


def _warnings(subjects: Sequence[RunFacts | SearchFacts]) -> Iterator[str]:
    """What these folders lack, each with its folder and the command that fills it."""
    for subject in subjects:
        folders: list[RunFacts | SearchFacts] = [subject]
        if isinstance(subject, SearchFacts) and subject.winner:
            folders.append(subject.winner)
        for each in folders:
            for gap in each.gaps:
                says = gap.says.removeprefix(f"{visible(each.folder)}: ").rstrip(".")
                yield f"{each.folder}: {says}{f'; try {gap.command}' if gap.command else ''}"


def page(subjects: Sequence[RunFacts | SearchFacts]) -> bytes:
    """The page about these runs and searches, in UTF-8; half a character, as a path may hold, becomes an escape."""
    runs = [run for subject in subjects if (run := _run_of(subject))]
    chapters = [_chapter(f"p{place}", subject) for place, subject in enumerate(subjects)]
    if len(subjects) > 1 and runs:
        chapters = [beside_chapter(runs), *_named(chapters, subjects, runs)]
    figures = {
        f"{figure.key}/{choice}": drawing
        for chapter in chapters
        for section in chapter.sections
        for figure in section.figures
        for choice, drawing in figure.drawings.items()
    }
    plotly, script = _plotly(), _asset("page.js")
    names = [_title(subject) for subject in subjects]
    return (
        _templates()
        .get_template("page.html.jinja")
        .render(
            title=" · ".join(shortened(name, 80) for name in names[:3]),
            heading=_heading(subjects[0]) if len(names) == 1 else f"{len(names)} results side by side",
            chapters=chapters,
            policy=f"default-src 'none'; script-src '{_sha256(script)}' '{plotly.sha256}'; "
            "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
            style=Markup(_asset("page.css")),
            script=Markup(script),
            plotly=plotly.packed,
            figures=_in_script(figures),
            version=VERSION,
        )
        .encode(errors="backslashreplace")
    )


def _run_of(subject: RunFacts | SearchFacts) -> RunFacts | None:
    return subject if isinstance(subject, RunFacts) else subject.winner


def _title(subject: RunFacts | SearchFacts) -> str:
    what = subject.network if isinstance(subject, RunFacts) else "search"
    return f"{shortened(visible(what), 60)} on {shortened(visible(subject.source), 60)}"


def _heading(subject: RunFacts | SearchFacts) -> str:
    """What came out, in one line."""
    run, accuracy = _run_of(subject), _accuracy(subject)
    if not run or not accuracy or not run.settings or run.results is None:
        return _title(subject)
    size = f" with {run.cost.parameters:,} parameters" if run.cost else ""
    return f"{in_percent(accuracy)} on {shortened(visible(subject.source), 40)}{size}"


def _accuracy(subject: RunFacts | SearchFacts) -> Accuracy | None:
    """The accuracy that counts: that of the test part, where somebody looked."""
    run, winner = _run_of(subject), subject.best if isinstance(subject, SearchFacts) else None
    return (own_accuracy(run, winner) or run.validation) if run else None


def _chapter(key: str, subject: RunFacts | SearchFacts) -> Chapter:
    if isinstance(subject, RunFacts):
        return Chapter(_title(subject), [summary_section(key, subject, None), *_about(key, subject, None)])
    sections = [summary_section(key, subject.winner, subject), front_section(key, subject)]
    if mattered := choices_section(key, subject):
        sections.append(mattered)
    if subject.winner is not None:
        sections += _about(key, subject.winner, subject)
    return Chapter(_title(subject), sections)


def _named(
    chapters: Sequence[Chapter], subjects: Sequence[RunFacts | SearchFacts], runs: Sequence[RunFacts]
) -> Iterator[Chapter]:
    """The chapters under names that tell them apart, with what came out; closed where there are many."""
    names = dict(zip(map(id, runs), names_of(runs), strict=True))
    for chapter, subject in zip(chapters, subjects, strict=True):
        accuracy, run = _accuracy(subject), _run_of(subject)
        title = names[id(run)] if run else chapter.title
        search = "" if isinstance(subject, RunFacts) else "search: "
        yield replace(
            chapter,
            title=f"{search}{title}",
            remark=in_percent(accuracy) if accuracy else "",
            is_closed=len(subjects) > CHAPTERS_OPEN,
        )


def _about(key: str, run: RunFacts, search: SearchFacts | None) -> list[Section]:
    on_board = board_section(key, run)
    return [
        curves_section(key, run, search),
        answers_section(key, run),
        *photos_sections(key, run),
        price_section(key, run, search.board if search else None),
        *([on_board] if on_board else []),
        data_section(key, run),
        making_section(key, run, search),
    ]


@dataclass(frozen=True)
class _Plotly:
    """plotly.js, compressed and in base64, and the checksum by which the page's policy knows it."""

    packed: str
    sha256: str


@cache
def _plotly() -> _Plotly:
    import plotly

    source = (resources.files(plotly) / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    packed = gzip.compress(source.encode(), compresslevel=9, mtime=0)
    return _Plotly(base64.b64encode(packed).decode(), _sha256(source))


@cache
def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _sha256(script: str) -> str:
    """How a policy names a script (W3C, Content Security Policy Level 3, hash-source)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _in_script(facts: object) -> Markup:
    """JSON that stands in a script element: nothing in it can end that element or begin a comment."""
    text = json.dumps(facts, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["tight"] = _tight
    return made


def _tight(text: str) -> str:
    """The text with no line break between a number and its unit."""
    return _UNIT.sub("\N{NO-BREAK SPACE}", text)
