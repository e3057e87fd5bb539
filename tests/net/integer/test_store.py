"""An IntegerNetwork in bytes: it comes back whole, and bytes that are another's, or damaged, are refused."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import run_all
from pennyweight.net.integer.store import FORMAT, from_bytes, to_bytes


@given(networks())
@settings(max_examples=40, deadline=None)
def test_a_network_comes_back_whole(network: IntegerNetwork) -> None:
    content = to_bytes(network)
    again = from_bytes(content)
    assert to_bytes(again) == content
    x = np.random.default_rng(0).integers(-128, 128, (2, *network.input_shape)).astype(np.int8)
    for name, tensor in run_all(network, x).items():
        assert np.array_equal(tensor, run_all(again, x)[name])


@given(networks(3), st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_bytes_are_a_network_or_a_graph_error(network: IntegerNetwork, data: st.DataObject) -> None:
    content = bytearray(to_bytes(network))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(GraphError):
        assert isinstance(from_bytes(bytes(content)), IntegerNetwork)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, save({}, {}), save({}, {FORMAT: "[" * 100_000}), save({}, {FORMAT: json.dumps({"version": 9})})],
    ids=["empty", "zeros", "no facts", "deep", "another version"],
)
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(GraphError):
        from_bytes(content)
