"""How it was made: recipe, environment, and the commands that make it again."""

from __future__ import annotations

import shlex

from pennyweight.core.text import visible
from pennyweight.report.html.facts import RunFacts, SearchFacts
from pennyweight.report.html.figure import shortened
from pennyweight.report.html.section import Fact, Section


def making_section(key: str, run: RunFacts, search: SearchFacts | None) -> Section:
    recipe, commands = run.recipe, []
    if run.settings.get("source") and recipe:
        parts = ["pennyweight train", shlex.quote(run.source), shlex.quote(run.network)]
        parts += [f"--set {shlex.quote(f'{name}={plain(value)}')}" for name, value in recipe.items() if value != ""]
        commands.append(("The same training again", visible(" ".join(parts))))
    elif recipe:
        commands.append(("It was trained from Python, on images of its own, with this recipe", ""))
    commands.append(("How well it answers", visible(f"pennyweight evaluate {run.command}")))
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
