"""Candidates that are built and costed a second on one core, against counting with hooks in a torch module.

Ours gives parameters, MACs, flash and a memory plan from shapes alone. The peer is what is usually done: make the
module, send one picture through it (on the meta device, where nothing is computed), count parameters and MACs in hooks.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from measure import Bar, conclude, machine, options, paired_ratio, table
from pennyweight import build_network
from pennyweight.net.cost import cost
from pennyweight.net.zoo import families
from pennyweight.net.zoo.family import Family
from plain_torch import module_of

SHAPE, CLASSES = (32, 32, 3), 10
ROUNDS, QUICK_ROUNDS = 200, 5
COMPARED = ("mlp:hidden=80-60-50", "resnet8")
LEAST_PER_S = 1000


def main() -> None:
    arguments = options(__doc__, seeds=1).parse_args()
    torch.set_num_threads(1)
    facts = machine()
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    compared = {network: against_hooks(network, rounds) for network in COMPARED}
    table(
        ("", "ours", "hooks", "ratio"),
        [
            (network, f"{row['ours_ms']:.2f} ms", f"{row['hooks_ms']:.2f} ms", f"{row['ratio']:.1f}x")
            for network, row in compared.items()
        ],
    )

    found = families()
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for seed in range(arguments.seeds):
        draw = random.Random(seed)
        for _ in range(rounds):
            for name, family in found.items():
                text = candidate(family, draw)
                seconds[name].append(took(partial(priced, text)))
    per_s = {name: 1 / statistics.median(times) for name, times in seconds.items()}
    print()
    table(("", "candidates/s"), [(name, f"{pace:,.0f}") for name, pace in per_s.items()])

    searched = [name for name, family in found.items() if any(dial.samples for dial in family.dials)]
    pooled = sum(len(seconds[name]) for name in searched) / sum(sum(seconds[name]) for name in searched)
    claim = f"at least {LEAST_PER_S:,} candidates/s over the families that a search samples ({', '.join(searched)})"
    bars = [Bar(claim, f"{pooled:,.0f}", pooled >= LEAST_PER_S)]
    results = {"candidates_per_s": per_s, "searched_candidates_per_s": pooled, "against_hooks": compared}
    conclude("costing", facts, results, bars, quick=arguments.quick)


def candidate(family: Family, draw: random.Random) -> str:
    """A text that turns every dial with samples to one of them."""
    turned = [f"{dial.name}={dial.format(draw.choice(dial.samples))}" for dial in family.dials if dial.samples]
    return f"{family.name}:{','.join(turned)}" if turned else family.name


def priced(text: str) -> tuple[int, int]:
    """Parameters and MACs."""
    found = cost(build_network(text, SHAPE, CLASSES))
    return found.parameters, found.macs


def counted(network: str) -> tuple[int, int]:
    """Parameters and MACs, by hooks."""
    macs = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        match module:
            case nn.Conv2d():
                macs += output.numel() * module.weight[0].numel()
            case nn.Linear():
                macs += module.weight.numel()

    with torch.device("meta"), torch.no_grad():
        module = module_of(network, SHAPE, CLASSES).eval()
        for part in module.modules():
            part.register_forward_hook(count)
        module(torch.empty(1, SHAPE[2], *SHAPE[:2]))
    return sum(parameter.numel() for parameter in module.parameters()), macs


def against_hooks(network: str, rounds: int) -> dict[str, Any]:
    """Milliseconds of both ways, in turns; both must agree."""
    ours, hooks = priced(network), counted(network)
    if ours != hooks:
        raise RuntimeError(f"{network}: ours finds {ours} parameters and MACs, hooks find {hooks}")
    pairs = [(took(lambda: priced(network)), took(lambda: counted(network))) for _ in range(rounds)]
    mine, theirs = zip(*pairs, strict=True)
    return {
        "ours_ms": 1e3 * statistics.median(mine),
        "hooks_ms": 1e3 * statistics.median(theirs),
        "ratio": paired_ratio(theirs, mine),
    }


def took(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
