"""`pennyweight report`: one HTML file that holds all it shows, from what run folders and search folders keep.

The page asks for nothing from anywhere: its policy (a Content-Security-Policy) allows two scripts, known by their
checksums, and pictures that are in the page itself. plotly.js travels compressed and wakes when the page is read.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from pennyweight.core.board import Board
from pennyweight.core.errors import RunError, UsageError
from pennyweight.core.files import write_bytes
from pennyweight.core.text import visible
from pennyweight.core.units import format_bytes, format_count, format_milliseconds, format_minutes, format_price
from pennyweight.core.version import VERSION
from pennyweight.fit.recipe import Recipe
from pennyweight.net.cost import layer_costs
from pennyweight.net.memory import plan_memory
from pennyweight.net.profile import profile
from pennyweight.report.html.facts import (
    Gap,
    RunFacts,
    SearchFacts,
    Share,
    Trial,
    items,
    known,
    number,
    read,
    side_by_side,
)
from pennyweight.report.html.figures import (
    Cell,
    Figure,
    Table,
    classes_table,
    confusion_figure,
    counts_figure,
    courses_figure,
    curve_figures,
    figure_cell,
    front_figure,
    layers_figure,
    lifetimes_figure,
    name_in_sentence,
    reliability_figure,
    shortened,
    trials_table,
    words,
)

PAGE = "report.html"

PICTURES_SHOWN = 48
"""Pictures of one kind at most, so that a page of large photos still opens at once."""

_UNIT = re.compile(r"(?<=\d) (?=(?:%|[kMG]?B|[KMG]iB|[kMG]|ms|s|USD|MACs|points)\b|%)|(?<=≈) ")
"""A space between a number and its unit."""

PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every PNG file (W3C, Portable Network Graphics, 5.2)."""


@dataclass(frozen=True)
class Fact:
    """A title and a value for people, with a remark beneath."""

    title: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as the network saw it, as a data URL, and what it was taken for."""

    url: str
    says: str
    remark: str
    is_wrong: bool = True


@dataclass(frozen=True)
class Remark:
    """What the curves say of a training's health."""

    title: str
    says: str
    advice: Sequence[str]
    severity: str


@dataclass(frozen=True)
class Section:
    """A chapter of the page. Whatever it holds is shown in this order."""

    key: str
    title: str
    lead: str = ""
    facts: Sequence[Fact] = ()
    gaps: Sequence[Gap] = ()
    findings: Sequence[Remark] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[tuple[str, Sequence[Picture]]] = ()
    settings: Sequence[tuple[str, Sequence[tuple[str, str]]]] = ()
    commands: Sequence[tuple[str, str]] = ()
    is_plain: bool = False


@dataclass(frozen=True)
class Chapter:
    """One run, or one search, with its sections."""

    title: str
    sections: Sequence[Section]


def write_report(paths: Path | Iterable[Path], out: Path | None = None) -> Path:
    """The path of one HTML file about run folders and search folders, `report.html` in the first unless told.

    It shows what the folders keep, and says what they do not; it opens no images. Raises RunError where a folder is
    neither a run nor a search, or the file cannot be written.
    """
    folders = [paths] if isinstance(paths, Path) else list(paths)
    if not folders:
        raise UsageError("nothing to report on", hint="pennyweight report RUN, the folder of a training or a search")
    out = out or folders[0] / PAGE
    content = page([read(folder) for folder in folders]).encode()
    try:
        write_bytes(out, content)
    except OSError as error:
        raise RunError(
            f"{out} cannot be written: {error.strerror or error}",
            hint="choose another place with --out FILE, or see who may write there and whether the disk is full",
        ) from error
    return out


def page(subjects: Sequence[RunFacts | SearchFacts]) -> str:
    """The page about these runs and searches."""
    chapters = [chapter for place, subject in enumerate(subjects) for chapter in _chapters(f"p{place}", subject)]
    if len(subjects) > 1:
        chapters.insert(0, _beside(subjects))
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
    )


def _title(subject: RunFacts | SearchFacts) -> str:
    return visible(f"{subject.network if isinstance(subject, RunFacts) else 'search'} on {subject.source}")


