"""An arena's buffers keep apart, but for those that may overlap, and are packed as tightly as can be."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.net.arena import Use, place


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[int], list[Use]]:
    """Sizes and uses: each reads one or two buffers that were made before."""
    count = draw(st.integers(1, 7))
    sizes = draw(st.lists(st.integers(1, 60), min_size=count + 1, max_size=count + 1))
    uses = [Use((), 0, ())]
    for made in range(1, count + 1):
        reads = tuple(draw(st.lists(st.integers(0, made - 1), min_size=1, max_size=2)))
        leads = tuple(draw(st.none() | st.integers(-20, 20)) for _ in reads)
        uses.append(Use(reads, made, leads, draw(st.booleans())))
    return sizes, uses


@given(plans())
@settings(deadline=None)
def test_no_two_live_buffers_share_a_byte_unless_the_kernel_allows_it(plan: tuple[list[int], list[Use]]) -> None:
    sizes, uses = plan
    answer = len(sizes) - 1
    arena = place(sizes, uses, answer)
    assert max(arena.needed_bytes) <= arena.size_bytes
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
                if use.backwards:
                    assert arena.offsets[made] >= arena.offsets[source] + lead
                else:
                    assert arena.offsets[made] + lead <= arena.offsets[source]
        live = {buffer for buffer in live if last[buffer] > index}
    assert max(offset + size for offset, size in zip(arena.offsets, sizes, strict=True)) <= arena.size_bytes
    assert all(offset >= 0 and offset % 4 == 0 for offset in arena.offsets)


def test_a_chain_of_element_wise_ops_takes_one_buffer() -> None:
    uses = [Use((), 0, ()), Use((0,), 1, (0,)), Use((1,), 2, (0,))]
    assert place([100, 100, 100], uses, 2).size_bytes == 100


def test_what_is_overwritten_stays_where_it_is_until_it_is_read_again() -> None:
    uses = [Use((), 0, ()), Use((0,), 1, (None,)), Use((1, 0), 1, (0, 0)), Use((1,), 2, (None,))]
    arena = place([40, 40, 8], uses, 2)
    assert arena.needed_bytes == (40, 80, 80, 48)
    assert arena.size_bytes == 80


def test_an_input_that_must_not_be_overwritten_in_one_place_is_not_in_the_other() -> None:
    uses = [Use((), 0, ()), Use((0, 0), 1, (0, None))]
    assert place([40, 40], uses, 1).size_bytes == 80
