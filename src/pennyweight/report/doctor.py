"""How `pennyweight doctor` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pennyweight.core.text import visible
from pennyweight.core.units import format_bytes, format_milliseconds
from pennyweight.report.terminal import facts, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pennyweight.core.gpu import Obstacle
    from pennyweight.fit.doctor import Checkup

STATES = {"used": "green", "unused": "yellow", "none": ""}


def doctor_report(checkup: Checkup) -> RenderableType:
    """The machine, its devices, the GPU, the extras, the tools, the data, and what must be mended."""
    return Group(
        _machine(checkup),
        *_section("Devices", _devices(checkup)),
        *_section("GPU", *_gpu(checkup)),
        *_section("Extras", _extras(checkup)),
        *_section("Tools (none is needed for training)", _tools(checkup)),
        *_section("Data sets", *_data(checkup)),
        Text(),
        *_verdict(checkup),
    )


def _section(title: str, *parts: RenderableType) -> list[RenderableType]:
    return [Text(), Text(title, style="bold"), *parts]


def _machine(checkup: Checkup) -> RenderableType:
    memory, threads = checkup.memory, "not known" if checkup.threads is None else f"{checkup.threads:,}"
    limit = f" ({visible(checkup.threads_limited_by)})" if checkup.threads_limited_by else ""
    free = "" if memory.free_bytes is None else f", {format_bytes(memory.free_bytes)} free"
    return facts(
        {
            "system": visible(checkup.platform),
            "processor": f"{visible(checkup.processor)}, {checkup.cores:,} cores",
            "threads": f"{threads}{limit}",
            "memory": "not known" if memory.total_bytes is None else f"{format_bytes(memory.total_bytes)}{free}",
            "disk": f"{format_bytes(checkup.free_disk_bytes)} free for {visible(checkup.runs)}",
            "Python, torch": f"{checkup.python}, {visible(checkup.torch) or 'none'}",
        }
    )


def _devices(checkup: Checkup) -> RenderableType:
    made = table("device", "what it is", "training step")
    for device in checkup.devices:
        works = Text(f"fails: {visible(device.failure)}", style="red")
        if device.step_ms is not None:
            works = Text(f"works, {format_milliseconds(device.step_ms)}", style="green")
        made.add_row(device.name, visible(device.description), works)
    return made if checkup.devices else Text("none, for torch cannot be imported", style="red")


def _gpu(checkup: Checkup) -> list[RenderableType]:
    return [Text(visible(checkup.gpu.says), style=STATES[checkup.gpu.state]), *_obstacles(checkup.gpu.obstacles)]


def _obstacles(obstacles: Sequence[Obstacle]) -> list[RenderableType]:
    lines = []
    for each in obstacles:
        lines += [Text(f"• {visible(each.says)}"), Text.assemble("  → ", (visible(each.mend), "bold"))]
    return [Text("\n").join(lines)] if lines else []


def _extras(checkup: Checkup) -> RenderableType:
    rows: dict[str, str | Text] = {}
    for extra in checkup.extras:
        missing = f"without {', '.join(extra.missing)}: {extra.mend}"
        rows[extra.name] = Text(missing) if extra.missing else Text("installed", style="green")
    return facts(rows)


def _tools(checkup: Checkup) -> RenderableType:
    rows: dict[str, str | Text] = {}
    for tool in checkup.tools:
        found = Text(visible(tool.found), style="green") if tool.found else Text(f"not here: {tool.mend}")
        rows[tool.name] = Text.assemble(f"{tool.purpose}: ", found)
    return facts(rows)


def _data(checkup: Checkup) -> list[RenderableType]:
    here = {name: visible(place) for name, place in checkup.data_sets.items() if place}
    absent = [name for name, place in checkup.data_sets.items() if not place]
    rows: dict[str, str | Text] = {"looked for in": ", ".join(map(visible, checkup.data_folders)) or "no folder"}
    rows |= here
    if absent:
        rows["fetched when asked for"] = ", ".join(absent)
    return [facts(rows)]


def _verdict(checkup: Checkup) -> list[RenderableType]:
    if not checkup.broken:
        return [Text("All that is needed works.", style="bold green")]
    return [Text("To be mended", style="bold red"), *_obstacles(checkup.broken)]