def _heading(subject: RunFacts | SearchFacts) -> str:
    """What came out, in one line."""
    run = subject if isinstance(subject, RunFacts) else subject.winner
    winner = subject.best if isinstance(subject, SearchFacts) else None
    accuracy = run and (_own_accuracy(run, winner) or run.validation)
    if not run or not accuracy:
        return _title(subject)
    size = f" with {run.cost.parameters:,} parameters" if run.cost else ""
    return f"{accuracy} on {shortened(visible(subject.source), 40)}{size}"


def _chapters(key: str, subject: RunFacts | SearchFacts) -> Iterator[Chapter]:
    if isinstance(subject, RunFacts):
        yield Chapter(_title(subject), [_summary(key, subject, None), *_about(key, subject, None)])
        return
    sections = [_summary(key, subject.winner, subject), _possible(key, subject)]
    if subject.winner is not None:
        sections += _about(key, subject.winner, subject)
    yield Chapter(_title(subject), sections)


def _beside(subjects: Sequence[RunFacts | SearchFacts]) -> Chapter:
    """All runs, and the winners of the searches, as points on one plane."""
    runs = [run for each in subjects if (run := each if isinstance(each, RunFacts) else each.winner)]
    trials = side_by_side(runs)
    figure = front_figure("beside", trials)
    gaps = []
    if len({run.settings.get("fingerprint") for run in runs}) > 1:
        gaps.append(Gap("They were trained on different images: their accuracies cannot be compared."))
    section = Section(
        "beside",
        "Side by side",
        gaps=gaps,
        figures=[figure] if figure else [],
        tables=[] if figure else [trials_table(trials)],
    )
    return Chapter("", [section])


def _summary(key: str, run: RunFacts | None, search: SearchFacts | None) -> Section:
    lead, gaps = "", [*(search.gaps if search else ())]
    if search is not None:
        tried = len({trial.network for trial in search.trials})
        parts = [f"{tried:,} networks were tried in {len(search.trials):,} trainings"]
        if search.minutes is not None:
            parts[0] += f" and {format_minutes(search.minutes)}"
        if search.feasible is not None and search.considered is not None:
            parts.insert(0, f"{search.feasible:,} of {search.considered:,} networks fit the budget")
        if search.budget:
            parts.insert(0, f"The budget: {search.budget}")
        lead = ". ".join(parts) + "."
    if run is None:
        return Section(f"{key}-summary", "Summary", lead, gaps=gaps)
    gaps += run.gaps
    winner = search.best if search else None
    facts = [Fact("Winner" if search else "Network", shortened(visible(run.network), 60), visible(run.folder))]
    facts += _accuracies(run, winner)
    facts += _price_tag(run, search.board if search else None)
    kept = _own_accuracy(run, winner)
    if kept is None and run.results is not None:
        gaps.append(
            Gap("The test part is still sealed, so the accuracy above is that of images that choices were made with. "
                "Open it once, when all is chosen:", f"pennyweight evaluate {run.command}")
        )  # fmt: skip
    findings = _findings(run)
    if findings:
        gaps.append(
            Gap("That is what the curves alone tell. The answers and the images are looked at by",
                f"pennyweight diagnose {run.command}")
        )  # fmt: skip
    return Section(f"{key}-summary", "Summary", lead, facts, gaps, findings)


def _own_accuracy(run: RunFacts, winner: Trial | None) -> Share | None:
    return run.accuracy("test") or (winner.test if winner else None)


def _accuracies(run: RunFacts, winner: Trial | None) -> list[Fact]:
    facts = []
    if test := _own_accuracy(run, winner):
        facts.append(Fact("Test accuracy", str(test), test.details))
    if run.validation:
        facts.append(Fact("Validation accuracy", str(run.validation), run.validation.details))
    elif run.results is not None:
        facts.append(Fact("Validation accuracy", "–", "no images were held out"))
    if run.openings and run.openings > 1:
        facts.append(
            Fact("Test part opened", f"{run.openings:,} times", "a choice that followed makes the figure optimistic")
        )
    return facts


