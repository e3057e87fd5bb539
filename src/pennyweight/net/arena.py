"""Arena: where each tensor of a network lies in its one buffer, tensors that overlap their own input among them.

A kernel that writes behind the place where it still reads may write over its input: `Use.leads_bytes` says how far
before its input its output must begin, which is nothing for an element-wise op and about a row for a convolution. So
a chain of layers of one shape takes a tensor and a row, not two tensors.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ALIGNMENT_BYTES = 4
"""Tensors begin at whole words, and take a multiple of one, so that kernels may load whole words."""

TRIES = 30
"""Orders of placement that are drawn where the first ones miss the lower bound."""


@dataclass(frozen=True, slots=True)
class Use:
    """One kernel's call: the buffers that it reads and the one that it makes or overwrites, by number.

    `leads_bytes` has for each buffer that it reads how many bytes before it the result must begin if it overlaps it,
    less than 0 where it may begin later; None where it must not overlap it. For a kernel that goes `backwards` it is
    how many bytes behind it the result must begin.
    """

    reads: tuple[int, ...]
    makes: int
    leads_bytes: tuple[int | None, ...]
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Arena:
    """The offset of every buffer, the bytes that they take together, and what each use needs at least.

    A buffer lives from the use `first` to the use `last`, both included.
    """

    offsets: tuple[int, ...]
    size_bytes: int
    needed_bytes: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]


def aligned(size_bytes: int) -> int:
    """As many bytes in whole words."""
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def overlappable(reads: Sequence[int], leads_bytes: Sequence[int | None]) -> dict[int, int]:
    """What of a use's reads its result may overlap where they end there, and the lead."""
    if len(reads) == 1:
        return {reads[0]: leads_bytes[0]} if leads_bytes[0] is not None else {}
    found: dict[int, int] = {}
    never = {read for read, lead in zip(reads, leads_bytes, strict=True) if lead is None}
    for read, lead in zip(reads, leads_bytes, strict=True):
        if lead is not None and read not in never:
            found[read] = max(lead, found.get(read, lead))
    return found


def shared_bytes(source_bytes: int, made_bytes: int, lead_bytes: int, *, backwards: bool) -> int:
    """How much a result may share with an input that it overlaps, all in whole words."""
    lead = max(lead_bytes, 0)
    together = max(source_bytes, made_bytes + lead) if backwards else max(source_bytes + lead, made_bytes)
    return max(source_bytes + made_bytes - together, 0)


def alone_bytes(sizes_bytes: Sequence[int], use: Use) -> int:
    """What a use needs whatever else is live, sizes in whole words."""
    everything = sum(sizes_bytes[buffer] for buffer in {*use.reads, use.makes})
    if use.makes in use.reads:
        return everything
    made = sizes_bytes[use.makes]
    over = overlappable(use.reads, use.leads_bytes).items()
    shared = (shared_bytes(sizes_bytes[read], made, aligned(lead), backwards=use.backwards) for read, lead in over)
    return everything - min(sum(shared), made)


def place(sizes_bytes: Sequence[int], uses: Sequence[Use], answer: int) -> Arena:
    """An arena for buffers of these sizes; buffer 0 is there from the start, `answer` is kept to the end.

    Every buffer is made by the first use that names it; one that only that use reads is a kernel's scratch.
    Buffers are placed one after the other, each where all together stay shortest: in a few fixed orders, the largest
    first (greedy by size of Pisarchyk & Lee 2020, "Efficient Memory Management for Deep Neural Net Inference"), and in
    TRIES drawn ones, until no placement for this order of uses can be smaller.
    """
    sizes = [aligned(size) for size in sizes_bytes]
    first, last = _lifetimes(len(sizes), uses, answer)
    overlaps = list(_overlaps(uses, first, last))
    rules = _rules(sizes, uses, first, last, overlaps)
    needed = _needed(sizes, uses, first, last, overlaps)
    bound = max(needed)
    offsets: list[int] = []
    size = sum(sizes) + 1
    for order in _orders(sizes, first, last):
        offsets, size = _placed(order, sizes, rules, size) or (offsets, size)
        if size <= bound:
            break
    last[answer] = len(uses) - 1
    return Arena(tuple(offsets), size, tuple(needed), tuple(first), tuple(last))


