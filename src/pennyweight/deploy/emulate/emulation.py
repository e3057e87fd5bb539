"""Emulation: what a program did on a virtual board."""

from __future__ import annotations

from dataclasses import dataclass

from pennyweight.deploy.toolchain.firmware import Footprint


@dataclass(frozen=True, slots=True)
class Mark:
    """The program's word that from here on, after `instructions` of them, it works on `number`."""

    number: int
    instructions: int


@dataclass(frozen=True, slots=True)
class Emulation:
    """What a program wrote, and what it took.

    `instructions` counts every one that ran, from reset to the call of `board_exit`; an instruction of Thumb's IT
    block whose condition fails ran too. `stack_bytes` is the most that the stack ever held.
    """

    engine: str
    output: bytes
    exit_code: int
    instructions: int
    marks: tuple[Mark, ...]
    stack_bytes: int
    footprint: Footprint

    def instructions_by_mark(self) -> dict[int, int]:
        """The instructions that ran after each number's marks, up to the next mark, or the end, of whatever number."""
        found: dict[int, int] = {}
        ends = [mark.instructions for mark in self.marks[1:]] + [self.instructions]
        for mark, end in zip(self.marks, ends, strict=True):
            found[mark.number] = found.get(mark.number, 0) + end - mark.instructions
        return found
