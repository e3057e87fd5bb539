"""How `pennyweight networks` looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pennyweight.net.zoo.family import Dial, Family


def networks_report(families: Sequence[Family]) -> RenderableType:
    """Every family with its dials at their defaults; what several families share is explained once, in the end."""
    uses = Counter(_meaning(dial) for family in families for dial in family.dials)
    shared: dict[str, Dial] = {}
    parts: list[RenderableType] = []
    for family in families:
        own = [dial for dial in family.dials if uses[_meaning(dial)] == 1]
        common = [dial for dial in family.dials if uses[_meaning(dial)] > 1]
        shared |= {dial.name: dial for dial in common}
        lines: list[RenderableType] = [
            Text(family.summary),
            _explained([(_default(dial), dial) for dial in own]),
            Text("  ").join(_default(dial) for dial in common),
            Text(),
        ]
        parts += [Text(family.name, style="bold"), Padding(Group(*lines), (0, 0, 0, 2))]
    parts += [
        Text("Dials that several families share", style="bold"),
        Padding(_explained([(Text(name, style="cyan"), dial) for name, dial in sorted(shared.items())]), (0, 0, 1, 2)),
        Text("Turn dials so: pennyweight profile mlp:hidden=80-60,dropout=0.2 --input 28x28x1"),
    ]
    return Group(*parts)


def _meaning(dial: Dial) -> tuple[str, str]:
    return dial.name, dial.help


def _default(dial: Dial) -> Text:
    return Text.assemble((dial.name, "cyan"), "=", dial.format(dial.default))


def _explained(rows: Sequence[tuple[Text, Dial]]) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(no_wrap=True)
    made.add_column()
    for name, dial in rows:
        made.add_row(name, f"{dial.help}: {dial.allowed}")
    return made
