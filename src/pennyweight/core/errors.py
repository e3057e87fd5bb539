"""The exceptions that pennyweight raises.

PennyweightError                 anything that we refuse or cannot do; the command line prints it and exits 1
├── UsageError                   a word that we do not know: verb, family, dial, board, unit, recipe key; exits 2
├── DataError                    a source of images that is missing, unreadable or unusable
├── GraphError                   a network that cannot be built, traced or carried
├── BudgetError                  a budget that nothing can meet
├── TrainingError                a training that cannot go on, such as a loss that is not a number
├── FirmwareError                a program for a board that cannot be built, does not fit, or fails while it runs
├── RunError                     a run folder that is missing, incomplete or changed
└── MissingExtraError            an optional dependency that is not installed
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from pennyweight.core.install import install_command

if TYPE_CHECKING:
    from collections.abc import Iterable


class PennyweightError(Exception):
    """Anything that pennyweight refuses; `str()` is one message, `hint` says what to do next (or is empty)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(PennyweightError):
    """A word that is not known."""

    exit_code = 2


class DataError(PennyweightError):
    """A source of images that is missing, unreadable or unusable."""


class GraphError(PennyweightError):
    """A network that cannot be built, traced or carried."""


class BudgetError(PennyweightError):
    """A budget that nothing can meet."""


class TrainingError(PennyweightError):
    """A training that cannot go on."""


class FirmwareError(PennyweightError):
    """A program for a board that cannot be built, does not fit, or fails while it runs."""


class RunError(PennyweightError):
    """A run folder that is missing, incomplete or changed."""


class MissingExtraError(PennyweightError):
    """An optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra `{extra}`, which is not installed",
            hint=install_command(extra),
        )


def unknown(kind: str, word: str, known: Iterable[str]) -> UsageError:
    """The error for a `word` that is none of the `known` ones; its hint names the nearest, or all of them.

    >>> unknown("network", "mpl", ["mlp", "resnet8"]).hint
    'did you mean mlp?'
    """
    choices = list(known)
    near = get_close_matches(word, choices, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(choices)}"
    return UsageError(f"unknown {kind} {word!r}", hint=hint)
