"""The order in which layers run so that they need least memory.

Which order is best is found exactly for networks of a few branches, by going over the sets of layers that can have run
(dynamic programming of Ahn et al. 2020, "Ordering Chaos", arXiv:2003.02369, and of Liberis & Lane 2019,
arXiv:1910.05110), the least needy first. Where these sets are too many, a greedy order is compared with the given one.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pennyweight.net.arena import overlappable, shared_bytes
from pennyweight.net.graph import INPUT
from pennyweight.net.kernels import is_element_wise
from pennyweight.net.ops import Dropout, Flatten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pennyweight.net.graph import Graph, Layer

STATES = 2_000
"""So many sets of layers are looked at."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a layer's kernel asks of memory, in whole words: its leads as `arena.Use` has them, and its scratch."""

    leads_bytes: tuple[int | None, ...]
    backwards: bool
    scratch_bytes: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What a graph asks of memory: the bytes of each tensor, in whole words, and the demands of each layer."""

    sizes: Mapping[str, int]
    demands: Mapping[str, Demand]


@dataclass(frozen=True, slots=True)
class Order:
    """The layers of a graph in an order of execution; `floor_bytes` is what none goes below."""

    layers: tuple[Layer, ...]
    floor_bytes: int


def execution_order(graph: Graph, needs: Needs, given_bytes: int) -> Order:
    """The order whose neediest step needs least; the given one where no other is found to need less.

    `given_bytes` is what the neediest step of the given order needs. What works in place on the only reader's tensor
    stays with the layer that made it. The last layer stays the last.
    """
    jobs = _jobs(graph)
    if jobs[-1].layers[-1] != graph.layers[-1]:
        return Order(graph.layers, 0)
    search = _Search(jobs, needs)
    floor = search.floor()
    if given_bytes <= floor:
        return Order(graph.layers, floor)
    found, floor = search.best(given_bytes, floor)
    if found is None:
        return Order(graph.layers, floor)
    layers = tuple(layer for number in (0, *found) for layer in jobs[number].layers)
    return Order(layers, floor)


@dataclass(slots=True)
class _Job:
    """A tensor's making: the layer that makes it, and those that only look at it or change it in its place.

    `reads` are the jobs whose tensors it reads, with the place among the inputs; job 0 is the picture.
    """

    tensor: str
    layers: list[Layer]
    reads: list[int] = field(default_factory=list)


def _jobs(graph: Graph) -> list[_Job]:
    same = {INPUT: INPUT}
    readers: Counter[str] = Counter()
    for layer in graph.layers:
        if isinstance(layer.op, Dropout | Flatten):
            same[layer.name] = same[layer.inputs[0]]
        else:
            same[layer.name] = layer.name
            readers.update({same[name] for name in layer.inputs})
    readers[same[graph.output]] += 1
    jobs, made = [_Job(INPUT, [])], {INPUT: 0}
    for layer in graph.layers:
        source = layer.inputs[0]
        changes = is_element_wise(layer.op, graph.shapes[source]) and readers[same[source]] == 1
        if changes or isinstance(layer.op, Dropout | Flatten):
            made[layer.name] = made[source]
            jobs[made[source]].layers.append(layer)
        else:
            made[layer.name] = len(jobs)
            jobs.append(_Job(layer.name, [layer], [made[name] for name in layer.inputs]))
    return jobs


class _Search:
    """Sets of jobs are the bits of integers."""

    def __init__(self, jobs: list[_Job], needs: Needs) -> None:
        count = len(jobs)
        self.everything = (1 << count) - 1
        self.sizes = [needs.sizes[job.tensor] for job in jobs]
        self.extra = [0, *(self.sizes[j] + needs.demands[jobs[j].tensor].scratch_bytes for j in range(1, count))]
        self.reads = [tuple(dict.fromkeys(job.reads)) for job in jobs]
        self.readers, self.before, self.behind = [0] * count, [0] * count, [0] * count
        self.shares: list[dict[int, int]] = [{}]
        for j in range(1, count):
            demand = needs.demands[jobs[j].tensor]
            for source in self.reads[j]:
                self.readers[source] |= 1 << j
                self.before[j] |= self.before[source] | 1 << source
            self.before[j] |= 1
            over = overlappable(jobs[j].reads, demand.leads_bytes).items()
            self.shares.append(
                {
                    read: shared_bytes(self.sizes[read], self.sizes[j], lead, backwards=demand.backwards)
                    for read, lead in over
                }
            )
        for j in reversed(range(1, count)):
            for source in self.reads[j]:
                self.behind[source] |= self.behind[j] | 1 << j
        self.readers[-1] |= 1 << count  # the answer is read after all

    def floor(self) -> int:
        """What no order goes below: of each job what must be there while it runs, whatever ran before."""
        found = self.sizes[0]
        for j in range(1, len(self.sizes)):
            later = self.behind[j] | 1 << j
            live = sum(size for i, size in enumerate(self.sizes) if self.before[j] >> i & 1 and self.readers[i] & later)
            shared = sum(share for source, share in self.shares[j].items() if not self.readers[source] & self.behind[j])
            found = max(found, live + self.extra[j] - min(shared, self.sizes[j]))
        return found

    def best(self, given_bytes: int, floor: int) -> tuple[list[int] | None, int]:
        """The jobs in the order that needs least, if that is less than what is given; and what none goes below."""
        heap = [(floor, 0, 1, self.sizes[0])]
        least = {1: floor}
        came: dict[int, tuple[int, int]] = {}
        for _ in range(STATES):
            if not heap:
                return None, given_bytes
            need, _, done, live = heapq.heappop(heap)
            if done == self.everything:
                return self._path(came), need
            if need > least[done]:
                continue
            found = list(self._next(done, live))
            # What leaves no more behind and needs no more than was needed already can only help if it runs now.
            free = next((job for job in found if job[1] <= need and job[2] <= live), None)
            for j, during, after in found if free is None else [free]:
                then, reached = max(need, during), done | 1 << j
                if then < least.get(reached, given_bytes):
                    least[reached], came[reached] = then, (done, j)
                    heapq.heappush(heap, (then, -reached.bit_count(), reached, after))
        floor = heap[0][0] if heap else given_bytes
        path, need = self._greedy()
        return (path, floor) if need < given_bytes else (None, floor)

    def _next(self, done: int, live: int) -> Iterator[tuple[int, int, int]]:
        """The jobs that can run now, what each needs, and what is live after it."""
        last = len(self.sizes) - 1
        for j in range(1, last + 1):
            if done >> j & 1 or self.before[j] & ~done or (j == last and done | 1 << j != self.everything):
                continue
            left = ~(done | 1 << j)
            ends = [source for source in self.reads[j] if not self.readers[source] & left]
            shared = sum(self.shares[j].get(source, 0) for source in ends)
            stays = self.sizes[j] if self.readers[j] else 0
            yield (
                j,
                live + self.extra[j] - min(shared, self.sizes[j]),
                live + stays - sum(self.sizes[source] for source in ends),
            )

    def _path(self, came: dict[int, tuple[int, int]]) -> list[int]:
        path, done = [], self.everything
        while done != 1:
            done, j = came[done]
            path.append(j)
        return path[::-1]

    def _greedy(self) -> tuple[list[int], int]:
        """Each time the job that needs least, and then leaves least; and what the neediest of them needs."""
        path, done, live, need = [], 1, self.sizes[0], 0
        while done != self.everything:
            j, during, live = min(self._next(done, live), key=lambda found: (found[1], found[2], found[0]))
            path.append(j)
            done, need = done | 1 << j, max(need, during)
        return path, need
