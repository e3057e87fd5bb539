"""Why a GPU is not used: the facts that matter, where this machine tells them, and what follows from them."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

PYTORCH = "https://pytorch.org/get-started/locally"
REINSTALL = "pip install --force-reinstall torch"

DRIVER_MIN = {11: 450, 12: 525, 13: 580}
"""The oldest NVIDIA driver for each major version of CUDA (NVIDIA, "CUDA Compatibility", table 1)."""

MACOS_MIN = 14
"""The oldest macOS with MPS in torch 2.10 and later (its own error, pytorch issue 177819; docs of PR 177390)."""

NVIDIA, AMD = "0x10de", "0x1002"
"""Vendors in the PCI ID database; a display controller's class begins with 0x03."""

SMI_SECONDS = 4.0
"""How long nvidia-smi may take; with a broken driver it can take for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """What decides whether a GPU is used. An empty text or tuple: there is none, or nobody told."""

    system: str = "Linux"
    machine: str = "x86_64"
    macos: str = ""
    rosetta: bool = False
    wsl: bool = False
    container: bool = False
    nvidia_cards: tuple[str, ...] = ()
    amd_cards: tuple[str, ...] = ()
    driver: str = ""
    smi_says: str = ""
    nodes: bool = False
    nodes_denied: bool = False
    kfd: bool = False
    hidden_by: str = ""
    torch: str = ""
    torch_cuda: str = ""
    torch_hip: str = ""
    torch_says: str = ""
    cuda_works: bool = False
    mps_built: bool = False
    mps_works: bool = False
    capability: str = ""
    built_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What is in the way, and what to do about it."""

    says: str
    mend: str


@dataclass(frozen=True, slots=True)
class GpuVerdict:
    """Whether a GPU is `used`, there but `unused`, or there is `none`; and everything that is in the way."""

    state: Literal["used", "unused", "none"]
    says: str
    obstacles: tuple[Obstacle, ...] = ()


def judge_gpu(facts: GpuFacts) -> GpuVerdict:
    """Whether torch uses the GPU, and if one is there and it does not, everything that is in the way."""
    cards = ", ".join(facts.nvidia_cards or facts.amd_cards) or "a GPU"
    if facts.cuda_works:
        if facts.capability and facts.built_for and not _runs_on(facts.capability, facts.built_for):
            known = ", ".join(facts.built_for)
            too_new = Obstacle(
                f"it has compute capability {facts.capability}, and torch {facts.torch} was built for {known}",
                f"choose another torch at {PYTORCH}",
            )
            return GpuVerdict("unused", f"{cards} is here and cannot be used", (too_new,))
        return GpuVerdict("used", f"{cards} is used, by {_kind(facts)}")
    if facts.mps_works:
        return GpuVerdict("used", "Apple's GPU is used, by MPS")
    if facts.system == "Darwin":
        return _apple(facts)
    if facts.nvidia_cards or facts.driver:
        return GpuVerdict("unused", f"{cards} is here and not used", tuple(_nvidia(facts)))
    if facts.amd_cards:
        return GpuVerdict("unused", f"{cards} is here and not used", (_amd(facts),))
    return GpuVerdict("none", "no GPU was found")


def _kind(facts: GpuFacts) -> str:
    if facts.torch_hip:
        return f"ROCm {facts.torch_hip}"
    return f"CUDA {facts.torch_cuda}" + (f" with driver {facts.driver}" if facts.driver else "")


def _runs_on(capability: str, built_for: tuple[str, ...]) -> bool:
    """Whether code built for these architectures (`sm_80`, `compute_90`) runs on a GPU of this capability (`8.6`).

    Machine code runs on the same major version and a minor one not below its own; PTX (`compute_`) on anything newer
    (CUDA C++ Programming Guide, "Binary Compatibility" and "PTX Compatibility").
    """
    major, minor = map(int, capability.split("."))
    for name in built_for:
        kind, _, digits = name.partition("_")
        number = int(re.sub(r"\D", "", digits) or 0)
        if kind == "compute" and number <= 10 * major + minor:
            return True
        if kind == "sm" and number // 10 == major and number % 10 <= minor:
            return True
    return False


def _apple(facts: GpuFacts) -> GpuVerdict:
    if facts.rosetta:
        says = "this Python was built for Intel and runs under Rosetta, where torch has no MPS"
        mend = "install a Python for Apple silicon, and with it: pip install torch"
    elif facts.machine != "arm64":
        return GpuVerdict("none", "torch has no GPU support on Macs with Intel processors")
    elif not facts.mps_built:
        says, mend = f"torch {facts.torch} was built without MPS", REINSTALL
    elif facts.macos and int(facts.macos.split(".")[0]) < MACOS_MIN:
        says = f"MPS needs macOS {MACOS_MIN} or later, and this is {facts.macos}"
        mend = "update macOS"
    else:
        says = "torch was built with MPS, but macOS gives it no Metal device"
        mend = "leave the virtual machine or the remote login, if this is one"
    return GpuVerdict("unused", "Apple's GPU is here and not used", (Obstacle(says, mend),))


