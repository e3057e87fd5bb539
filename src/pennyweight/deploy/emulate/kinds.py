"""Kinds: how many instructions of each kind ran, as far as cores take different times for them."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Kinds:
    """Counts of instructions. `load_runs`, `registers`, `taken` and `flash_loads` count something else, beside them.

    `loads` and `stores` are of one number each; loads one behind the other make one of `load_runs`. `transfers` move
    several: PUSH, POP, LDM, STM, LDRD, STRD, with `registers` in all. `accumulates` are multiplications that add, as
    MLA and SMLAD; `long_multiplies` those with 64-bit results, or in RISC-V of their upper halves. `branches` are all
    jumps, whether or not they are taken; `taken` is how often the next instruction was not the one behind.
    `flash_loads` is how often data were loaded from flash, in numbers of up to 4 bytes; 0 where nobody watched.
    """

    loads: int = 0
    load_runs: int = 0
    stores: int = 0
    transfers: int = 0
    registers: int = 0
    multiplies: int = 0
    accumulates: int = 0
    long_multiplies: int = 0
    divides: int = 0
    branches: int = 0
    taken: int = 0
    others: int = 0
    flash_loads: int = 0

    @property
    def instructions(self) -> int:
        """All of them together."""
        everything: int = sum(astuple(self))
        return everything - self.load_runs - self.registers - self.taken - self.flash_loads

    def __add__(self, more: Kinds) -> Kinds:
        return Kinds(*(mine + other for mine, other in zip(astuple(self), astuple(more), strict=True)))

    def __sub__(self, less: Kinds) -> Kinds:
        return Kinds(*(mine - other for mine, other in zip(astuple(self), astuple(less), strict=True)))
