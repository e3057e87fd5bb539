"""The text that names a network: read, made canonical, and refused with every fault at once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import GraphError, UsageError
from pennyweight.net.zoo import build_network, families, parse_text
from pennyweight.net.zoo.family import Dial


def values(dial: Dial) -> st.SearchStrategy[Any]:
    """Values that the dial allows; numbers in the lower part of its range, so that networks stay small."""
    low, high = dial.low, dial.low + (dial.high - dial.low) / 8
    match dial.default:
        case bool():
            return st.booleans()
        case int():
            return st.integers(int(low), int(high))
        case float():
            return st.floats(low, high)
        case str():
            return st.sampled_from(dial.choices)
    return st.lists(st.integers(int(low), int(high)), min_size=1, max_size=3).map(tuple)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A family and some of its dials in any order, at times with spaces."""
    family = draw(st.sampled_from(sorted(families().items())))[1]
    dials = draw(st.lists(st.sampled_from(family.dials), unique=True, max_size=4))
    space = draw(st.sampled_from(("", " ")))
    turned = [f"{space}{dial.name}{space}={space}{dial.format(draw(values(dial)))}" for dial in dials]
    return f"{family.name}:{','.join(turned)}"


@given(texts())
@settings(max_examples=200)
def test_a_graphs_text_is_canonical_and_builds_the_same_graph(text: str) -> None:
    try:
        graph = build_network(text, (32, 32, 3), 10)
    except GraphError:
        return
    again = build_network(graph.text, (32, 32, 3), 10)
    assert again == graph
    assert again.text == graph.text


@given(texts())
def test_a_canonical_text_names_only_dials_that_were_turned_from_their_defaults(text: str) -> None:
    family, dials = parse_text(text)
    canonical = family.text(dials)
    turned = {dial.name for dial in family.dials if getattr(dials, dial.name) != dial.default}
    named = [part.partition("=")[0] for part in canonical.partition(":")[2].split(",") if part]
    assert set(named) == turned
    assert named == [dial.name for dial in family.dials if dial.name in turned]
    assert parse_text(canonical) == (family, dials)


def test_dials_are_read_by_their_types() -> None:
    _, dials = parse_text("mlp:hidden=80-60,activation=gelu,dropout=0.2")
    assert (dials.hidden, dials.activation, dials.dropout) == ((80, 60), "gelu", 0.2)
    _, dials = parse_text("squeezenet:batch_norm=yes")
    assert dials.batch_norm is True


def test_an_unknown_network_is_a_usage_error_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="unknown network 'mpl'") as caught:
        parse_text("mpl:hidden=80")
    assert caught.value.hint == "did you mean mlp?"


def test_an_unknown_dial_is_a_usage_error_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="unknown dial of mlp 'hiden'") as caught:
        parse_text("mlp:hiden=80")
    assert caught.value.hint == "did you mean hidden?"


def test_all_faults_are_listed_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_text("mlp:hidden=80-x,dropout=2,wide,depth=3,activation=rellu,dropout=0.1,dropout=0.2")
    for fault in ("hidden=80-x", "dropout=2", "from 0 to 0.95", "'wide'", "'depth'", "activation=rellu", "hard-swish"):
        assert fault in str(caught.value)
    assert "dropout is set twice" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "mlp:hidden=",
        "mlp:hidden=0",
        "mlp:hidden=-5",
        "mlp:hidden=80--60",
        "mlp:hidden=8.5",
        "mlp:hidden=" + "-".join(["8"] * 33),
        "mlp:hidden=" + "9" * 5000,
        "mlp:dropout=nan",
        "mlp:dropout=inf",
        "mlp:activation=",
        "mlp:,",
        "squeezenet:batch_norm=maybe",
        "bottleneck:width=1000000",
        "bottleneck:width=8.0",
        "",
        ":",
        "family",
        "halving",
        "../mlp",
        "plain_cnn",
    ],
)
def test_a_text_that_means_no_network_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_text(text)


def test_naming_a_network_loads_its_family_alone_and_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from pennyweight.net.zoo import build_network; build_network('mlp', (8, 8, 1), 10); "
        "print(*(m for m in sys.modules if m in ('torch', 'numpy') or m.startswith('pennyweight.net.zoo.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"pennyweight.net.zoo.family", "pennyweight.net.zoo.mlp"}


def test_every_family_has_a_summary_and_dials_with_help_and_an_allowed_default() -> None:
    assert list(families()) == sorted(families())
    for family in families().values():
        assert family.summary.endswith(".")
        for dial in family.dials:
            assert dial.help
            assert dial.read(dial.format(dial.default)) == dial.default
            for sample in dial.samples:
                assert dial.read(dial.format(sample)) == sample
