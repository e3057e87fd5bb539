"""How `pennyweight data` looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.report.terminal import and_more, bar, bullets, facts, short, table

if TYPE_CHECKING:
    from pennyweight.data.audit import Audit, Copy, Member

CLASSES_SHOWN = 30
LINES_SHOWN = 8
SIZES_SHOWN = 5
NAME_CELLS = 40


def audit_report(audit: Audit) -> RenderableType:
    """What the set is, its classes, what is wrong with it, and what to act upon."""
    learning = sum(counts["learning"] for counts in audit.counts.values())
    test = sum(counts["test"] for counts in audit.counts.values())
    shape = "x".join(map(str, audit.input_shape))
    ratio = "–, for a class has no image" if audit.imbalance_ratio is None else f"{audit.imbalance_ratio:.2f}"
    parts: list[RenderableType] = [
        Text.assemble(
            (visible(audit.name), "bold"),
            f"  {learning + test:,} images of {shape} in {len(audit.classes):,} classes",
        ),
        Text(visible(audit.origin), style="dim"),
        Text(),
        _classes(audit),
        Text(),
        facts(
            {
                **_sizes(audit),
                "largest class / smallest": ratio,
                "exact copies": f"{audit.duplicates_count:,}",
                "near copies": f"{audit.near_duplicates_count:,}",
                "leaked from learning to test": f"{audit.leaked_count:,}",
                "unreadable files": f"{len(audit.unreadable):,}",
                "fingerprint": audit.fingerprint[:16],
            }
        ),
    ]
    unreadable = (f"{visible(file.path)}: {visible(file.reason)}" for file in audit.unreadable)
    parts += _listed("Unreadable", unreadable, len(audit.unreadable))
    pairs = {id(pair): pair for pair in (*audit.leaked, *audit.duplicates, *audit.near_duplicates)}.values()
    count = audit.duplicates_count + audit.near_duplicates_count
    parts += _listed("Copies", map(_pair, pairs), count)
    for title, lines, style in (("To act upon", audit.findings, "yellow"), ("Notes", audit.notes, "")):
        if lines:
            parts += [Text(), Text(title, style="bold"), bullets(lines, style)]
    return Group(*parts)


def _classes(audit: Audit) -> Table:
    rows = table("class", "learning", "test", "", numbers=("learning", "test"))
    largest = max(counts["learning"] for counts in audit.counts.values())
    for name in audit.classes[:CLASSES_SHOWN]:
        counts = audit.counts[name]
        share = counts["learning"] / max(largest, 1)
        figures = f"{counts['learning']:,}", f"{counts['test']:,}"
        rows.add_row(short(name, NAME_CELLS), *figures, Text(bar(share, 24), style="cyan"))
    if more := and_more(CLASSES_SHOWN, len(audit.classes)):
        rows.add_row(Text(more, style="dim"))
    return rows


def _sizes(audit: Audit) -> dict[str, str | Text]:
    """The most common sizes as they were read, and the smallest and largest sides where there are several sizes."""
    common = [f"{height:,}x{width:,} ({count:,})" for (height, width), count in audit.sizes.items()]
    more = and_more(SIZES_SHOWN, len(common))
    rows: dict[str, str | Text] = {"height x width as read": ", ".join([*common[:SIZES_SHOWN], *filter(None, [more])])}
    if len(common) > 1:
        heights, widths = zip(*audit.sizes, strict=True)
        rows["heights, widths"] = f"{min(heights):,} … {max(heights):,}, {min(widths):,} … {max(widths):,}"
    return rows


def _listed(title: str, lines: Iterable[str], count: int) -> list[RenderableType]:
    if not count:
        return []
    shown = [Text(f"  {line}", overflow="fold") for line, _ in zip(lines, range(LINES_SHOWN), strict=False)]
    if more := and_more(len(shown), count):
        shown.append(Text(f"  {more} (all of them: --json)", style="dim"))
    return [Text(), Text(title, style="bold"), *shown]


def _pair(pair: Copy) -> str:
    what = "one picture, two labels" if pair.labels_conflict else "leaked" if pair.leaks else pair.kind
    return f"{what}: {_member(pair.first)} and {_member(pair.second)}"


def _member(member: Member) -> str:
    return f"{member.part} {member.index:,} ({short(member.label, NAME_CELLS)})"
