"""FlatBuffers: what was written comes back, and bytes that point elsewhere are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError
from pennyweight.deploy.tflite.flatbuffer import MAX_TABLES, MAX_TEXT_BYTES, Fields, Scalar, Table, Vector, build

KIND = b"TEST"

scalars = st.builds(Scalar, st.sampled_from("bBhHiIq"), st.integers(0, 127))
vectors = st.lists(st.integers(-128, 127), max_size=9).flatmap(
    lambda values: st.sampled_from(("i1", "<i4", "<i8", "<f4")).map(
        lambda dtype: Vector(np.array(values, dtype), max(4, np.dtype(dtype).itemsize))
    )
)
tables: st.SearchStrategy[Any] = st.recursive(
    st.dictionaries(st.integers(0, 6), scalars | vectors | st.text(max_size=5), max_size=4),
    lambda inner: st.dictionaries(st.integers(0, 6), inner | st.lists(inner, max_size=3), max_size=3),
    max_leaves=8,
)


def assert_holds(table: Table | None, fields: Fields) -> None:
    assert table is not None
    for number, value in fields.items():
        match value:
            case Scalar():
                assert table.number(number, value.format) == value.value
            case Vector():
                read = table.array(number, value.values.dtype.str)
                assert read.tolist() == value.values.tolist()
            case str():
                assert table.text(number) == value
            case dict():
                assert_holds(table.table(number), value)
            case _:
                for inner, wanted in zip(table.tables(number), value, strict=True):
                    assert_holds(inner, wanted)


@given(tables)
def test_what_was_written_comes_back(fields: Fields) -> None:
    assert_holds(Table.root(memoryview(build(fields, KIND)), KIND), fields)


@given(st.lists(st.integers(0, 255), max_size=9), st.sampled_from((4, 8, 16)))
def test_numbers_lie_where_they_are_aligned(values: list[int], alignment: int) -> None:
    content = build({0: "x", 1: Vector(np.array(values, np.uint8), alignment)}, KIND)
    table = Table.root(memoryview(content), KIND)
    start = table._vector(1, 1)[0]
    assert start % alignment == 0


def test_absent_fields_are_their_defaults() -> None:
    table = Table.root(memoryview(build({}, KIND)), KIND)
    assert table.number(3, "i", 7) == 7
    assert table.table(3) is None
    assert table.tables(3) == []
    assert table.text(3) == ""
    assert len(table.array(3, "<i4")) == 0


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(GraphError, match="of kind NONE"):
        Table.root(memoryview(build({}, KIND)), b"NONE")


def read_all(content: bytes) -> None:
    table = Table.root(memoryview(content), KIND)
    table.array(0, "<i4")
    table.text(1)


def test_what_points_outside_of_the_file_is_refused() -> None:
    whole = build({0: Vector(np.arange(4, dtype=np.int32)), 1: "text"}, KIND)
    table = Table.root(memoryview(whole), KIND)
    places = {0, table.position, *(table._position(field) for field in (0, 1)), table._vector(0, 4)[0] - 4}
    assert len(places) == 5
    for place in places:
        with pytest.raises(GraphError, match="cut off or damaged"):
            read_all(whole[:place] + b"\xff\xff\xff\x7f" + whole[place + 4 :])


def test_many_fields_that_point_to_the_same_bytes_cost_little() -> None:
    content = build({0: "x" * 10 * MAX_TEXT_BYTES, 1: Vector(np.zeros(MAX_TABLES + 1, np.uint32))}, KIND)
    table = Table.root(memoryview(content), KIND)
    assert len(table.text(0)) == MAX_TEXT_BYTES
    with pytest.raises(GraphError, match="100,001"):
        table.tables(1)
