"""What mattered: the choices of all networks beside their accuracies, and how much each choice did."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pennyweight.report.html.facts import Choice, Gap, SearchFacts, Trial, in_words
from pennyweight.report.html.figure import (
    BLUE,
    ORANGE,
    QUIET,
    SKY,
    Drawing,
    Figure,
    Key,
    Table,
    accuracy_cell,
    drawing,
    label,
    name_in_sentence,
    words,
)
from pennyweight.report.html.importance import NETWORKS_MIN, ask_forest, importance_figure
from pennyweight.report.html.pairs import dropout_pairs, pairs_table
from pennyweight.report.html.section import Section
from pennyweight.report.html.tried import NETWORK, Parameter, first_trainings, parameters

LINES_DRAWN = 400
"""Networks in one figure at most: evenly from the best to the worst."""

FAMILIES_DRAWN = 8

NAMED = 6
"""Values that are written along an axis at most."""

VALUES_MAX = 8
"""Numbers with more values than these lie on a scale, fewer in rooms of their own."""

WIDE = 8
"""A scale that spans such a factor is logarithmic."""

SLOT = 0.62
"""Of the room of a value, the share over which the lines through it are spread, from the worst to the best."""

BEST_SHARE = 0.2
"""The networks whose common choices are told."""

QUARTERS = (("lowest quarter", QUIET), ("third", SKY), ("second", BLUE), ("best quarter", ORANGE))


def choices_section(key: str, search: SearchFacts) -> Section | None:
    """None where nothing was chosen, or what was chosen is not kept."""
    first = first_trainings(search.trials)
    tried = parameters(first)
    if len(first) < 2 or not tried:
        return None
    figures, gaps, tables = [choices_figure(f"{key}-choices", first)], [], []
    if len(first) < NETWORKS_MIN:
        gaps.append(
            Gap(f"How much each choice mattered is told from {NETWORKS_MIN} networks on; these are {len(first)}.")
        )
    else:
        forest = ask_forest(first, tried)
        if forest.is_worth:
            figures.append(importance_figure(f"{key}-importance", forest))
        else:
            gaps.append(
                Gap("How much each choice mattered cannot be told: the accuracy of a network does not follow from its "
                    f"choices in any way that {len(first)} networks show.")
            )  # fmt: skip
    if pairs := dropout_pairs(search.trials):
        tables.append(pairs_table(pairs))
    return Section(
        f"{key}-mattered",
        "What mattered",
        f"The choices of {len(first):,} networks, each told by its first training, which all of them had alike.",
        gaps=gaps,
        figures=figures,
        tables=tables,
    )


def choices_figure(key: str, trials: Sequence[Trial]) -> Figure:
    """Parallel coordinates: a line for each network, through its choices and down to its accuracy."""
    ranked = sorted(trials, key=_share)
    families = list(dict.fromkeys(str(trial.choice.get(NETWORK, trial.family)) for trial in ranked))
    drawings = {}
    if len(families) == 1:
        drawings[""] = _lines(ranked, parameters(ranked))
    else:
        shared = set.intersection(*(set(trial.choice) for trial in ranked))
        tried = parameters(ranked)
        drawings["all"] = _lines(ranked, [each for each in tried if each.name in shared])
        for family in families[:FAMILIES_DRAWN]:
            own = [trial for trial in ranked if str(trial.choice.get(NETWORK, trial.family)) == family]
            if len(own) > 1 and (tried := parameters(own)):
                drawings[family] = _lines(own, tried)
    knobs = [each for each in parameters(ranked) if each.name.startswith("recipe.") or each.name == "input"]
    values = [[_cell_text(each.values[place]) for each in knobs] for place in range(len(ranked))]
    return Figure(
        key=key,
        title=_finding(ranked),
        about="A line for each network, from its choices at the top down to its validation accuracy; the best quarter "
        "of them stands out. Where lines of one colour meet, these networks have a choice in common.",
        drawings=drawings,
        table=Table(
            "Choices and accuracy of every network",
            ("network", *(each.title for each in knobs), "validation, %", "run"),
            tuple(
                (words(trial.network, 48), *(words(text, 24) for text in texts), accuracy_cell(trial.validation),
                 words(trial.run, 32))
                for trial, texts in reversed(list(zip(ranked, values, strict=True)))
            ),
        ),
        height_px=120 + 58 * max(len(each["layout"]["yaxis"]["tickvals"]) for each in drawings.values()),
        choice="Networks",
        keys=tuple(Key(name, colour) for name, colour in reversed(QUARTERS)),
    )  # fmt: skip


def _share(trial: Trial) -> float:
    return trial.validation.share if trial.validation else 0.0


def _cell_text(value: Choice | None) -> str:
    return "–" if value is None else in_words(value)


def _finding(ranked: Sequence[Trial]) -> str:
    """What the best networks have in common and not all have."""
    best = ranked[-max(2, round(BEST_SHARE * len(ranked))) :]
    common = [
        f"{each.title} {name_in_sentence(in_words(value), 24)}"
        for each in parameters(ranked)
        if (value := best[0].choice.get(each.name)) is not None
        and all(trial.choice.get(each.name) == value for trial in best)
    ]
    who = f"The {len(best):,} most accurate of {len(ranked):,} networks"
    if 2 * len(best) > len(ranked):
        return f"The choices of {len(ranked):,} networks and their accuracy"
    return f"{who} have in common: {', '.join(common)}" if common else f"{who} have no choice in common"


def _lines(ranked: Sequence[Trial], tried: Sequence[Parameter]) -> Drawing:
    """The drawing of trials that are sorted by accuracy, the best last and so on top."""
    step = math.ceil(len(ranked) / LINES_DRAWN)
    drawn = list(range(len(ranked)))[::-1][::step][::-1]
    shares = [_share(trial) for trial in ranked]
    low, high = min(shares), max(shares)
    rows = [_along(each) for each in tried]
    rows.append([(share - low) / (high - low) if high > low else 0.5 for share in shares])
    bottom = len(tried)
    traces: list[Drawing] = []
    for quarter, (name, colour) in enumerate(QUARTERS):
        own = [place for place in drawn if 4 * place // len(ranked) == quarter]
        points: list[tuple[float | None, float | None, str]] = []
        for place in own:
            points += [(row[place], depth, _hover(ranked[place])) for depth, row in enumerate(rows)]
            points.append((None, None, ""))
        if points:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": name,
                    "x": [None if x is None else float(f"{x:.4f}") for x, _, _ in points],
                    "y": [y for _, y, _ in points],
                    "line": {"color": colour, "width": 1.75 if quarter == 3 else 1},
                    "opacity": (0.45, 0.5, 0.6, 0.9)[quarter],
                    "text": [text for _, _, text in points],
                    "hovertemplate": "%{text}<extra></extra>",
                }
            )
    traces += [
        _texts(
            [(place, depth - 0.17, text) for depth, each in enumerate(tried) for place, text in _named(each)], "top"
        ),
        _texts([(each, bottom + 0.17, f"{100 * share:.2f} %") for each, share in _ends(low, high)], "bottom"),
    ]
    y = {
        "tickmode": "array",
        "tickvals": list(range(bottom + 1)),
        "ticktext": [*(label(each.title, 16) for each in tried), "accuracy"],
        "range": [bottom + 0.6, -0.6],
        "zeroline": False,
    }
    x = {"range": [-0.02, 1.02], "showgrid": False, "showticklabels": False, "zeroline": False}
    return drawing(traces, x, y)


def _ends(low: float, high: float) -> list[tuple[float, float]]:
    """The ends of the accuracies, with their places."""
    return [(0.0, low), (1.0, high)] if high > low else [(0.5, low)]


def _texts(texts: Sequence[tuple[float, float, str]], side: str) -> Drawing:
    return {
        "type": "scatter",
        "mode": "text",
        "x": [x for x, _, _ in texts],
        "y": [y for _, y, _ in texts],
        "text": [label(text, 12) for _, _, text in texts],
        "textposition": [f"{side} {'right' if x < 0.02 else 'left' if x > 0.98 else 'center'}" for x, _, _ in texts],
        "textfont": {"size": 11, "color": "var(--ink)"},
        "hoverinfo": "skip",
    }


def _along(parameter: Parameter) -> list[float | None]:
    """The place of each trial on the parameter's axis, in [0, 1]; those of one value side by side, the best last."""
    if _is_scale(parameter):
        return [None if value is None else _on_scale(parameter, float(value)) for value in parameter.values]
    count, ranks = len(parameter.order), parameter.ranks
    alike = [ranks.count(rank) for rank in range(count + 1)]
    seen = [0] * (count + 1)
    places: list[float | None] = []
    for rank in ranks:
        seen[rank] += 1
        within = SLOT * ((seen[rank] - 0.5) / alike[rank] - 0.5)
        places.append((rank - 0.5 + within) / count if rank else None)
    return places


def _named(parameter: Parameter) -> list[tuple[float, str]]:
    """The values that are written along the axis, with their places."""
    order = parameter.order
    if _is_scale(parameter):
        low, high = float(order[0]), float(order[-1])
        middle = math.sqrt(low * high) if _is_wide(low, high) else (low + high) / 2
        return [(place, f"{value:.3g}") for place, value in ((0.0, low), (0.5, middle), (1.0, high))]
    step = math.ceil(len(order) / NAMED)
    return [((place + 0.5) / len(order), in_words(order[place])) for place in range(0, len(order), step)]


def _is_scale(parameter: Parameter) -> bool:
    """Whether its axis is one of numbers, not of single values."""
    return parameter.is_number and len(parameter.order) > VALUES_MAX


def _is_wide(low: float, high: float) -> bool:
    return low > 0 and high > WIDE * low


def _on_scale(parameter: Parameter, value: float) -> float:
    low, high = float(parameter.order[0]), float(parameter.order[-1])
    if _is_wide(low, high):
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


def _hover(trial: Trial) -> str:
    lines = [
        f"<b>{label(trial.network, 48)}</b>",
        label(trial.settings, 80),
        f"validation {label(trial.validation, 80)}",
    ]
    return "<br>".join(line for line in lines if line)
