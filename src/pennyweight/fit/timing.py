"""How long a network takes for an image, on this machine and now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
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


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians of many answers, from uint8 pixels to logits, after warming up, with `threads` threads on `device`."""

    batch1_ms: float
    best_batch: int
    best_batch_ms_per_image: float
    threads: int
    device: str

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return asdict(self)


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
    per_image = {1: _seconds(answer(1), 2 * SHARE * SECONDS)}
    batch = 2
    while batch <= BATCH_MAX:
        expected = (REPEATS[0] + 1) * batch * per_image[batch // 2]
        if perf_counter() - began + expected > SECONDS:
            break
        per_image[batch] = _seconds(answer(batch), SHARE * SECONDS) / batch
        batch *= 2
    best = min(per_image, key=lambda batch: per_image[batch])
    return Timing(
        batch1_ms=1e3 * per_image[1],
        best_batch=best,
        best_batch_ms_per_image=1e3 * per_image[best],
        threads=torch.get_num_threads(),
        device=network.device.type,
    )


def _seconds(work: Callable[[], object], room: float) -> float:
    """The median time of `work`, done as often as `room` seconds allow, within REPEATS; a first time does not count."""
    work()
    least, most = REPEATS
    times: list[float] = []
    ends = perf_counter() + room
    while len(times) < least or (len(times) < most and perf_counter() < ends):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return median(times)
