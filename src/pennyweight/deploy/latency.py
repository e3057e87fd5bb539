"""Latency before hardware: an estimate of the cycles that counted instructions take on a core.

docs/latency.md has the source of each constant, what was calibrated on which published figures, and how far off the
estimates were on figures that were held out.
"""

from __future__ import annotations

from dataclasses import dataclass

from pennyweight.core.board import Board
from pennyweight.deploy.emulate.kinds import Kinds


@dataclass(frozen=True, slots=True)
class Timing:
    """Cycles of a core: `instruction` for each, and so many more for each of the others of Kinds.

    `error` is the share by which the estimate may be off in both directions. `flash_load` is that of the flash on
    which it was calibrated, of `calibrated_on` if that is a board that we know. Without `is_calibrated` cycles are
    between one and two an instruction, and no more is known.
    """

    error: float
    calibrated_on: str = ""
    is_calibrated: bool = True
    instruction: float = 1
    load: float = 0
    load_run: float = 0
    store: float = 0
    register: float = 0
    accumulate: float = 0
    long_multiply: float = 0
    divide: float = 0
    taken: float = 0
    flash_load: float = 0

    def cycles(self, kinds: Kinds) -> float:
        """The cycles that these instructions take."""
        return (
            self.instruction * kinds.instructions
            + self.load * kinds.loads
            + self.load_run * kinds.load_runs
            + self.store * kinds.stores
            + self.register * kinds.registers
            + self.accumulate * kinds.accumulates
            + self.long_multiply * kinds.long_multiplies
            + self.divide * kinds.divides
            + self.taken * kinds.taken
            + self.flash_load * kinds.flash_loads
        )


ONE_OR_TWO = Timing(1 / 3, is_calibrated=False, instruction=1.5)
"""One to two cycles an instruction."""

TIMINGS: dict[str, Timing] = {
    "cortex-m0": Timing(0.3, load=1, store=1, register=1, taken=2),
    "cortex-m0plus": Timing(0.2, load=1, store=1, register=1, taken=1),
    "cortex-m3": Timing(0.2, load_run=1, register=1, accumulate=1, long_multiply=4, divide=6, taken=2),
    "cortex-m4f": Timing(0.15, "nucleo-l4r5zi", load_run=1, register=1, divide=6, taken=2, flash_load=3.5),
    "cortex-m7": Timing(0.15, instruction=1.12),
    "cortex-m33": Timing(0.2, register=1, divide=6, taken=2, flash_load=2.7),
    "cortex-m55": ONE_OR_TWO,
    "rv32ec": ONE_OR_TWO,
    "rv32imc": Timing(0.35, instruction=1.21),
    "rv32imac": Timing(0.35, instruction=0.97),
}
"""What is known of each core; for the others there is no compiler."""


@dataclass(frozen=True, slots=True)
class Latency:
    """An estimate: `cycles`, `ms`, and the share by which it may be off in both directions. Without `is_calibrated` it
    is the count of instructions and no more: one to two cycles each."""

    cycles: float
    ms: float
    error: float
    is_calibrated: bool = True


def estimate(board: Board, kinds: Kinds, *, are_flash_loads_known: bool = True) -> Latency | None:
    """How long these instructions take on a board; None for a core of unknown timing, or where loads from flash, which
    its timing asks for, are not known.

    On a chip whose flash was not calibrated, all waiting for it joins the error: it may be none, or twice as much.
    """
    timing = TIMINGS.get(board.core)
    if timing is None or (timing.flash_load and not are_flash_loads_known):
        return None
    cycles = timing.cycles(kinds)
    waiting = 0.0 if board.key == timing.calibrated_on else timing.flash_load * kinds.flash_loads / max(cycles, 1)
    return Latency(cycles, cycles / (board.mhz * 1000), timing.error + waiting, timing.is_calibrated)