def _nvidia(facts: GpuFacts) -> list[Obstacle]:
    """Everything that is in the way of an NVIDIA card, from the machine to torch."""
    found = []
    if not facts.driver:
        mend = "install NVIDIA's driver and restart"
        if facts.wsl:
            mend = "install NVIDIA's driver in Windows (not in Linux), then: wsl --shutdown"
        elif facts.system == "Linux":
            mend = "install the NVIDIA driver of your distribution and restart"
        found.append(Obstacle("no NVIDIA driver is loaded", mend))
    elif "mismatch" in facts.smi_says:
        found.append(Obstacle(f"the driver was updated while its older version runs ({facts.smi_says})", "restart"))
    if facts.driver and facts.system == "Linux" and not facts.wsl:
        if not facts.nodes:
            where = "the container was started without the device nodes" if facts.container else "there are no nodes"
            mend = "start the container with --gpus all" if facts.container else "sudo nvidia-modprobe -c 0 -u"
            found.append(Obstacle(f"{where} /dev/nvidia*", mend))
        elif facts.nodes_denied:
            found.append(
                Obstacle("you may not open /dev/nvidia*", "join the group that they belong to, and log in again")
            )
    if facts.hidden_by:
        variable = facts.hidden_by.partition("=")[0]
        found.append(Obstacle(f"{facts.hidden_by!r} hides every GPU", f"unset {variable}"))
    found += _torch_for_nvidia(facts)
    if not found:
        told = f", and says: {facts.torch_says}" if facts.torch_says else ""
        found.append(Obstacle(f"torch {facts.torch} cannot start CUDA{told}", f"restart; else {PYTORCH}"))
    return found


def _torch_for_nvidia(facts: GpuFacts) -> list[Obstacle]:
    if not facts.torch:
        return [Obstacle("torch cannot be imported", REINSTALL)]
    if not facts.torch_cuda:
        built = f"for AMD (ROCm {facts.torch_hip})" if facts.torch_hip else "for CPUs only"
        return [
            Obstacle(
                f"torch {facts.torch} was built {built}",
                REINSTALL if facts.system == "Linux" else f"take the command that {PYTORCH} gives for CUDA",
            )
        ]
    needed = DRIVER_MIN.get(int(facts.torch_cuda.split(".")[0]), 0)
    if facts.driver and int(facts.driver.split(".")[0]) < needed:
        return [
            Obstacle(
                f"driver {facts.driver} is too old: torch {facts.torch} is built for CUDA {facts.torch_cuda}, "
                f"which needs {needed} or later",
                f"update the driver, or take the command that {PYTORCH} gives for an older CUDA",
            )
        ]
    return []


def _amd(facts: GpuFacts) -> Obstacle:
    if not facts.torch_hip:
        return Obstacle(
            f"torch {facts.torch} was not built for ROCm",
            f"if ROCm supports the card, take the command that {PYTORCH} gives for ROCm",
        )
    if not facts.kfd:
        mend = "start the container with --device=/dev/kfd --device=/dev/dri" if facts.container else "install ROCm"
        return Obstacle("there is no /dev/kfd, through which ROCm reaches the card", mend)
    if facts.hidden_by:
        return Obstacle(f"{facts.hidden_by!r} hides every GPU", f"unset {facts.hidden_by.partition('=')[0]}")
    return Obstacle(
        "ROCm is here and does not take the card", "see whether ROCm supports it, and whether you may open it"
    )


def gpu_of_this_machine() -> dict[str, Any]:
    """The fields of GpuFacts that can be known without torch."""
    system, machine = platform.system(), platform.machine()
    names, smi_driver, smi_says = _nvidia_smi()
    nodes = sorted(Path("/dev").glob("nvidia[0-9]*"))
    wsl = Path("/usr/lib/wsl").exists() or "microsoft" in platform.release().lower()
    return {
        "system": system,
        "machine": machine,
        "macos": platform.mac_ver()[0],
        "rosetta": system == "Darwin" and _told(["sysctl", "-n", "sysctl.proc_translated"]).strip() == "1",
        "wsl": wsl,
        "container": any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")),
        "nvidia_cards": names or _pci_cards(NVIDIA, "an NVIDIA GPU"),
        "amd_cards": _pci_cards(AMD, "an AMD GPU"),
        "driver": smi_driver or _kernel_driver(),
        "smi_says": smi_says,
        "nodes": bool(nodes),
        "nodes_denied": bool(nodes) and not any(os.access(node, os.R_OK | os.W_OK) for node in nodes),
        "kfd": Path("/dev/kfd").exists(),
        "hidden_by": _hidden_by(os.environ),
    }


def _hidden_by(environment: Any) -> str:
    """The environment's variable that hides every GPU, as `NAME=value`, else nothing."""
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        value = environment.get(name)
        if value is not None and value.strip().lower() in ("", "-1", "none", "void", "nodevfiles"):
            return f"{name}={value}"
    return ""


def _kernel_driver() -> str:
    """The version of NVIDIA's kernel module, as it writes it into /proc."""
    with suppress(OSError):
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
        if match := re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", text):
            return match[1]
    return ""


def _pci_cards(vendor: str, name: str) -> tuple[str, ...]:
    """A name for each display controller of this vendor on the PCI bus."""
    found = []
    for device in sorted(Path("/sys/bus/pci/devices").glob("*")):
        with suppress(OSError):
            if (device / "vendor").read_text().strip() == vendor and (device / "class").read_text().startswith("0x03"):
                found.append(f"{name} ({(device / 'device').read_text().strip()})")
    return tuple(found)


def _nvidia_smi() -> tuple[tuple[str, ...], str, str]:
    """The names of the cards, the driver's version, and what nvidia-smi complains of."""
    found = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")
    if not found:
        return (), "", ""
    told = _told([found, "--query-gpu=name,driver_version", "--format=csv,noheader"])
    rows = [line.rsplit(", ", 1) for line in told.splitlines()]
    cards = [row for row in rows if len(row) == 2 and re.fullmatch(r"[\d.]+", row[1].strip())]
    if cards:
        return tuple(name.strip() for name, _ in cards), cards[0][1].strip(), ""
    return (), "", told.strip().splitlines()[0] if told.strip() else "nvidia-smi does not answer"


def _told(command: list[str]) -> str:
    """What a program prints within a few seconds; a program that hangs, even in the kernel, is left behind."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError:
        return ""
    try:
        return process.communicate(timeout=SMI_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        return ""
