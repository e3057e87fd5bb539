"""What every engine is: jobs in, outcomes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import TracebackType

from pennyweight.data.images import LabelledImages
from pennyweight.fit.loop import Progress
from pennyweight.plan.worker import Job, Outcome

Shape = tuple[int, int, int]
ImagesByShape = Mapping[Shape, LabelledImages]
"""The images of a search, at each input shape of its space."""

OnProgress = Callable[[int, Progress], None]
"""Told the number of a trial and where its training stands, by the engine that trains in this process."""


class Engine(ABC):
    """Runs up to `workers` jobs at once, each with `threads` threads. A job that was submitted has one outcome.

    A job whose worker dies is tried again; one that kills its worker each time ends as failed. Leaving the `with`
    block ends what still runs; its run folders keep their checkpoints.
    """

    workers: int
    threads: int

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Take a job; there are never more than `workers` of them without an outcome."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Outcome]:
        """The outcomes since the last call: at least one, unless `seconds` pass without any."""

    @abstractmethod
    def close(self) -> None:
        """End what still runs, and free what is held."""