def _price_tag(run: RunFacts, board: Board | None) -> list[Fact]:
    if run.cost is None:
        return []
    cost = run.cost.on(board)
    facts = [
        Fact("Parameters", f"{cost.parameters:,}"),
        Fact("Multiply-accumulates", format_count(cost.macs), "MACs of one image"),
        Fact("Flash", f"≈ {format_bytes(cost.flash_bytes)}", "weights in int8 and program, estimated"),
        Fact(
            "RAM", f"≈ {format_bytes(cost.ram_bytes)}", f"{cost.peak_ram_bytes:,} B of tensors, and stack (estimated)"
        ),
    ]
    if board is not None:
        price = f"{format_price(board.price_usd)} a {board.price_kind}; " if board.price_usd is not None else ""
        facts.append(
            Fact(
                "Board",
                visible(board.name),
                f"{price}takes {100 * cost.flash_bytes / board.flash_bytes:.0f} % of its flash, "
                f"{100 * cost.ram_bytes / board.ram_bytes:.0f} % of its RAM",
            )
        )
        if cost.latency_ms is not None:
            facts.append(
                Fact("Time of one image", f"≈ {format_milliseconds(cost.latency_ms)}", "on the board, estimated")
            )
    return facts


def _findings(run: RunFacts) -> list[Remark]:
    """What the curves alone say of the training's health."""
    from pennyweight.fit.curves import diagnose_curves

    if not run.curves and run.failure is None:
        return []
    recipe = run.settings.get("recipe")
    try:
        known_recipe = Recipe().with_changes(recipe) if isinstance(recipe, Mapping) else None
    except UsageError:
        known_recipe = None
    curves = [
        {name: value for name, value in row.items() if number(value) is not None or isinstance(value, float)}
        for row in run.curves
    ]
    found = diagnose_curves(curves, len(run.class_names), recipe=known_recipe, failure=run.failure)
    remarks = [
        Remark(
            each.disease.capitalize() + (f", since epoch {each.epoch}" if each.epoch else ""),
            f"{each.says[:1].upper()}{each.says[1:]}.",
            each.advice,
            each.severity,
        )
        for each in found
    ]
    return remarks or [Remark("Healthy", "The curves show no disease.", (), "healthy")]


def _possible(key: str, search: SearchFacts) -> Section:
    figures = [front_figure(f"{key}-front", search.trials)]
    gaps = [Gap(f"{note[:1].upper()}{note[1:]}.") for note in search.notes]
    tables = []
    if figures[0] is None and search.trials:
        tables.append(trials_table(search.trials))
    return Section(
        f"{key}-possible",
        "What was possible",
        gaps=gaps,
        figures=[figure for figure in figures if figure],
        tables=tables,
    )


def _about(key: str, run: RunFacts, search: SearchFacts | None) -> list[Section]:
    return [
        _trainings(key, run, search),
        _answers(key, run),
        *_own_photos(key, run),
        _price(key, run, search.board if search else None),
        _data(key, run),
        _making(key, run, search),
    ]


def _trainings(key: str, run: RunFacts, search: SearchFacts | None) -> Section:
    figures = curve_figures(f"{key}-curves", run)
    courses = courses_figure(f"{key}-courses", search.trials, search.courses) if search else None
    gaps = []
    if not figures:
        way = f"pennyweight train --resume {run.command}" if run.results is None else ""
        gaps.append(Gap("There are no curves" + (": the training has not ended." if way else " in this run."), way))
    elif len(run.curves) == 1:
        gaps.append(Gap("It was trained for one epoch: that is a point, not a course."))
    missing = [
        name
        for name, column in (("training loss", "train_loss"), ("validation loss", "validation_loss"))
        if known(run.curve(column)) and None in run.curve(column)
    ]
    if missing:
        gaps.append(Gap(f"The {' and the '.join(missing)} was not a number in some epochs: the lines have gaps there."))
    results = run.results or {}
    seconds, epochs = number(results.get("seconds")), len(run.curves)
    lead = ""
    if seconds is not None and epochs:
        each = seconds / epochs
        lead = f"{epochs:,} epochs in {format_minutes(seconds / 60)}, {each:.2g} s each."
    if search:
        lead = f"The winner, {shortened(visible(run.network), 60)}: {lead}" if lead else lead
    return Section(
        f"{key}-trainings",
        "The trainings" if courses else "The training",
        lead,
        gaps=gaps,
        figures=[*figures, *([courses] if courses else [])],
    )


