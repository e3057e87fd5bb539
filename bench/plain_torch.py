"""Contender: the PyTorch loop that professionals write, with Dataset, DataLoader and transforms for each image.

float32, NCHW; the transforms are torchvision's usual ones (ToTensor, Normalize; for colour pictures RandomCrop with
padding 4 and RandomHorizontalFlip before them), written on arrays. `workers` is 0 or 2, whichever is faster here.
"""

from __future__ import annotations

import copy
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from pennyweight.net.module import to_module
from pennyweight.net.zoo import build_network
from turns import Epoch, Turns

PADDING = 4
WORKERS = (0, 2)
PROBE_IMAGES = 8192
OPTIMIZERS = ("adam", "sgd")


class Transform:
    """A uint8 picture `(height, width, channels)` as a normalised float32 `(channels, height, width)`."""

    def __init__(self, mean: Tensor, std: Tensor, *, augment: bool) -> None:
        self.mean, self.std, self.augment = mean, std, augment

    def __call__(self, picture: np.ndarray) -> Tensor:
        if self.augment:
            height, width, channels = picture.shape
            canvas = np.zeros((height + 2 * PADDING, width + 2 * PADDING, channels), np.uint8)
            canvas[PADDING:-PADDING, PADDING:-PADDING] = picture
            top, left = random.randint(0, 2 * PADDING), random.randint(0, 2 * PADDING)
            picture = canvas[top : top + height, left : left + width]
            if random.random() < 0.5:
                picture = picture[:, ::-1]
        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float().div_(255)
        return x.sub_(self.mean).div_(self.std)


class Pictures(Dataset[tuple[Tensor, int]]):
    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Transform) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), int(self.labels[index])


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(filters)
        self.shortcut = nn.Conv2d(channels, filters, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x), inplace=True)


class ResNet8(nn.Sequential):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(
            nn.Conv2d(channels, 16, 3, 1, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            ResidualBlock(16, 16, 1),
            ResidualBlock(16, 32, 2),
            ResidualBlock(32, 64, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, classes),
        )


def mlp(inputs: int, hidden: list[int], classes: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


def module_of(network: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network written by hand in the usual way; those that are long are taken from the zoo, in NCHW."""
    height, width, channels = shape
    match network:
        case "mlp:hidden=80-60-50":
            return mlp(height * width * channels, [80, 60, 50], classes)
        case "resnet8":
            return ResNet8(channels, classes)
    seed = int(torch.randint(2**31, ()))
    module: nn.Module = to_module(build_network(network, shape, classes), seed=seed)
    return module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]


def optimizer_of(
    name: str, module: nn.Module, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    if name == "adam":
        adam = torch.optim.Adam(module.parameters(), lr=1e-3)
        return adam, torch.optim.lr_scheduler.ConstantLR(adam, factor=1)
    sgd = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    return sgd, torch.optim.lr_scheduler.OneCycleLR(sgd, max_lr=0.1, total_steps=steps)


def train_epoch(
    module: nn.Module,
    loader: DataLoader[tuple[Tensor, int]],
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    """The mean loss of one epoch."""
    module.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(module(images), labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item()
    return total / len(loader)


@torch.inference_mode()
def accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    module.eval()
    answers = torch.cat([module(batch).argmax(1) for batch in images.split(1024)])
    return float((answers == labels).float().mean())


def loader_of(pictures: Dataset[tuple[Tensor, int]], batch: int, workers: int) -> DataLoader[tuple[Tensor, int]]:
    return DataLoader(
        pictures, batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )


def faster_workers(pictures: Pictures, batch: int, module: nn.Module, optimizer: str) -> dict[int, float]:
    """Seconds of an epoch over some of the pictures by the number of workers; their start is not counted."""
    some = Subset(pictures, range(min(PROBE_IMAGES, len(pictures))))
    seconds = {}
    for workers in WORKERS:
        loader, probe = loader_of(some, batch, workers), copy.deepcopy(module)
        settings = optimizer_of(optimizer, probe, 2 * len(loader))
        train_epoch(probe, loader, *settings)
        began = time.perf_counter()
        train_epoch(probe, loader, *settings)
        seconds[workers] = time.perf_counter() - began
    return seconds


def main() -> None:
    turns = Turns()
    settings = turns.settings
    torch.manual_seed(settings["seed"])
    random.seed(settings["seed"])
    data = np.load(settings["data"])
    images = data["train_images"]
    shape = images.shape[1:]
    mean = torch.from_numpy(images.mean((0, 1, 2)) / 255).float().view(-1, 1, 1)
    std = torch.from_numpy(images.std((0, 1, 2)) / 255).float().view(-1, 1, 1)
    pictures = Pictures(images, data["train_labels"], Transform(mean, std, augment=shape[2] == 3))
    held_out = torch.stack([Transform(mean, std, augment=False)(picture) for picture in data["validation_images"]])
    labels = torch.from_numpy(data["validation_labels"])

    batch = min(settings["batch"], len(pictures))
    module = module_of(settings["network"], shape, settings["classes"])
    seconds = faster_workers(pictures, batch, module, settings["optimizer"])
    workers = min(seconds, key=seconds.__getitem__)
    loader = loader_of(pictures, batch, workers)
    optimizer, scheduler = optimizer_of(settings["optimizer"], module, settings["epochs"] * len(loader))

    turns.ready(batch=batch, workers=workers)
    while True:
        turns.wait()
        began = time.perf_counter()
        train_epoch(module, loader, optimizer, scheduler)
        took = time.perf_counter() - began
        turns.done(Epoch(len(loader) * batch, took, accuracy(module, held_out, labels)))
