"""The engine of one worker: this very process, one training after the other."""

from __future__ import annotations

import torch

from pennyweight.plan.engines.base import Engine, ImagesByShape, OnProgress
from pennyweight.plan.worker import Job, Outcome, work


class Here(Engine):
    """`wait` does the training, however long it takes."""

    workers = 1

    def __init__(self, images: ImagesByShape, on_progress: OnProgress | None = None) -> None:
        self.threads = torch.get_num_threads()
        self._images, self._on_progress = images, on_progress
        self._job: Job | None = None

    def submit(self, job: Job) -> None:
        """Take a job; there is one at a time."""
        assert self._job is None
        self._job = job

    def wait(self, seconds: float) -> list[Outcome]:
        """The outcome of the job, once it is done."""
        if self._job is None:
            return []
        job, self._job, told = self._job, None, self._on_progress
        height, width, channels = job.graph.input_shape
        images = self._images[height, width, channels]
        return [work(job, images, None if told is None else lambda progress: told(job.number, progress))]

    def close(self) -> None:
        """Nothing outlives the call that does it."""
        self._job = None
