"""`pennyweight doctor`: what this machine has, what works on it, and why a GPU is not used.

torch is imported inside, so that a torch that cannot be imported is a finding and no crash.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pennyweight.core.errors import DataError
from pennyweight.core.gpu import REINSTALL, GpuFacts, GpuVerdict, Obstacle, gpu_of_this_machine, judge_gpu
from pennyweight.core.machine import (
    Extra,
    Memory,
    Tool,
    cores,
    extras,
    free_disk_bytes,
    may_write,
    memory,
    processor,
    tools,
)
from pennyweight.core.shown import Shown
from pennyweight.data.source import ENVIRONMENT, data_folders, found_sets

RUNS = Path("runs")
FREE_DISK_MIN_BYTES = 100 << 20
"""A training of the largest network of the zoo keeps this much."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device of torch: what it is, and how long one training step took, or why it failed."""

    name: str
    description: str
    step_ms: float | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Checkup(Shown):
    """What a machine has. `broken` lists what is needed and does not work, each with the way to mend it."""

    python: str
    torch: str
    platform: str
    processor: str
    cores: int
    threads: int | None
    threads_limited_by: str
    memory: Memory
    runs: Path
    free_disk_bytes: int
    devices: tuple[Device, ...]
    gpu: GpuVerdict
    extras: tuple[Extra, ...]
    tools: tuple[Tool, ...]
    data_folders: tuple[Path, ...]
    data_sets: dict[str, Path | None]
    broken: tuple[Obstacle, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            **asdict(self),
            "runs": str(self.runs),
            "data_folders": [str(folder) for folder in self.data_folders],
            "data_sets": {name: str(place) if place else None for name, place in self.data_sets.items()},
        }


def doctor(*, data_dir: Path | None = None) -> Checkup:
    """What this machine has and what works on it; each device takes one small training step, so that it is measured."""
    broken: list[Obstacle] = []
    hardware = gpu_of_this_machine()
    facts, torch_version, threads = GpuFacts(**hardware), "", None
    devices: tuple[Device, ...] = ()
    try:
        import torch
    except (ImportError, OSError) as error:  # a library that is missing or of another version
        broken.append(Obstacle(f"torch cannot be imported: {error}", REINSTALL))
    else:
        torch_version, threads = str(torch.__version__), torch.get_num_threads()
        facts = GpuFacts(**hardware | _torch_on_gpus())
        devices = _devices(facts)
    broken += [Obstacle(f"{each.name} fails: {each.failure}", REINSTALL) for each in devices if each.failure]
    found = extras()
    broken += [
        Obstacle(f"missing packages: {', '.join(each.missing)}", each.mend)
        for each in found
        if each.missing and not each.name
    ]
    try:
        folders, sets = tuple(data_folders(data_dir)), found_sets(data_dir)
    except DataError as error:
        folders, sets = (), {}
        broken.append(Obstacle(str(error), f"name a folder that is there, or none: unset {ENVIRONMENT}"))
    if not may_write(RUNS):
        broken.append(Obstacle(f"{RUNS.absolute()} cannot be written", "go to another folder, or give --out FOLDER"))
    elif free_disk_bytes(RUNS) < FREE_DISK_MIN_BYTES:
        broken.append(Obstacle("the disk is nearly full, and runs would not fit", "make room, or give --out FOLDER"))
    limits = (f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ)
    return Checkup(
        python=platform.python_version(),
        torch=torch_version,
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=processor(),
        cores=cores(),
        threads=threads,
        threads_limited_by=next(limits, ""),
        memory=memory(),
        runs=RUNS.absolute(),
        free_disk_bytes=free_disk_bytes(RUNS),
        devices=devices,
        gpu=judge_gpu(facts),
        extras=tuple(each for each in found if each.name),
        tools=tools(),
        data_folders=folders,
        data_sets=sets,
        broken=tuple(broken),
    )


def _torch_on_gpus() -> dict[str, Any]:
    """The fields of GpuFacts that torch tells."""
    import torch

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        works = torch.cuda.is_available()
        says = ""
        if not works and torch.version.cuda:
            try:
                torch.cuda.init()  # type: ignore[no-untyped-call]
            except (RuntimeError, AssertionError) as error:
                says = str(error)
    says = says or " ".join(str(warning.message) for warning in told)
    facts = {
        "torch": str(torch.__version__),
        "torch_cuda": torch.version.cuda or "",
        "torch_hip": torch.version.hip or "",
        "torch_says": says.strip().partition("\n")[0],
        "cuda_works": works,
        "mps_built": torch.backends.mps.is_built(),
        "mps_works": torch.backends.mps.is_available(),
    }
    if works:
        count = torch.cuda.device_count()
        facts["nvidia_cards"] = tuple(torch.cuda.get_device_name(index) for index in range(count))
        if not torch.version.hip:
            facts["capability"] = ".".join(map(str, torch.cuda.get_device_capability()))
            facts["built_for"] = tuple(torch.cuda.get_arch_list())
    return facts


def _devices(facts: GpuFacts) -> tuple[Device, ...]:
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    found = [_tried("cpu", f"{cores()} cores, {capability}")]
    if facts.cuda_works:
        found += [_tried(f"cuda:{index}", name) for index, name in enumerate(facts.nvidia_cards)]
    if facts.mps_works:
        found.append(_tried("mps", "Apple's GPU"))
    return tuple(found)


def _tried(name: str, description: str) -> Device:
    """The device, after one training step of a small convolutional network on it; the step before it is not timed."""
    try:
        _step(name)
        began = time.perf_counter()
        _step(name)
        return Device(name, description, 1000 * (time.perf_counter() - began))
    except Exception as error:  # whatever a driver or a library raises: it is what we came to see
        return Device(name, description, None, str(error).strip().partition("\n")[0] or type(error).__name__)


def _step(name: str) -> None:
    """One training step. Raises ArithmeticError where what comes out is not a number."""
    import torch
    from torch.nn import functional as F

    from pennyweight.net.module import to_module
    from pennyweight.net.zoo import build_network

    module = to_module(build_network("pooled-resnet:width=8", (16, 16, 1), 10), seed=0).to(name)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    images, labels = torch.zeros(8, 1, 16, 16, device=name), torch.arange(8, device=name)
    loss = F.cross_entropy(module(images), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    if not torch.isfinite(loss).item():
        raise ArithmeticError(f"the loss of a training step is {loss.item()}")
