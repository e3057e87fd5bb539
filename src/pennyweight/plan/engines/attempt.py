"""Attempt: a job that is under way on a worker that may die."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from pennyweight.plan.worker import Job, Outcome

DEATHS = 3
"""Workers that a job may bring to death."""


@dataclass(slots=True)
class Attempt:
    """A job, when it was first begun, and how many workers died over it."""

    job: Job
    began: float = field(default_factory=time.monotonic)
    deaths: int = 0

    def remaining(self) -> Job:
        """The job, with the seconds that are left to it now."""
        return replace(self.job, seconds=self.job.seconds - (time.monotonic() - self.began))

    def lost(self) -> Outcome | None:
        """Count a worker that died over it; the job's outcome, where that was one too many to try again."""
        self.deaths += 1
        if self.deaths < DEATHS:
            return None
        seconds = time.monotonic() - self.began
        return Outcome(
            self.job.number, "failed", seconds=seconds, why=f"its worker died {DEATHS} times: out of memory?"
        )
