"""What a verb answers on stdout: one JSON object for programs."""

from __future__ import annotations

import json
import math
import sys
from typing import Any


def print_json(facts: dict[str, Any]) -> None:
    """Print the facts as one JSON object; numbers that are not finite, which JSON does not know, become null."""
    sys.stdout.write(json.dumps(finite(facts), allow_nan=False) + "\n")


def finite(facts: Any) -> Any:
    """The same with None for every number that is not finite.

    >>> finite({"loss": float("nan"), "curve": [1.5, float("inf")]})
    {'loss': None, 'curve': [1.5, None]}
    """
    match facts:
        case float():
            return facts if math.isfinite(facts) else None
        case dict():
            return {key: finite(value) for key, value in facts.items()}
        case list() | tuple():
            return [finite(value) for value in facts]
    return facts
