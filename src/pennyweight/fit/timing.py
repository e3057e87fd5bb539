"""How long a network takes for an image, on this machine and now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import quantiles
from time import perf_counter
from typing import Any

import numpy as np
import torch

from pennyweight.data.images import Pixels
from pennyweight.fit.network import TrainedNetwork
from pennyweight.fit.predict import as_tensor

SECONDS = 1.2
"""What all measurements together may take, about: the last one that was begun is ended."""

SHARE = 0.1
"""The share of SECONDS that one batch size gets; a single image gets twice as much."""

REPEATS = 5, 100
"""At least and at most so often is each batch answered."""

BATCH_MAX = 1024
"""The largest batch that is tried; evaluation sends as many at once."""

UNSTEADY = 0.25
"""Quartiles that are further apart than this share of their median tell of other work on the machine."""

Quartiles = tuple[float, float]
"""What a quarter of the repeats, and what three quarters of them, did not exceed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians of many answers, from uint8 pixels to logits, after warming up, with `threads` threads on `device`.

    The quartiles beside each median are None where an older version did not keep them.
    """

    batch1_ms: float
    best_batch: int
    best_batch_ms_per_image: float
    threads: int
    device: str
    batch1_ms_quartiles: Quartiles | None = None
    best_batch_ms_per_image_quartiles: Quartiles | None = None

    @property
    def unsteady(self) -> bool:
        """Whether the repeats of one of the two disagree by more than UNSTEADY."""
        both = (
            (self.batch1_ms, self.batch1_ms_quartiles),
            (self.best_batch_ms_per_image, self.best_batch_ms_per_image_quartiles),
        )
        return any(quartiles and quartiles[1] - quartiles[0] > UNSTEADY * median for median, quartiles in both)

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        facts = {name: list(told) if isinstance(told, tuple) else told for name, told in asdict(self).items()}
        return facts | {"times_unsteady": self.unsteady}


@torch.inference_mode()
def measure(network: TrainedNetwork, images: Pixels) -> Timing:
    """The time that `network` takes for an image on this machine: alone, and in the power of two that suits it best.

    `images` are a few of those that it answers, `(count, height, width, channels)`; they are repeated to fill a batch.
    """
    network.module.eval()
    mean, scale = network.normalisation.tensors(network.device)

    def answer(batch: int) -> Callable[[], object]:
        pixels = as_tensor(images[np.arange(batch) % len(images)]).permute(0, 3, 1, 2)
        # The copy to the CPU waits for the device.
        return lambda: network.module(pixels.to(network.device).float().sub_(mean).mul_(scale)).cpu()

    began = perf_counter()
    per_image = {1: _quartiles_ms(answer(1), 2 * SHARE * SECONDS)}
    batch = 2
    while batch <= BATCH_MAX:
        expected_ms = (REPEATS[0] + 1) * batch * per_image[batch // 2][1]
        if perf_counter() - began + expected_ms / 1e3 > SECONDS:
            break
        per_image[batch] = [each / batch for each in _quartiles_ms(answer(batch), SHARE * SECONDS)]
        batch *= 2
    best = min(per_image, key=lambda batch: per_image[batch][1])
    (alone_lower, alone, alone_upper), (lower, median, upper) = per_image[1], per_image[best]
    return Timing(
        batch1_ms=alone,
        best_batch=best,
        best_batch_ms_per_image=median,
        threads=torch.get_num_threads(),
        device=network.device.type,
        batch1_ms_quartiles=(alone_lower, alone_upper),
        best_batch_ms_per_image_quartiles=(lower, upper),
    )


def _quartiles_ms(work: Callable[[], object], room: float) -> list[float]:
    """Quartile, median and quartile of the time of `work` in ms, done as often as `room` seconds allow, within REPEATS.

    A first time does not count.
    """
    work()
    least, most = REPEATS
    times: list[float] = []
    ends = perf_counter() + room
    while len(times) < least or (len(times) < most and perf_counter() < ends):
        began = perf_counter()
        work()
        times.append(1e3 * (perf_counter() - began))
    return quantiles(times, n=4, method="inclusive")
