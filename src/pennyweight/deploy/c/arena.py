"""Arena: where each tensor of a program lies in its one buffer, tensors that overlap their own input among them.

A kernel that writes behind the place where it still reads may write over its input: `Use.lead_bytes` says how far
before its input its output must begin, which is nothing for an element-wise op and about a row for a convolution. So
a chain of layers of one shape takes a tensor and a row, not two tensors.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ALIGNMENT_BYTES = 4
"""Tensors begin at whole words."""

TRIES = 300
"""Orders of placement that are tried where the first ones miss the lower bound."""


@dataclass(frozen=True, slots=True)
class Use:
    """One kernel's call: the buffers that it reads and the one that it makes, by number.

    `leads_bytes` has for each buffer that it reads how many bytes before it the result must begin if it overlaps it,
    less than 0 where it may begin later; None where it must not overlap it.
    """

    reads: tuple[int, ...]
    makes: int
    leads_bytes: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Arena:
    """The offset of every buffer, and the bytes that they take together.

    `lower_bound_bytes` is what no placement for this order of execution goes below, by what each call alone needs.
    """

    offsets: tuple[int, ...]
    size_bytes: int
    lower_bound_bytes: int

    @property
    def is_optimal(self) -> bool:
        """Whether this placement is proven to be the smallest for this order of execution."""
        return self.size_bytes == self.lower_bound_bytes


def place(sizes_bytes: Sequence[int], uses: Sequence[Use], answer: int) -> Arena:
    """An arena for buffers of these sizes; buffer 0 is there from the start, `answer` is kept to the end.

    Every buffer is made by the use that names it, or else exists in the one use that reads it (a kernel's scratch).
    """
    sizes = [-(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for size in sizes_bytes]
    first, last = _lifetimes(len(sizes), uses, answer)
    rules = _rules(sizes, uses, first, last)
    bound = max(_needed(sizes, uses, first, last))
    best: tuple[int, list[int]] | None = None
    for order in _orders(sizes, first, last):
        placed = _placed(order, sizes, rules)
        if best is None or placed[0] < best[0]:
            best = placed
        if best[0] <= bound:
            break
    assert best is not None
    return Arena(tuple(best[1]), best[0], bound)


def _lifetimes(count: int, uses: Sequence[Use], answer: int) -> tuple[list[int], list[int]]:
    first, last = [-1] * count, [-1] * count
    for index, use in enumerate(uses):
        for buffer in (*use.reads, use.makes):
            first[buffer] = index if first[buffer] < 0 else first[buffer]
            last[buffer] = index
    first[0] = 0
    last[answer] = len(uses)  # read after all
    return first, last


Rules = list[dict[int, tuple[int, int]]]
"""For each buffer, for each that it must keep away from: `(before, behind)`, so that its offset is at most `before`
less, or at least `behind` more."""


def _rules(sizes: Sequence[int], uses: Sequence[Use], first: Sequence[int], last: Sequence[int]) -> Rules:
    rules: Rules = [{} for _ in sizes]
    for a in range(len(sizes)):
        for b in range(a):
            if first[a] <= last[b] and first[b] <= last[a]:
                rules[a][b], rules[b][a] = (sizes[a], sizes[b]), (sizes[b], sizes[a])
    for index, source, lead in _overlaps(uses, first, last):
        made = uses[index].makes
        before = min(lead, sizes[made])
        rules[made][source], rules[source][made] = (before, sizes[source]), (sizes[source], before)
    return rules


def _overlaps(uses: Sequence[Use], first: Sequence[int], last: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Each use's number with a buffer that ends in it and that its result may overlap, and the lead, in whole words."""
    for index, use in enumerate(uses):
        for source in dict.fromkeys(use.reads):
            leads = [lead for read, lead in zip(use.reads, use.leads_bytes, strict=True) if read == source]
            if first[use.makes] == index and last[source] == index and None not in leads:
                lead = max(lead for lead in leads if lead is not None)
                yield index, source, -(-lead // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _needed(sizes: Sequence[int], uses: Sequence[Use], first: Sequence[int], last: Sequence[int]) -> list[int]:
    """What each use needs at least: all that is live, less what its result can share with its inputs."""
    live = [
        sum(size for size, start, end in zip(sizes, first, last, strict=True) if start <= index <= end)
        for index in range(len(uses))
    ]
    shared = [0] * len(uses)
    for index, source, lead in _overlaps(uses, first, last):
        made = uses[index].makes
        together = max(sizes[source] + max(lead, 0), sizes[made])
        shared[index] += max(sizes[source] + sizes[made] - together, 0)
    return [total - min(less, sizes[use.makes]) for total, less, use in zip(live, shared, uses, strict=True)]


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


def _placed(order: Sequence[int], sizes: Sequence[int], rules: Rules) -> tuple[int, list[int]]:
    """The bytes taken and the offsets when buffers are placed in this order, each where all together stay shortest."""
    offsets: dict[int, int] = {}
    low = high = 0
    for buffer in order:
        size = sizes[buffer]
        kept = [
            (offsets[other] - before, offsets[other] + behind)
            for other, (before, behind) in rules[buffer].items()
            if other in offsets
        ]
        candidates = {low, *(end for ends in kept for end in ends)}
        free = [at for at in candidates if all(at <= before or at >= behind for before, behind in kept)]
        at = min(free, key=lambda at: (max(high, at + size) - min(low, at), abs(at - low)))
        offsets[buffer] = at
        low, high = min(low, at), max(high, at + size)
    return high - low, [offsets[buffer] - low for buffer in range(len(sizes))]
