"""`pennyweight profile`: a network's price tag, layer by layer and in total, and the boards that it fits on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pennyweight.core.board import Board, boards, find_board
from pennyweight.core.budget import Budget, Excess
from pennyweight.core.shown import Shown
from pennyweight.core.units import counted
from pennyweight.net.cost import Cost, LayerCost, cost, layer_costs
from pennyweight.net.memory import Bits, MemoryPlan, plan_memory
from pennyweight.net.network import open_network

if TYPE_CHECKING:
    from torch import nn

    from pennyweight.net.graph import Graph
    from pennyweight.net.ops import Shape


@dataclass(frozen=True, slots=True)
class Fit:
    """How a network stands to one board: its `cost` there, what exceeds the board, and in words what is in the way."""

    board: Board
    cost: Cost
    excesses: tuple[Excess, ...]
    reasons: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether flash and RAM suffice."""
        return not self.excesses


@dataclass(frozen=True, slots=True)
class Profile(Shown):
    """What a network costs; `layers`, `plan` and `fits` are for the `bits` asked for.

    `fits` has one entry for the board asked for, or one for each that we know, from the cheapest to the dearest.
    """

    network: str
    input_shape: Shape
    classes: int
    bits: Bits
    float32: Cost
    int8: Cost
    layers: tuple[LayerCost, ...]
    plan: MemoryPlan
    fits: tuple[Fit, ...]

    @property
    def cost(self) -> Cost:
        """The totals for the bits asked for."""
        return self.int8 if self.bits == 8 else self.float32

    def as_json(self) -> dict[str, Any]:
        """The profile as JSON types, units as suffixes of the keys; what is not known is None."""
        return {
            "network": self.network,
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            **asdict(self.cost),
            "kinds": self.cost.kinds,
            "float32": _totals(self.float32),
            "int8": _totals(self.int8),
            "layers": [asdict(layer) | {"output_shape": list(layer.output_shape)} for layer in self.layers],
            "steps": list(self.plan.steps),
            "live_bytes": list(self.plan.live_bytes),
            "buffers": [asdict(buffer) | {"tensors": list(buffer.tensors)} for buffer in self.plan.buffers],
            "fits": [
                {
                    "board": fit.board.key,
                    "fits": fit.fits,
                    "price_usd": fit.cost.price_usd,
                    "latency_ms": fit.cost.latency_ms,
                    "excesses": list(fit.reasons),
                }
                for fit in self.fits
            ],
        }


def _totals(cost: Cost) -> dict[str, int]:
    """The rows of ST's analyser (X-CUBE-AI): weights (ro), activations (rw), flash and RAM in total."""
    return {
        "weights_ro_bytes": cost.weight_bytes,
        "activations_rw_bytes": cost.peak_ram_bytes,
        "flash_bytes": cost.flash_bytes,
        "ram_bytes": cost.ram_bytes,
    }


def profile(
    network: str | Graph | nn.Module,
    *,
    input_shape: Shape = (32, 32, 3),
    classes: int = 10,
    board: Board | str | None = None,
    bits: Bits = 8,
) -> Profile:
    """The profile of a network of the zoo, of a user's own (`package.module:callable`, a torch module), or of a Graph.

    A Graph brings its own input shape and number of classes. Raises UsageError for an unknown network, dial, board
    or number of bits, GraphError for a network that cannot be built or traced.
    """
    chosen = find_board(board) if isinstance(board, str) else board
    graph, _ = open_network(network, input_shape, classes)
    layers, plan = layer_costs(graph, bits=bits), plan_memory(graph, bits=bits)
    float32, int8 = cost(graph, bits=32, board=chosen), cost(graph, bits=8, board=chosen)
    total = int8 if bits == 8 else float32
    candidates = [chosen] if chosen else boards().values()
    return Profile(
        network=graph.text,
        input_shape=graph.input_shape,
        classes=graph.classes,
        bits=bits,
        float32=float32,
        int8=int8,
        layers=layers,
        plan=plan,
        fits=tuple(_fit(each, total.on(each), layers, plan) for each in candidates),
    )


def _fit(board: Board, cost: Cost, layers: tuple[LayerCost, ...], plan: MemoryPlan) -> Fit:
    excesses = Budget.of(board).excesses(cost.to_figures())
    heaviest = max(layers, key=lambda layer: layer.weight_bytes)
    causes = {
        "flash_bytes": f"the heaviest layer, {heaviest.name}, has {counted(heaviest.weight_bytes, 'byte')} of weights",
        "ram_bytes": f"{counted(plan.lower_bound_bytes, 'byte')} are live at {plan.peak_step}",
    }
    return Fit(board, cost, excesses, tuple(f"{excess}: {causes[excess.limit]}" for excess in excesses))
