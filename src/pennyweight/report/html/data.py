"""The data: where the images are from, and how many each class has."""

from __future__ import annotations

from collections.abc import Sequence

from pennyweight.core.text import command, visible
from pennyweight.report.html.facts import Gap, RunFacts, count, items
from pennyweight.report.html.figure import BARS_DRAWN, Figure, Table, bars, figure_cell, label, shortened, words
from pennyweight.report.html.section import Fact, Section


def data_section(key: str, run: RunFacts) -> Section:
    names, shape = run.class_names, items(run.settings.get("input_shape"))
    facts = [Fact("Source", shortened(visible(run.source), 80))]
    if shape:
        facts.append(Fact("Each image", "×".join(visible(length) for length in shape), "height × width × channels"))
    if names:
        facts.append(Fact("Classes", f"{len(names):,}", ", ".join(shortened(visible(name), 24) for name in names[:12])))
    fingerprint = visible(run.settings.get("fingerprint") or "not kept")
    facts.append(Fact("Fingerprint", shortened(fingerprint, 17), "SHA-256 of images, labels and class names"))
    figures = []
    counts = [told for each in items(run.settings.get("class_counts")) if (told := count(each)) is not None]
    if counts and len(counts) == len(names):
        figures.append(counts_figure(f"{key}-counts", names, counts, "learning"))
    gaps = [Gap(f"{note[:1].upper()}{note[1:]}.") for note in run.notes if note]
    look = command("data", run.source) if run.settings.get("source") else ""
    if look:
        gaps.append(Gap("What is odd about the images (copies, leaks, unreadable files) is found by an audit:", look))
    return Section(f"{key}-data", "The data", facts=facts, gaps=gaps, figures=figures, is_plain=True)


def counts_figure(key: str, names: Sequence[str], counts: Sequence[int], part: str) -> Figure:
    """How many images each class has in an evaluated part."""
    fewest, most = min(counts), max(counts)
    title = f"Between {fewest:,} and {most:,} images a class" if fewest < most else f"{most:,} images of every class"
    order = sorted(range(len(counts)), key=lambda i: -counts[i])[:BARS_DRAWN] if len(counts) > BARS_DRAWN else None
    drawn = [(label(names[i]), counts[i]) for i in (order or range(len(counts)))]
    about = f"Images of each class in the {part} part."
    if order:
        about += f" Of {len(counts):,} classes the {BARS_DRAWN} largest are drawn."
    rows = tuple((words(name), figure_cell(images)) for name, images in zip(names, counts, strict=True))
    return Figure(
        key=key,
        title=title,
        about=about,
        drawings={"": bars(drawn, "images")},
        table=Table("Images of each class", ("class", "images"), rows),
        height_px=len(drawn) * 24 + 70,
    )
