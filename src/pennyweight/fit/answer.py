"""Answer: what a network said to one picture."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network answered to one picture: class names, the answer's confidence in [0, 1], and what it saw as PNG.

    `index` is the picture's place in what was evaluated; `file` and `note` belong to a user's photo.
    """

    index: int
    true: str
    answer: str
    confidence: float
    png: bytes = field(repr=False)
    file: str = ""
    note: str = ""

    @property
    def right(self) -> bool:
        """Whether the answer is the true class."""
        return self.answer == self.true

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON types."""
        facts = {name: getattr(self, name) for name in ("index", "true", "answer", "confidence", "file", "note")}
        return facts | {"png_base64": b64encode(self.png).decode()}
