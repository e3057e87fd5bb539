"""The folder of a search, read: the file that tells of its runs, and where each of them lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pennyweight.core.errors import RunError
from pennyweight.core.files import read_within
from pennyweight.core.run import SEARCH, TEXT_MAX_BYTES


def search_facts(folder: Path) -> dict[str, Any]:
    """What `search.json` in `folder` tells. Raises RunError where there is none, or it is no JSON object."""
    try:
        facts = json.loads(read_within(folder, SEARCH, TEXT_MAX_BYTES))
        if not isinstance(facts, dict):
            raise ValueError("it is not a JSON object")
    except FileNotFoundError as error:
        hint = "name the folder of a search: pennyweight search makes one"
        raise RunError(f"{folder} is not a search: {SEARCH} is missing", hint=hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{folder}: {SEARCH} cannot be read: {error}") from error
    return facts


def run_within(folder: Path, told: str) -> Path:
    """Where the run that a search calls `told` lies: beside its summary, wherever both were moved to since.

    Raises RunError where that is no folder directly within the search's own; a link may lead elsewhere.
    """
    run = folder / Path(told).name
    try:
        if run.resolve().parent == folder.resolve() and run.is_dir():
            return run
    except (OSError, ValueError, RuntimeError):  # a name that is too long, not of this system, or a loop of links
        pass
    raise RunError(f"there is no run {run.name} in {folder}")
