from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from pennyweight.cli.completion import (
    CALIBRATIONS,
    DEVICES,
    ENGINES,
    FORMS,
    PARTS,
    ROUNDINGS,
    SAMPLERS,
    SOURCES,
    SPACES,
    join_bash_words,
    offers,
)


def words(metavar: str, incomplete: str = "") -> list[str]:
    return [each.value for each in offers(metavar, incomplete)]


def test_the_words_are_those_that_the_library_knows() -> None:
    from pennyweight.data import source
    from pennyweight.deploy.export.export import Form
    from pennyweight.fit import asked, device
    from pennyweight.plan import engines, samplers, space
    from pennyweight.shrink.quantize.calibrated import Rounding
    from pennyweight.shrink.quantize.ranges import Calibration

    assert (SOURCES, PARTS) == (source.NAMES, asked.PARTS)
    assert {*DEVICES} == {"auto", *device.DEVICES}
    assert (tuple(samplers.SAMPLERS), engines.ENGINES) == (SAMPLERS, ENGINES)
    assert tuple(space.shipped_spaces()) == SPACES
    assert (get_args(Form), get_args(Calibration), get_args(Rounding)) == (FORMS, CALIBRATIONS, ROUNDINGS)


def test_boards_networks_devices_and_settings_are_offered() -> None:
    assert words("BOARD", "microbit") == ["microbit-v1", "microbit-v2"]
    assert "mlp" in words("NETWORK")
    assert words("DEVICE", "c") == ["cpu", "cuda"]
    assert words("NAME=VALUE", "ep") == ["epochs="]
    assert words("NAME=VALUE", "flip=") == ["flip=yes", "flip=no"]
    assert words("NAME=VALUE", "optimizer=ad") == [f"optimizer={name}" for name in ("adam", "adamw", "adadelta")]


def test_the_dials_of_a_family_are_offered_one_after_the_other() -> None:
    assert words("NETWORK", "mlp:hi") == ["mlp:hidden="]
    assert words("NETWORK", "mlp:hidden=8,dr") == ["mlp:hidden=8,dropout="]
    assert "mlp:hidden=8,activation=gelu" in words("NETWORK", "mlp:hidden=8,activation=")
    assert words("NETWORK", "mlp:nosuch=") == []


def test_sources_and_runs_are_looked_for_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("runs/digits-mlp-1", "runs/search-1/trial-01", "photos/cat", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
        if name.startswith("runs"):
            (tmp_path / name / "settings.json").touch()
    (tmp_path / "set.npz").touch()
    (tmp_path / "text.txt").touch()
    assert words("SOURCE") == [*SOURCES, "photos/", "runs/", "set.npz"]
    assert words("[SOURCE]", "photos/") == ["photos/cat/"]
    assert words("RUN") == ["runs/digits-mlp-1", "runs/search-1/trial-01"]
    assert words("RUN", "pho") == ["photos/"]
    (tmp_path / "photos" / "mine.TFLITE").touch()
    (tmp_path / "small.tflite").touch()
    folders = ["photos/", "runs/"]
    assert words("RUN|FILE.tflite") == ["runs/digits-mlp-1", "runs/search-1/trial-01", *folders, "small.tflite"]
    assert words("RUN|FILE.tflite", "photos/") == ["photos/cat/", "photos/mine.TFLITE"]
    assert words("RUN|FILE.tflite", "s") == ["small.tflite"]
    assert words("RUN") == ["runs/digits-mlp-1", "runs/search-1/trial-01"]
    assert words("SOURCE", "no/such/") == []


def test_nothing_is_offered_where_nobody_can_know() -> None:
    assert words("FOLDER", "a") == []


def test_words_that_bash_has_split_are_joined() -> None:
    environment = {"COMP_WORDS": "pennyweight\ntrain\ndigits\nmlp\n:\nhidden\n=\n8\n--set\nopt", "COMP_CWORD": "9"}
    join_bash_words(environment)
    assert environment["COMP_WORDS"].split("\n") == ["pennyweight", "train", "digits", "mlp:hidden=8", "--set", "opt"]
    assert environment["COMP_CWORD"] == "5"


def complete(shell: str, **environment: str) -> tuple[list[str], set[str]]:
    """What a shell is told, and what of torch and numpy was loaded for it."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('loaded', *({'torch', 'numpy'} & set(sys.modules))))\n"
        "from pennyweight.__main__ import main\n"
        "main([])"
    )
    told = os.environ | environment | {"_PENNYWEIGHT_COMPLETE": f"complete_{shell}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=told)
    *lines, loaded = done.stdout.splitlines()
    return lines, set(loaded.split()[1:])


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("pennyweight tra", ["train"]),
        ("pennyweight profile mlp --board pico", ["pico", "pico2"]),
        ("pennyweight train digits mlp --set optimizer = ada", ["adam", "adamw", "adadelta"]),
        ("pennyweight profile mlp : activation = ge", ["gelu"]),
        ("pennyweight evaluate r --device mp", ["mps"]),
        ("pennyweight export r --to o", ["onnx"]),
        ("pennyweight quantize r --rounding a", ["adaptive"]),
        ("pennyweight search digits --emulate microbit-v", ["microbit-v1", "microbit-v2"]),
    ],
)
def test_bash_is_answered_without_torch_or_numpy(line: str, wanted: list[str]) -> None:
    split = line.split(" ")
    assert complete("bash", COMP_WORDS="\n".join(split), COMP_CWORD=str(len(split) - 1)) == (wanted, set())


def test_zsh_is_answered_with_whole_words() -> None:
    lines, loaded = complete("zsh", _TYPER_COMPLETE_ARGS="pennyweight train digits mlp --set optimizer=mu")
    assert '"optimizer=muon"' in "\n".join(lines)
    assert loaded == set()
