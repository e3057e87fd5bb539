"""The profile: every figure of the price tag under its name, and the boards that a network fits on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pennyweight.core.board import boards
from pennyweight.core.errors import UsageError
from pennyweight.net.build import Builder
from pennyweight.net.profile import profile

TINY = "mlp:hidden=8"


def test_the_json_has_the_names_that_scripts_hold_on_to() -> None:
    facts = json.loads(json.dumps(profile("resnet8").as_json()))
    totals = {"parameters", "macs", "weight_bytes", "peak_ram_bytes", "peak_ram_lower_bound_bytes", "layers"}
    assert totals <= set(facts)
    rows = {"name", "op", "output_shape", "parameters", "macs", "weight_bytes", "activation_bytes"}
    assert all(rows <= set(layer) for layer in facts["layers"])
    assert (facts["macs"], facts["folded_parameters"], facts["peak_ram_bytes"]) == (12_501_632, 77_706, 33_680)
    assert sum(layer["macs"] for layer in facts["layers"]) == facts["macs"]


def test_float32_and_int8_stand_side_by_side_whatever_was_asked_for() -> None:
    asked_for_8, asked_for_32 = (profile("board-vgg", bits=bits).as_json() for bits in (8, 32))
    for key in ("float32", "int8"):
        assert asked_for_8[key] == asked_for_32[key]
    assert asked_for_32["float32"]["weights_ro_bytes"] == asked_for_32["weight_bytes"] == 5_372_584
    assert asked_for_8["int8"]["weights_ro_bytes"] == asked_for_8["weight_bytes"]
    assert asked_for_8["float32"]["activations_rw_bytes"] == 4 * asked_for_8["int8"]["activations_rw_bytes"]


def test_layers_are_called_by_the_fields_words() -> None:
    words = [layer["op"] for layer in profile("board-vgg").as_json()["layers"]]
    assert words[:3] == ["conv", "relu", "batch_norm"]
    assert "max_pool" in words
    assert "global_average_pool" in [layer.op for layer in profile("resnet8").layers]


def test_every_board_says_whether_the_network_fits_and_what_is_in_the_way() -> None:
    answer = profile("resnet8")
    assert [fit.board.key for fit in answer.fits] == list(boards())
    for fit in answer.fits:
        too_large = {
            "flash_bytes": answer.cost.flash_bytes > fit.board.flash_bytes,
            "ram_bytes": answer.cost.ram_bytes > fit.board.ram_bytes,
        }
        assert [excess.limit for excess in fit.excesses] == [limit for limit, over in too_large.items() if over]
        assert fit.fits == (not any(too_large.values()))
    assert {fit.fits for fit in answer.fits} == {True, False}


def test_the_reasons_name_the_step_and_the_layer_that_take_most() -> None:
    smallest = min(boards().values(), key=lambda board: board.ram_bytes)
    (fit,) = profile("board-vgg", board=smallest).fits
    flash, ram = fit.reasons
    assert "exceeds" in flash
    assert "dense1" in flash
    assert "live at conv2" in ram


def test_one_board_may_be_named() -> None:
    key = next(iter(boards()))
    answer = profile(TINY, board=key)
    assert [fit.board.key for fit in answer.fits] == [key]
    assert answer.cost.price_usd == boards()[key].price_usd


def test_a_graph_brings_its_own_shape_and_classes() -> None:
    b = Builder((12, 10, 1))
    b.dense(7)
    answer = profile(b.graph("mine"))
    assert (answer.network, answer.input_shape, answer.classes) == ("mine", (12, 10, 1), 7)
    assert answer.cost.parameters == 12 * 10 * 7 + 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "resnet9"}, "unknown network 'resnet9'"),
        ({"network": TINY, "board": "abacus"}, "unknown board 'abacus'"),
        ({"network": TINY, "bits": 16}, "unknown number of bits '16'"),
    ],
)
def test_words_that_are_not_known_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        profile(**arguments)  # type: ignore[arg-type]


def test_a_network_of_the_zoo_is_profiled_without_torch() -> None:
    program = (
        f"import sys; from pennyweight.net.profile import profile; profile({TINY!r}); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_a_users_own_network_enters_by_its_callable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_profiled_network.py").write_text(
        "from pennyweight.net.build import Builder\n"
        "def small(classes, input_shape):\n"
        "    net = Builder(input_shape)\n"
        "    net.dense(classes)\n"
        "    return net.graph('small')\n"
    )
    monkeypatch.chdir(tmp_path)
    answer = profile("my_profiled_network:small", input_shape=(4, 4, 1), classes=3)
    assert answer.cost.parameters == 16 * 3 + 3
