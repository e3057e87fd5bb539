"""Where a training runs and in which floating-point type its products are taken."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from pennyweight.core.errors import TrainingError, UsageError
from pennyweight.net.graph import Graph
from pennyweight.net.ops import Conv, DepthwiseConv

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3) in glibc's malloc.h."""

OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""How torch's RuntimeErrors say it: its allocators on Linux and Windows (c10/core/impl/alloc_cpu.cpp), CUDA and MPS."""

DEVICES: dict[str, Callable[[], bool]] = {
    "cuda": lambda: torch.cuda.is_available(),
    "mps": lambda: torch.backends.mps.is_available(),
    "cpu": lambda: True,
}
"""How each device is looked for; `auto` takes the first that is found."""


def choose_device(wish: str = "auto") -> torch.device:
    """The device called `wish`; `auto` takes CUDA, then MPS, then the CPU. Raises UsageError if it is not there."""
    found = [name for name, is_there in DEVICES.items() if is_there()]
    if wish == "auto":
        return torch.device(found[0])
    if wish not in found:
        raise UsageError(f"device {wish!r} is not here", hint=f"found: {', '.join(found)}; --device auto chooses")
    return torch.device(wish)


DENSE_BATCH_MIN = 1024
"""From this batch on dense layers gain by bfloat16 on a CPU (docs/log.md: 1.26 times as fast; undecided at 512)."""


def product_type(device: torch.device, graph: Graph, batch: int) -> torch.dtype:
    """bfloat16 where the device multiplies it natively and it makes this graph faster, else float32.

    Natively: CUDA from Ampere on, and CPUs with AVX-512 BF16 or AMX. On CPUs it was slower for dense layers on small
    batches, and about 19 times slower for the backward pass of depthwise convolutions (docs/log.md). Weights, sums of
    batch norms, losses and optimiser states stay float32 (autocast).
    """
    ops = {type(layer.op) for layer in graph.layers}
    faster = device.type != "cpu" or (DepthwiseConv not in ops and (Conv in ops or batch >= DENSE_BATCH_MIN))
    return torch.bfloat16 if faster and _multiplies_bfloat16(device) else torch.float32


@contextmanager
def out_of_memory_told(
    what: str = "training",
    hint: str = "take a smaller batch (--set batch=32), a smaller network, or smaller images (--input)",
) -> Iterator[None]:
    """Turns what an allocator refuses into a TrainingError with this hint."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in OUT_OF_MEMORY):
            raise
        why = "".join(f": {line}" for line in str(error).splitlines()[:1])
        raise TrainingError(
            f"the {what} does not fit into memory{why}",
            hint=hint,
        ) from error


@cache
def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory in this process rather than give it back after every step.

    Each step frees megabytes and asks for them again; given back, every page comes as a fault. Kept, steps took 0.55
    (MNIST mlp) and 0.86 times as long (ResNet-8) on two cores. Does nothing with another C library.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, 2**30)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, ask, lambda: False)() for ask in asks)


def environment(device: torch.device) -> dict[str, Any]:
    """What a figure's reader wants to know of the machine: versions, processor, threads, device."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "multiplies_bfloat16": _multiplies_bfloat16(device),
    }
