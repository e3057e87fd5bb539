"""Why a GPU is not used: a table of real situations, and the facts of this machine."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core import gpu
from pennyweight.core.gpu import PYTORCH, GpuFacts, gpu_of_this_machine, judge_gpu

CARD: dict[str, Any] = {"nvidia_cards": ("NVIDIA GeForce RTX 4070",)}
CUDA: dict[str, Any] = {"torch": "2.13.0", "torch_cuda": "13.0"}
CPU_ONLY: dict[str, Any] = {"torch": "2.13.0+cpu"}
DRIVER: dict[str, Any] = {"driver": "580.65.06", "nodes": True}
APPLE: dict[str, Any] = {"system": "Darwin", "machine": "arm64", "torch": "2.13.0", "macos": "15.1"}

SITUATIONS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a machine without any GPU": (CPU_ONLY, "none", "no GPU was found", ""),
    "a GPU that works": (CARD | CUDA | DRIVER | {"cuda_works": True}, "used", "CUDA 13.0 with driver 580", ""),
    "a card, and nobody has installed a driver": (CARD | CUDA, "unused", "no NVIDIA driver", "of your distribution"),
    "the same in WSL": (CARD | CUDA | {"wsl": True}, "unused", "no NVIDIA driver", "in Windows (not in Linux)"),
    "a torch for CPUs beside a good driver": (
        CARD | DRIVER | CPU_ONLY,
        "unused",
        "2.13.0+cpu was built for CPUs only",
        "pip install --force-reinstall torch",
    ),
    "the same on Windows, where pip alone brings no CUDA": (
        CARD | DRIVER | CPU_ONLY | {"system": "Windows"},
        "unused",
        "for CPUs only",
        PYTORCH,
    ),
    "a driver of before the CUDA that torch was built for": (
        CARD | CUDA | DRIVER | {"driver": "535.183.01"},
        "unused",
        "driver 535.183.01 is too old: torch 2.13.0 is built for CUDA 13.0, which needs 580",
        "update the driver",
    ),
    "a container without the device nodes": (
        CARD | CUDA | DRIVER | {"nodes": False, "container": True},
        "unused",
        "without the device nodes",
        "--gpus all",
    ),
    "device nodes that are not there after a resume": (
        CARD | CUDA | DRIVER | {"nodes": False},
        "unused",
        "/dev/nvidia*",
        "nvidia-modprobe",
    ),
    "device nodes that belong to a group": (
        CARD | CUDA | DRIVER | {"nodes_denied": True},
        "unused",
        "you may not open",
        "join the group",
    ),
    "a driver that was updated and not restarted": (
        CARD | CUDA | DRIVER | {"smi_says": "Failed to initialize NVML: Driver/library version mismatch"},
        "unused",
        "updated while its older version runs",
        "restart",
    ),
    "CUDA_VISIBLE_DEVICES set to nothing": (
        CARD | CUDA | DRIVER | {"hidden_by": "CUDA_VISIBLE_DEVICES="},
        "unused",
        "hides every GPU",
        "unset CUDA_VISIBLE_DEVICES",
    ),
    "a card that is older than torch knows": (
        CARD | CUDA | DRIVER | {"cuda_works": True, "capability": "3.7", "built_for": ("sm_75", "sm_120")},
        "unused",
        "compute capability 3.7",
        PYTORCH,
    ),
    "CUDA that fails for a reason that only torch knows": (
        CARD | CUDA | DRIVER | {"torch_says": "CUDA unknown error"},
        "unused",
        "CUDA unknown error",
        "restart",
    ),
    "a torch for AMD beside an NVIDIA card": (
        CARD | DRIVER | {"torch": "2.13.0+rocm7", "torch_hip": "7.0"},
        "unused",
        "built for AMD (ROCm 7.0)",
        "pip install",
    ),
    "a torch that cannot be imported": (CARD | DRIVER, "unused", "cannot be imported", "pip install"),
    "an AMD card with a torch that knows no ROCm": (
        CUDA | {"amd_cards": ("an AMD GPU (0x744c)",)},
        "unused",
        "not built for ROCm",
        PYTORCH,
    ),
    "an AMD card in a container": (
        {"amd_cards": ("an AMD GPU (0x744c)",), "torch": "2.13.0", "torch_hip": "7.0", "container": True},
        "unused",
        "/dev/kfd",
        "--device=/dev/kfd",
    ),
    "an AMD card that works": (
        {"amd_cards": ("an AMD GPU",), "torch": "2.13.0", "torch_hip": "7.0", "cuda_works": True},
        "used",
        "ROCm 7.0",
        "",
    ),
    "a Mac whose MPS works": (APPLE | {"mps_built": True, "mps_works": True}, "used", "MPS", ""),
    "a Mac of before MPS": (APPLE | {"mps_built": True, "macos": "13.6"}, "unused", "this is 13.6", "update macOS"),
    "a Mac in a virtual machine": (APPLE | {"mps_built": True}, "unused", "no Metal device", "virtual machine"),
    "a Mac with a torch without MPS": (APPLE, "unused", "without MPS", "pip install"),
    "a Python for Intel on Apple silicon": (
        APPLE | {"machine": "x86_64", "rosetta": True},
        "unused",
        "Rosetta",
        "for Apple silicon",
    ),
    "a Mac with an Intel processor": (APPLE | {"machine": "x86_64"}, "none", "Intel", ""),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_situation_is_named_with_what_mends_it(situation: str) -> None:
    facts, state, says, mend = SITUATIONS[situation]
    verdict = judge_gpu(GpuFacts(**facts))
    assert verdict.state == state
    assert says in " ".join([verdict.says, *(each.says for each in verdict.obstacles)])
    assert mend in " ".join(each.mend for each in verdict.obstacles)
    assert bool(verdict.obstacles) == (state == "unused")


def test_everything_that_is_in_the_way_is_told_at_once() -> None:
    facts = GpuFacts(**CARD, **CPU_ONLY, hidden_by="CUDA_VISIBLE_DEVICES=-1")
    assert len(judge_gpu(facts).obstacles) == 3


@given(
    st.builds(
        GpuFacts,
        macos=st.just("14.0"),
        driver=st.sampled_from(["", "580.1"]),
        torch_cuda=st.just("13.0"),
        capability=st.just(""),
        system=st.sampled_from(["Linux", "Windows", "Darwin"]),
    )
)
def test_a_gpu_that_is_here_and_not_used_always_has_a_reason_and_a_way_on(facts: GpuFacts) -> None:
    verdict = judge_gpu(facts)
    assert (verdict.state == "unused") == bool(verdict.obstacles)
    assert all(each.says and each.mend for each in verdict.obstacles)


@pytest.mark.parametrize(
    ("capability", "built_for", "runs"),
    [
        ("8.6", ("sm_80",), True),
        ("8.0", ("sm_86",), False),
        ("9.0", ("sm_90a",), True),
        ("12.0", ("sm_90", "compute_90"), True),
        ("12.0", ("sm_90", "sm_100"), False),
        ("10.3", ("sm_100",), True),
        ("7.0", ("sm_75", "compute_120"), False),
    ],
)
def test_machine_code_runs_within_its_major_version_and_ptx_on_what_is_newer(
    capability: str, built_for: tuple[str, ...], runs: bool
) -> None:
    facts = GpuFacts(**CARD, **CUDA, cuda_works=True, capability=capability, built_for=built_for)
    assert (judge_gpu(facts).state == "used") == runs


def test_the_facts_of_this_machine_are_facts_that_can_be_judged() -> None:
    assert judge_gpu(GpuFacts(**gpu_of_this_machine())).says


@pytest.mark.parametrize("value", ["", "-1", " "])
def test_a_variable_that_hides_every_gpu_is_found(value: str) -> None:
    assert gpu._hidden_by({"CUDA_VISIBLE_DEVICES": value}) == f"CUDA_VISIBLE_DEVICES={value}"
    assert gpu._hidden_by({"CUDA_VISIBLE_DEVICES": "0"}) == ""


def test_a_program_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SMI_SECONDS", 0.2)
    began = time.monotonic()
    assert gpu._told([sys.executable, "-c", "import time; time.sleep(60)"]) == ""
    assert time.monotonic() - began < 5


def test_a_program_that_is_not_there_tells_nothing() -> None:
    assert gpu._told(["no-such-program-anywhere"]) == ""
