"""`pennyweight export`"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pennyweight.__main__ import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "digits", "pooled-resnet:width=4", "--set", "epochs=2", "--out", str(folder), "--json"]) == 0
    return str(folder)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_people_see_what_it_takes_and_what_to_call(
    run: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    capsys.readouterr()
    assert main(["export", run, "--to", "c", "--name", "digits"]) == 0
    out, _ = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= width
    for word in ("flash", "RAM", "make -C digits", "void digits_run(void)", "int32_t digits_class(void)"):
        assert word in out
    assert Path("digits", "digits.c").is_file()


def test_the_first_export_of_a_run_says_that_it_was_quantised(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path_factory.mktemp("runs") / "run")
    assert main(["train", "digits", "mlp:hidden=8", "--set", "epochs=1", "--out", folder, "--json"]) == 0
    capsys.readouterr()
    assert main(["export", folder, "--to", "tflite"]) == 0
    assert "was not quantised, so that was done first" in capsys.readouterr().out
    assert main(["export", folder, "--to", "tflite"]) == 0
    assert "done first" not in capsys.readouterr().out
    assert Path("model.tflite").is_file()


def test_programs_get_one_object(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    capsys.readouterr()
    facts = {}
    for form in ("c", "tflite", "onnx"):
        assert main(["export", run, "--to", form, "--json"]) == 0
        facts[form] = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [facts[form]["path"] for form in facts] == ["model", "model.tflite", "model.onnx"]
    project = facts["c"]["project"]
    assert project["arena_bytes"] > 64
    assert [call.split("(")[0].split("*")[-1].split()[-1] for call in project["calls"]] == [
        "model_input",
        "model_run",
        "model_output",
        "model_class",
        "model_class_name",
    ]
    assert facts["tflite"]["project"] is None
    assert facts["onnx"]["written_bytes"] == Path("model.onnx").stat().st_size


def test_a_tflite_file_stands_in_the_place_of_a_run(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", run, "--to", "tflite", "--out", "net.tflite"]) == 0
    assert main(["export", "net.tflite", "--to", "c", "--arduino"]) == 0
    assert "an Arduino library" in capsys.readouterr().out
    assert Path("model", "library.properties").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["RUN"], 2, "--to"),
        (["RUN", "--to", "keras"], 2, "known: c, tflite, onnx"),
        (["RUN", "--to", "onyx"], 2, "did you mean onnx?"),
        (["RUN", "--to", "onnx", "--arduino"], 2, "--to c --arduino"),
        (["nothing", "--to", "c"], 1, "there is no run folder nothing"),
        (["nothing.tflite", "--to", "c"], 2, "cannot read nothing.tflite"),
        (["RUN", "--to", "c", "--out", "."], 2, "the folder that you are in"),
        (["RUN", "--to", "c", "--out", "/dev/null/\x1b[31m"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_refused(
    run: str, arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *(run if word == "RUN" else word for word in arguments)]) == code
    err = capsys.readouterr().err
    assert told in err
    assert "\x1b" not in err
    assert "Traceback" not in err


def test_a_folder_with_anything_else_in_it_is_left_alone(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model").mkdir()
    Path("model", "thesis.tex").write_text("mine")
    assert main(["export", run, "--to", "c"]) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert [path.name for path in Path("model").iterdir()] == ["thesis.tex"]