def _answers(key: str, run: RunFacts) -> Section:
    title = "The answers"
    if run.own is None:
        validation = f"pennyweight evaluate {run.command} --part validation"
        gap = Gap("No evaluation is kept in this run: who is taken for whom is not known. "
                  "Without opening the test part:", validation)  # fmt: skip
        if run.results is None:
            gap = Gap("There are no answers before the training has ended.")
        return Section(f"{key}-answers", title, gaps=[gap])
    name, facts = run.own
    accuracy = run.accuracy(name)
    lead = f"On the {name} part: {accuracy}, {accuracy.details}." if accuracy else f"On the {name} part."
    gaps = []
    if name != "test":
        gaps.append(Gap("The test part is still sealed; what follows is of validation images.", ""))
    figures = [confusion_figure(f"{key}-confusion", facts), reliability_figure(f"{key}-reliability", facts)]
    table = classes_table(facts)
    if table is None:
        gaps.append(Gap("Figures of each class are not kept.", f"pennyweight evaluate {run.command} --part {name}"))
    wrong = _pictures(facts.get("mistakes"))
    return Section(
        f"{key}-answers",
        title,
        lead,
        facts=_timing(facts),
        gaps=gaps,
        figures=[figure for figure in figures if figure],
        tables=[table] if table else [],
        pictures=[("The most confident mistakes, as the network saw them", wrong)] if wrong else [],
    )


def _timing(facts: Mapping[str, Any]) -> list[Fact]:
    timing = facts.get("timing")
    if not isinstance(timing, Mapping):
        return []
    one, best = number(timing.get("batch1_ms")), number(timing.get("best_batch_ms_per_image"))
    threads, device = number(timing.get("threads")), visible(timing.get("device"))
    where = f"measured on {device}" + (f", {threads:.0f} thread{'s' * (threads != 1)}" if threads else "")
    found = []
    if one is not None:
        found.append(Fact("One image alone", format_milliseconds(one), where))
    if best is not None:
        batch = number(timing.get("best_batch"))
        remark = f"in batches of {batch:,.0f}, {where}" if batch else where
        found.append(Fact("One image of many", format_milliseconds(best), remark))
    return found


def _own_photos(key: str, run: RunFacts) -> Iterator[Section]:
    """A section for each evaluation on a user's own photos."""
    for place, (name, facts) in enumerate(run.evaluations.items()):
        pictures = _pictures(facts.get("photos"))
        if not pictures:
            continue
        accuracy = run.accuracy(name)
        lead = f"{shortened(visible(facts.get('source')), 80)}, as the network saw them."
        if accuracy:
            lead += f" {accuracy} right, {accuracy.details}."
        hidden = len(items(facts.get("photos"))) - len(pictures)
        gaps = (
            [Gap(f"{hidden:,} more are in the run folder, in evaluations/{visible(name)}.json.")] if hidden > 0 else []
        )
        yield Section(
            f"{key}-photos{place}", "Own photos", lead, gaps=gaps, pictures=[("Photos and answers", pictures)]
        )


def _pictures(rows: object) -> list[Picture]:
    """The pictures that are PNG files indeed, the first PICTURES_SHOWN of them."""
    found = []
    for row in items(rows)[:PICTURES_SHOWN]:
        if not isinstance(row, Mapping):
            continue
        try:
            png = base64.b64decode(str(row.get("png_base64")), validate=True)
        except (binascii.Error, ValueError):
            continue
        if not png.startswith(PNG):
            continue
        true, answer = (name_in_sentence(row.get(name)) for name in ("true", "answer"))
        confidence = number(row.get("confidence"))
        remarks = [f"{100 * confidence:.1f} % sure"] if confidence is not None else []
        remarks += [shortened(visible(row[name]), 60) for name in ("file", "note") if row.get(name)]
        says = f"{true} taken for {answer}" if true != answer else f"{true}, rightly"
        url = "data:image/png;base64," + base64.b64encode(png).decode()
        found.append(Picture(url, says, " · ".join(remarks), true != answer))
    return found


