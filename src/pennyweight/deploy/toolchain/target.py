"""Targets: what the compiler must be told to write code for each core."""

from __future__ import annotations

from dataclasses import dataclass

from pennyweight.core.board import CORES
from pennyweight.core.errors import UsageError, unknown


@dataclass(frozen=True, slots=True)
class Target:
    """A core as `zig cc` knows it: the triple of `-target`, and `-mcpu` with its features."""

    triple: str
    cpu: str

    @property
    def is_arm(self) -> bool:
        """Whether it is a Cortex-M, else RISC-V."""
        return self.triple.startswith("thumb")

    @property
    def flags(self) -> tuple[str, ...]:
        """What the compiler is told."""
        return ("-target", self.triple, f"-mcpu={self.cpu}")


_ARM = "thumb-freestanding-eabi"
_RISCV = "riscv32-freestanding-none"

TARGETS: dict[str, Target] = {
    "cortex-m0": Target(_ARM, "cortex_m0"),
    "cortex-m0plus": Target(_ARM, "cortex_m0plus"),
    "cortex-m3": Target(_ARM, "cortex_m3"),
    "cortex-m4f": Target(_ARM, "cortex_m4"),
    "cortex-m7": Target(_ARM, "cortex_m7"),
    "cortex-m33": Target(_ARM, "cortex_m33+dsp"),
    "cortex-m55": Target(_ARM, "cortex_m55+mve"),
    "rv32ec": Target(_RISCV, "generic_rv32+e+c"),
    "rv32imc": Target(_RISCV, "generic_rv32+m+c"),
    "rv32imac": Target(_RISCV, "generic_rv32+m+a+c"),
}
"""A target for every core that we can compile for. Floating-point units stay unused: the programs are of integers."""


def find_target(core: str) -> Target:
    """The target of a core of `core.board.CORES`. Raises UsageError for one that is unknown, or has no compiler."""
    if core not in CORES:
        raise unknown("core", core, CORES)
    if core not in TARGETS:
        raise UsageError(
            f"no compiler for {CORES[core].name} comes with ziglang",
            hint=f"take a board (pennyweight boards) with one of {', '.join(TARGETS)}",
        )
    return TARGETS[core]