def _lifetimes(count: int, uses: Sequence[Use], answer: int) -> tuple[list[int], list[int]]:
    first, last = [-1] * count, [-1] * count
    for index, use in enumerate(uses):
        for buffer in (*use.reads, use.makes):
            first[buffer] = index if first[buffer] < 0 else first[buffer]
            last[buffer] = index
    first[0] = 0
    last[answer] = len(uses)  # read after all
    return first, last


def _overlaps(uses: Sequence[Use], first: Sequence[int], last: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Each use's number with a buffer that ends in it and that its result may overlap, and the lead, in whole words."""
    for index, use in enumerate(uses):
        if first[use.makes] != index:
            continue
        for source, lead in overlappable(use.reads, use.leads_bytes).items():
            if last[source] == index and source != use.makes:
                yield index, source, aligned(lead)


Rules = list[dict[int, tuple[int, int]]]
"""For each buffer, for each that it must keep away from: `(before, behind)`, so that its offset is at most `before`
less, or at least `behind` more."""


def _rules(
    sizes: Sequence[int],
    uses: Sequence[Use],
    first: Sequence[int],
    last: Sequence[int],
    overlaps: Sequence[tuple[int, int, int]],
) -> Rules:
    rules: Rules = [{} for _ in sizes]
    alive: list[int] = []
    for a in sorted(range(len(sizes)), key=first.__getitem__):
        alive = [b for b in alive if last[b] >= first[a]]
        for b in alive:
            rules[a][b], rules[b][a] = (sizes[a], sizes[b]), (sizes[b], sizes[a])
        alive.append(a)
    for index, source, lead in overlaps:
        made = uses[index].makes
        if uses[index].backwards:
            behind = min(lead, sizes[source])
            rules[made][source], rules[source][made] = (sizes[made], behind), (behind, sizes[made])
        else:
            before = min(lead, sizes[made])
            rules[made][source], rules[source][made] = (before, sizes[source]), (sizes[source], before)
    return rules


def _needed(
    sizes: Sequence[int],
    uses: Sequence[Use],
    first: Sequence[int],
    last: Sequence[int],
    overlaps: Sequence[tuple[int, int, int]],
) -> list[int]:
    """What each use needs at least: all that is live, less what its result can share with its inputs."""
    changes = [0] * (len(uses) + 2)
    for size, start, end in zip(sizes, first, last, strict=True):
        changes[start] += size
        changes[end + 1] -= size
    shared = [0] * len(uses)
    for index, source, lead in overlaps:
        use = uses[index]
        shared[index] += shared_bytes(sizes[source], sizes[use.makes], lead, backwards=use.backwards)
    needed, live = [], 0
    for change, less, use in zip(changes, shared, uses, strict=False):
        live += change
        needed.append(live - min(less, sizes[use.makes]))
    return needed


def _orders(sizes: Sequence[int], first: Sequence[int], last: Sequence[int]) -> Iterator[list[int]]:
    everything = range(len(sizes))
    yield sorted(everything, key=lambda i: (-sizes[i], first[i]))
    yield sorted(everything, key=lambda i: (-sizes[i], -first[i]))
    yield sorted(everything, key=lambda i: (first[i], -last[i]))
    yield sorted(everything, key=lambda i: (-last[i], first[i]))
    draw = random.Random(0)
    for _ in range(TRIES):
        weights = [size * draw.uniform(0.5, 2) for size in sizes]
        yield sorted(everything, key=lambda i, weights=weights: -weights[i])  # type: ignore[misc]


def _placed(order: Sequence[int], sizes: Sequence[int], rules: Rules, limit: int) -> tuple[list[int], int] | None:
    """The offsets and the bytes taken when buffers are placed in this order, each where all together stay shortest.

    None where they take as much as `limit`, which is seen early as a rule: large buffers mostly come first.
    """
    offsets: dict[int, int] = {}
    low = high = 0
    for buffer in order:
        size = sizes[buffer]
        kept = []
        candidates = {low}
        for other, (before, behind) in rules[buffer].items():
            if other in offsets:
                ends = offsets[other] - before, offsets[other] + behind
                kept.append(ends)
                candidates.update(ends)
        best = (math.inf, 0, 0)
        for at in candidates:
            for before, behind in kept:
                if before < at < behind:
                    break
            else:
                taken = (high if high > at + size else at + size) - (low if low < at else at)
                best = min(best, (taken, abs(at - low), at))
        at = offsets[buffer] = best[2]
        low, high = min(low, at), max(high, at + size)
        if high - low >= limit:
            return None
    return [offsets[buffer] - low for buffer in range(len(sizes))], high - low