def _price(key: str, run: RunFacts, board: Board | None) -> Section:
    if run.graph is None:
        return Section(f"{key}-price", "The price", gaps=[Gap("The network's description cannot be read.")])
    figures = [
        layers_figure(f"{key}-layers", layer_costs(run.graph)),
        lifetimes_figure(f"{key}-ram", plan_memory(run.graph)),
    ]
    found = profile(run.graph).fits
    fitting = [fit for fit in found if fit.fits]
    lead = f"It fits on {len(fitting)} of the {len(found)} boards that we know."
    if fitting and fitting[0].board.price_usd is not None:
        cheapest = fitting[0].board
        lead += f" The cheapest is {cheapest.name}: {format_price(cheapest.price_usd or 0)} a {cheapest.price_kind}."
    rows = tuple(
        (
            words(fit.board.name),
            figure_cell(fit.board.price_usd, ".2f"),
            figure_cell(100 * fit.cost.flash_bytes / fit.board.flash_bytes, ",.1f"),
            figure_cell(100 * fit.cost.ram_bytes / fit.board.ram_bytes, ",.1f"),
            Cell("–" if fit.cost.latency_ms is None else format_milliseconds(fit.cost.latency_ms), fit.cost.latency_ms),
            Cell("fits" if fit.fits else "does not", float(fit.fits), is_number=False),
        )
        for fit in found
    )
    heads = ("board", "price, USD", "flash taken, %", "RAM taken, %", "latency", "fits")
    marked = frozenset(place for place, fit in enumerate(found) if board is not None and fit.board.key == board.key)
    table = Table("The boards that we know; flash, RAM and latency estimated for int8", heads, rows, marked)
    return Section(f"{key}-price", "The price", lead, figures=figures, tables=[table])


def _data(key: str, run: RunFacts) -> Section:
    names, shape = run.class_names, items(run.settings.get("input_shape"))
    facts = [Fact("Source", shortened(visible(run.source), 80))]
    if shape:
        facts.append(Fact("Each image", "×".join(visible(length) for length in shape), "height × width × channels"))
    if names:
        facts.append(Fact("Classes", f"{len(names):,}", ", ".join(shortened(visible(name), 24) for name in names[:12])))
    fingerprint = visible(run.settings.get("fingerprint") or "not kept")
    facts.append(Fact("Fingerprint", shortened(fingerprint, 17), "SHA-256 of images, labels and class names"))
    figures = []
    counts = [int(count) for count in map(number, items(run.settings.get("class_counts"))) if count is not None]
    if counts and len(counts) == len(names):
        figures.append(counts_figure(f"{key}-counts", names, counts, "learning"))
    gaps = [Gap(f"{visible(note)[:1].upper()}{visible(note)[1:]}.") for note in items(run.settings.get("notes"))]
    look = f"pennyweight data {shlex.quote(run.source)}" if run.settings.get("source") else ""
    if look:
        gaps.append(Gap("What is odd about the images (copies, leaks, unreadable files) is found by an audit:", look))
    return Section(f"{key}-data", "The data", facts=facts, gaps=gaps, figures=figures, is_plain=True)


def _making(key: str, run: RunFacts, search: SearchFacts | None) -> Section:
    recipe = run.settings.get("recipe")
    recipe = recipe if isinstance(recipe, Mapping) else {}
    commands = []
    if run.settings.get("source") and recipe:
        parts = ["pennyweight train", shlex.quote(run.source), shlex.quote(run.network)]
        parts += [f"--set {shlex.quote(f'{name}={_plain(value)}')}" for name, value in recipe.items() if value != ""]
        commands.append(("The same training again", visible(" ".join(parts))))
    elif recipe:
        commands.append(("It was trained from Python, on images of its own, with this recipe", ""))
    commands.append(("How well it answers", visible(f"pennyweight evaluate {run.command}")))
    settings = [
        (
            caption,
            [(visible(name), shortened(visible(_plain(value)), 80)) for name, value in facts.items() if value != ""],
        )
        for caption, facts in (("Recipe", recipe), ("Environment", run.environment))
        if facts
    ]
    made = [
        Fact("Begun", visible(run.settings.get("created") or "not kept").replace("T", " ").replace("+00:00", " UTC")),
        Fact("Made with", f"pennyweight {visible(run.settings.get('pennyweight') or 'of an unknown version')}"),
        Fact("Folder", shortened(visible(search.folder if search else run.folder), 80)),
    ]
    return Section(f"{key}-making", "How it was made", facts=made, settings=settings, commands=commands, is_plain=True)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
