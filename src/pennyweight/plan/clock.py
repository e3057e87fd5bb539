"""The clock of a search: how much of its minutes is left, also after it was killed and resumed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Counts the seconds of a search from `offset_s` on, since `began`, by a clock that nobody can set.

    `seconds` is how long the search may take, infinity without a limit; `reserve_s` of them are kept for what comes
    after the last training.
    """

    seconds: float = math.inf
    reserve_s: float = 0.0
    offset_s: float = 0.0
    cut: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def timed(self) -> bool:
        """Whether there is a limit."""
        return self.seconds < math.inf

    @property
    def minutes(self) -> float | None:
        """The limit; None without one."""
        return self.seconds / 60 if self.timed else None

    @property
    def spent_s(self) -> float:
        """Seconds that the search has taken so far, those before a resumption too."""
        return self.offset_s + time.monotonic() - self.began

    def left_s(self, share: float = 1.0) -> float:
        """Seconds that trainings still have of this share of the time; below zero once it is over."""
        return -math.inf if self.cut else share * (self.seconds - self.reserve_s) - self.spent_s
