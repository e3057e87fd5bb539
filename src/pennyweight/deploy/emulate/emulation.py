"""Emulation: what a program did on a virtual board."""

from __future__ import annotations

from dataclasses import dataclass, field

from pennyweight.deploy.emulate.kinds import Kinds
from pennyweight.deploy.toolchain.firmware import Footprint


@dataclass(frozen=True, slots=True)
class Mark:
    """The program's word that from here on, after `instructions` of them, it works on `number`.

    `kinds` are these instructions by kinds, where the engine tells them; they are the engine's and not compared.
    """

    number: int
    instructions: int
    kinds: Kinds | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Emulation:
    """What a program wrote, and what it took.

    `instructions` counts every one that ran, from reset to the call of `board_exit`; an instruction of Thumb's IT
    block whose condition fails ran too; `kinds` are the same by kinds, where the engine tells them. `stack_bytes` is
    the most that the stack ever held.
    """

    engine: str
    output: bytes
    exit_code: int
    instructions: int
    marks: tuple[Mark, ...]
    stack_bytes: int
    footprint: Footprint
    kinds: Kinds | None = field(default=None, compare=False)

    def instructions_by_mark(self) -> dict[int, int]:
        """The instructions that ran after each number's marks, up to the next mark, or the end, of whatever number."""
        found: dict[int, int] = {}
        ends = [mark.instructions for mark in self.marks[1:]] + [self.instructions]
        for mark, end in zip(self.marks, ends, strict=True):
            found[mark.number] = found.get(mark.number, 0) + end - mark.instructions
        return found

    def kinds_by_mark(self) -> dict[int, Kinds]:
        """The same by kinds; empty where the engine does not tell them."""
        found: dict[int, Kinds] = {}
        ends = [mark.kinds for mark in self.marks[1:]] + [self.kinds]
        for mark, end in zip(self.marks, ends, strict=True):
            if mark.kinds is not None and end is not None:
                found[mark.number] = found.get(mark.number, Kinds()) + (end - mark.kinds)
        return found
