"""How it was made: recipe, environment, and the commands that make it again."""

from __future__ import annotations

from pennyweight.core.text import command, visible
from pennyweight.report.html.facts import RunFacts, SearchFacts
from pennyweight.report.html.figure import shortened
from pennyweight.report.html.section import Fact, Section


def making_section(key: str, run: RunFacts, search: SearchFacts | None) -> Section:
    recipe, commands = run.recipe, []
    if run.settings.get("source") and recipe:
        words = [word for name, value in recipe.items() if value != "" for word in ("--set", f"{name}={plain(value)}")]
        training = command("train", run.source, run.network, *_shape(run), *words)
        commands.append(("The same training again", training))
    elif recipe:
        commands.append(("It was trained from Python, on images of its own, with this recipe", ""))
    commands.append(("How well it answers", command("evaluate", run.folder)))
    settings = [
        (
            caption,
            [
                (shortened(visible(name), 40), shortened(visible(plain(value)), 80))
                for name, value in facts.items()
                if value != ""
            ],
        )
        for caption, facts in (("Recipe", recipe), ("Environment", run.environment))
        if facts
    ]
    made = [
        Fact(
            "Begun",
            shortened(visible(run.settings.get("created") or "not kept"), 40)
            .replace("T", " ")
            .replace("+00:00", " UTC"),
        ),
        Fact(
            "Made with",
            f"pennyweight {shortened(visible(run.settings.get('pennyweight') or 'of an unknown version'), 40)}",
        ),
        Fact("Folder", shortened(visible(search.folder if search else run.folder), 80)),
    ]
    return Section(f"{key}-making", "How it was made", facts=made, settings=settings, commands=commands, is_plain=True)


def plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shape(run: RunFacts) -> list[str]:
    """The option that brings images to the shape that this run had, where they were brought to it."""
    notes, shape = run.settings.get("notes"), run.settings.get("input_shape")
    resized = isinstance(notes, list) and any(str(note).startswith("images were ") for note in notes)
    return ["--input", "x".join(map(str, shape))] if resized and isinstance(shape, list) else []
