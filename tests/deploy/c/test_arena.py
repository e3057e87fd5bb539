"""An arena's buffers keep apart, but for those that may overlap, and are packed as tightly as can be."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.deploy.c.arena import Use, place
from pennyweight.deploy.c.leads import leads_bytes
from pennyweight.deploy.c.program import program
from pennyweight.net.graph import INPUT
from pennyweight.net.integer.network import IntegerNetwork, Step, Weights
from pennyweight.net.integer.quantization import Quantization
from pennyweight.net.ops import Conv, Pool


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[int], list[Use]]:
    """Sizes and uses: each reads one or two buffers that were made before."""
    count = draw(st.integers(1, 7))
    sizes = draw(st.lists(st.integers(1, 60), min_size=count + 1, max_size=count + 1))
    uses = [Use((), 0, ())]
    for made in range(1, count + 1):
        reads = tuple(draw(st.lists(st.integers(0, made - 1), min_size=1, max_size=2)))
        leads = tuple(draw(st.none() | st.integers(-20, 20)) for _ in reads)
        uses.append(Use(reads, made, leads))
    return sizes, uses


@given(plans())
@settings(deadline=None)
def test_no_two_live_buffers_share_a_byte_unless_the_kernel_allows_it(plan: tuple[list[int], list[Use]]) -> None:
    sizes, uses = plan
    answer = len(sizes) - 1
    arena = place(sizes, uses, answer)
    assert arena.lower_bound_bytes <= arena.size_bytes
    last = {answer: len(uses)} | {0: 0}
    for index, use in enumerate(uses):
        last |= {buffer: max(last.get(buffer, 0), index) for buffer in (*use.reads, use.makes)}
    live: set[int] = set()
    for index, use in enumerate(uses):
        live.add(use.makes)
        for a, b in itertools.combinations(sorted(live), 2):
            begins = arena.offsets[a], arena.offsets[b]
            apart = begins[0] + sizes[a] <= begins[1] or begins[1] + sizes[b] <= begins[0]
            source, made = (a, b) if b == use.makes else (b, a)
            leads = [lead for read, lead in zip(use.reads, use.leads_bytes, strict=True) if read == source]
            allowed = made == use.makes and leads and None not in leads and last[source] == index
            if not apart:
                assert allowed
                lead = max(lead for lead in leads if lead is not None)
                assert arena.offsets[made] + lead <= arena.offsets[source]
        live = {buffer for buffer in live if last[buffer] > index}
    assert max(offset + size for offset, size in zip(arena.offsets, sizes, strict=True)) <= arena.size_bytes
    assert all(offset >= 0 and offset % 4 == 0 for offset in arena.offsets)


def test_a_chain_of_element_wise_ops_takes_one_buffer() -> None:
    uses = [Use((), 0, ()), Use((0,), 1, (0,)), Use((1,), 2, (0,))]
    assert place([100, 100, 100], uses, 2).size_bytes == 100


def test_a_convolution_over_its_input_takes_a_row_and_a_pixel_more() -> None:
    quantization = Quantization(1, 0)
    weights = Weights(np.ones((16, 3, 3, 16), np.int8), np.ones(1, np.float32), np.zeros(16, np.int32))
    step = Step("conv", Conv(16, (3, 3), (1, 1), (1, 1, 1, 1)), (INPUT,), quantization, weights=weights)
    network = IntegerNetwork("conv", (32, 32, 16), quantization, (step,), (0.0,) * 16, (1.0,) * 16)
    assert leads_bytes(network, step) == ((32 + 1) * 16,)


def test_a_pool_that_shrinks_may_write_where_it_has_read() -> None:
    quantization = Quantization(1, 0)
    step = Step("pool", Pool("max", (2, 2), (2, 2)), (INPUT,), quantization)
    network = IntegerNetwork("pool", (8, 8, 4), quantization, (step,), (0.0,) * 4, (1.0,) * 4)
    (lead,) = leads_bytes(network, step)
    assert lead is not None
    assert lead <= 4


def test_resnet8_takes_33_kib_and_no_placement_takes_less() -> None:
    arena = program(zoo_network("resnet8")).arena
    assert arena.size_bytes <= 33 * 1024
    assert arena.is_optimal
