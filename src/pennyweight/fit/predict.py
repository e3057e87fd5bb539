"""Logits of pictures: the one way in which uint8 pixels reach a module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from pennyweight.data.images import Part, Pixels


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Per channel: a pixel `p` in 0 … 255 enters the network as `(p - mean) / std`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @staticmethod
    def of(part: Part) -> Normalisation:
        """Mean and standard deviation of the pixels of each channel; a constant channel has deviation 1."""
        pixels = as_tensor(part.images).flatten(0, 2)
        counts = torch.stack([torch.bincount(channel, minlength=256) for channel in pixels.unbind(1)]).double()
        value = torch.arange(256, dtype=torch.float64)
        share = counts / counts.sum(1, keepdim=True)
        mean = (share * value).sum(1)
        std = ((share * value.square()).sum(1) - mean.square()).clamp_min(0).sqrt()
        std = torch.where(std < 1e-6, torch.ones_like(std), std)
        return Normalisation(tuple(mean.tolist()), tuple(std.tolist()))

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and 1 / std as `(1, channels, 1, 1)` float32."""
        mean, std = torch.tensor(self.mean, device=device), torch.tensor(self.std, device=device)
        return mean.view(1, -1, 1, 1), (1 / std).view(1, -1, 1, 1)


def as_tensor(array: npt.NDArray[Any]) -> Tensor:
    """The tensor of an array; a copy where it is read-only or runs backwards, which torch cannot share."""
    can_share = array.flags.writeable and min(array.strides) >= 0
    return torch.from_numpy(array if can_share else array.copy())


@torch.inference_mode()
def logits(
    module: nn.Module,
    images: Pixels,
    normalisation: Normalisation,
    device: torch.device,
    *,
    state: Mapping[str, Tensor] | None = None,
    batch: int = 1024,
) -> Tensor:
    """float32 logits `(count, classes)` on the CPU of uint8 images `(count, height, width, channels)`.

    `state` takes the place of the module's own parameters and statistics where it is given.
    """
    was_training = module.training
    module.eval()
    mean, scale = normalisation.tensors(device)
    rows = []
    for start in range(0, len(images), batch):
        pixels = as_tensor(images[start : start + batch]).to(device).permute(0, 3, 1, 2)
        x = pixels.float().sub_(mean).mul_(scale)
        out = module(x) if state is None else torch.func.functional_call(module, dict(state), x)
        rows.append(out.float().cpu())
    module.train(was_training)
    return torch.cat(rows)
