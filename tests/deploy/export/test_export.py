"""Exports: what is written is the network, and builds; what is in the way stays."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.deploy.c.zoo_networks import zoo_network
from tests.net.integer.random_network import networks

from pennyweight.core.errors import GraphError, RunError, UsageError
from pennyweight.core.run import Run
from pennyweight.data.source import open_source
from pennyweight.deploy.c.example_image import ExampleImage
from pennyweight.deploy.c.program import program
from pennyweight.deploy.c.projects import arduino_library, plain_project
from pennyweight.deploy.deployable import open_deployable
from pennyweight.deploy.export.export import export
from pennyweight.deploy.export.file import write_file
from pennyweight.deploy.tflite.read import class_names, read
from pennyweight.deploy.tflite.write import write
from pennyweight.deploy.toolchain.host import build_program
from pennyweight.net.integer.network import IntegerNetwork
from pennyweight.net.integer.reference import pixel_table, quantise_input, run
from pennyweight.net.integer.store import to_bytes
from pennyweight.shrink.quantize.kept import FOLDER

HOSTILE = ("*/ int evil; /*", 'a"b\\', "??/", "%s%n", "\x1b[31mred", "naïve ☕", "", "a\nb", "</script>", "z")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A .tflite file in int8 with hostile class names."""
    path = tmp_path / "net.tflite"
    path.write_bytes(write(zoo_network("mlp:hidden=8", (4, 4, 3)), HOSTILE))
    return path


def built(folder: Path, name: str) -> str:
    """What the example of a plain project says."""
    sources = [path for path in folder.iterdir() if path.suffix == ".c"]
    runnable = build_program(sources, folder / name, include=[folder])
    return subprocess.run([runnable], capture_output=True, check=True, timeout=60).stdout.decode("utf-8", "replace")


def test_digits_run_becomes_c_that_builds_and_knows_its_answer(digits_run: Path, tmp_path: Path) -> None:
    found = export(digits_run, "c", out=tmp_path / "out", name="my digits")
    assert found.project is not None
    assert found.quantized is not None
    assert found.quantized.part == "validation"
    assert found.project.name == "my_digits"
    assert "'my digits' is no name" in found.notes[-1]
    assert "every byte of the answer is as expected" in built(tmp_path / "out", "my_digits")
    images = open_source("digits")
    network = open_deployable(digits_run).network
    _, validation = images.split(0.2)
    answer = run(network, quantise_input(network, validation.images[:1])).argmax()
    assert f"class {answer}, {images.class_names[answer]}" in built(tmp_path / "out", "my_digits")
    assert Run.open(digits_run).openings() == []


def test_what_was_quantised_is_not_quantised_again(digits_run: Path, tmp_path: Path) -> None:
    export(digits_run, "tflite", out=tmp_path / "one.tflite")
    kept = {path: path.stat().st_mtime_ns for path in (digits_run / FOLDER).iterdir()}
    assert export(digits_run, "tflite", out=tmp_path / "two.tflite").quantized is None
    assert {path: path.stat().st_mtime_ns for path in (digits_run / FOLDER).iterdir()} == kept
    assert (tmp_path / "one.tflite").read_bytes() == (tmp_path / "two.tflite").read_bytes()


def test_an_integer_network_of_other_weights_is_refused(digits_run: Path, tmp_path: Path) -> None:
    export(digits_run, "tflite", out=tmp_path / "one.tflite")
    content = bytearray((digits_run / FOLDER / "network.safetensors").read_bytes())
    content[-1] ^= 1
    (digits_run / FOLDER / "network.safetensors").write_bytes(content)
    with pytest.raises(RunError, match="not that of these weights") as refusal:
        export(digits_run, "tflite", out=tmp_path / "two.tflite")
    assert "pennyweight quantize" in refusal.value.hint
    assert not (tmp_path / "two.tflite").exists()


def test_the_tflite_file_is_the_runs_network_with_its_names(digits_run: Path, tmp_path: Path) -> None:
    export(digits_run, "tflite", out=tmp_path / "net.tflite")
    content = (tmp_path / "net.tflite").read_bytes()
    again, network = read(content, "any"), open_deployable(digits_run).network
    assert isinstance(again, IntegerNetwork)
    pixels = open_source("digits").learning.images[:50]
    assert np.array_equal(run(again, quantise_input(again, pixels)), run(network, quantise_input(network, pixels)))
    assert class_names(content) == tuple("0123456789")


def test_the_tflite_file_answers_the_same_in_tflite_micro(digits_run: Path, tmp_path: Path) -> None:
    micro = pytest.importorskip("tests.deploy.tflite.micro")
    export(digits_run, "tflite", out=tmp_path / "net.tflite")
    network = open_deployable(digits_run).network
    inputs = quantise_input(network, open_source("digits").learning.images[:30])
    answers = micro.answers_of((tmp_path / "net.tflite").read_bytes(), inputs)
    assert np.array_equal(answers, run(network, inputs))


def test_the_tflite_file_answers_in_litert_with_its_own_rounding(digits_run: Path, tmp_path: Path) -> None:
    litert = pytest.importorskip("tests.deploy.tflite.test_litert")
    export(digits_run, "tflite", out=tmp_path / "net.tflite")
    network = open_deployable(digits_run).network
    inputs = quantise_input(network, open_source("digits").learning.images[:100])
    exact = run(network, inputs).astype(int)
    answers = litert.answers_of((tmp_path / "net.tflite").read_bytes(), inputs, litert.DEFAULT).astype(int)
    assert np.abs(answers - exact).max() <= 4
    assert (answers.argmax(1) == exact.argmax(1)).mean() >= 0.97


def test_an_int8_file_goes_to_every_form(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    assert {export(file, form).path for form in ("c", "tflite", "onnx")} == {
        Path("model"),
        Path("model.tflite"),
        Path("model.onnx"),
    }
    first, again = read(file.read_bytes(), "any"), read(Path("model.tflite").read_bytes(), "any")
    assert isinstance(first, IntegerNetwork)
    assert isinstance(again, IntegerNetwork)
    assert to_bytes(first) == to_bytes(again)
    assert "every byte of the answer is as expected" in built(tmp_path / "model", "model")


@given(networks())
@settings(max_examples=15, deadline=None)
def test_any_network_that_is_exported_and_read_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, network: IntegerNetwork
) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        (folder / "in.tflite").write_bytes(write(network))
        first = open_deployable(folder / "in.tflite").network
    except GraphError:  # what TFLite has no exact form for
        assume(False)
    export(folder / "in.tflite", "tflite", out=folder / "out.tflite")
    again = open_deployable(folder / "out.tflite").network
    images = np.random.default_rng(0).integers(-128, 128, (5, *first.input_shape)).astype(np.int8)
    assert np.array_equal(run(again, images), run(first, images))
    assert np.array_equal(pixel_table(again), pixel_table(first))
    told = [[(step.op, step.quantization, step.clamp) for step in each.steps] for each in (again, first)]
    assert told[0] == told[1]


@given(st.lists(st.text() | st.sampled_from(HOSTILE), min_size=10, max_size=10), st.text() | st.sampled_from(HOSTILE))
@settings(max_examples=60, deadline=None)
def test_hostile_names_stay_in_the_strings_and_comments_of_c(names: list[str], text: str) -> None:
    network = SMALL.renamed(text)
    usual = program(SMALL, name="model", classes=["a"] * 10)
    hostile = program(network, name=text, classes=names)
    image = ExampleImage(np.zeros((4, 4, 3), np.uint8), text)
    for project in (plain_project, arduino_library):
        files = project(hostile, image)
        assert len(files) == len(project(usual, image))
        assert all(content.isascii() and "\x1b" not in content for content in files.values())
        assert all(not path.startswith("/") and ".." not in path for path in files)


@given(st.lists(st.text() | st.sampled_from(("\ud800", "\x85", "\u2028a", "\0")), min_size=10, max_size=10))
@settings(max_examples=40, deadline=None)
def test_a_tflite_file_names_every_class_on_a_line_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    path = tmp_path_factory.mktemp("any") / "net.tflite"
    write_file(path, SMALL, tuple(names), "tflite")
    plain = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    assert class_names(path.read_bytes()) == tuple(" ".join(name.split()) for name in plain)


def test_names_of_other_classes_are_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(write(SMALL, ("background", "cat")))
    found = export(tmp_path / "net.tflite", "c", out=tmp_path / "out")
    assert found.class_names == ()
    assert found.project is not None
    assert len(found.project.calls) == 4
    assert "names 2 classes" in found.notes[0]


SMALL = zoo_network("mlp:hidden=8", (4, 4, 3))


def test_c_with_hostile_names_builds_and_says_them(file: Path, tmp_path: Path) -> None:
    export(file, "c", out=tmp_path / "out", name="*/ evil")
    network = open_deployable(file).network
    pixels = ExampleImage.random(network.input_shape).pixels
    name = class_names(file.read_bytes())[run(network, quantise_input(network, pixels[None])).argmax()]
    assert built(tmp_path / "out", "evil").startswith("class ")
    assert name in built(tmp_path / "out", "evil")


def test_an_example_on_a_machine_that_computes_otherwise_says_so(tmp_path: Path) -> None:
    made = program(SMALL)
    files = plain_project(made, ExampleImage.random((4, 4, 3)))
    start = files["test_image.h"].index("test_answer[] = {\n") + len("test_answer[] = {\n")
    number, rest = files["test_image.h"][start:].split(",", 1)
    files["test_image.h"] = f"{files['test_image.h'][:start]}    {int(number) ^ 1},{rest}"
    for name, text in files.items():
        (tmp_path / name).write_text(text, "ascii")
    sources = [path for path in tmp_path.iterdir() if path.suffix == ".c"]
    runnable = build_program(sources, tmp_path / "model", include=[tmp_path])
    done = subprocess.run([runnable], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "not the answer that is expected" in done.stdout


def test_a_path_that_is_not_ascii_is_no_hindrance(file: Path, tmp_path: Path) -> None:
    other = file.rename(tmp_path / "naïve \x1b[31m☕.tflite")
    export(other, "c", out=tmp_path / "größe")
    export(other, "tflite", out=tmp_path / "größe.tflite")
    assert (tmp_path / "größe" / "model.c").read_text("ascii").startswith("/* ")


def test_an_arduino_library_has_a_sketch_with_the_image(file: Path, tmp_path: Path) -> None:
    found = export(file, "c", arduino=True, out=tmp_path / "digits", name="digits")
    assert found.project is not None
    assert found.project.arduino
    sketch = tmp_path / "digits" / "examples" / "digits_test_image" / "digits_test_image.ino"
    assert "digits_run();" in sketch.read_text()
    assert (sketch.parent / "test_image.h").is_file()
    assert (tmp_path / "digits" / "src" / "digits.c").is_file()


ARDUINO = """
struct Port { void begin(long); void print(const char *); void print(int); void print(unsigned long);
              void println(const char *); void println(int); unsigned readBytes(char *, unsigned long); };
static Port Serial;
unsigned long micros();
void delay(int);
#include <stddef.h>
"""
"""As much of an Arduino as the sketches ask for."""


def test_sketches_are_cpp_that_compiles(file: Path, tmp_path: Path) -> None:
    cxx = shutil.which("g++") or shutil.which("c++")
    if cxx is None:
        pytest.skip("no C++ compiler here")
    export(file, "c", arduino=True, out=tmp_path / "digits", name="digits")
    sketches = sorted((tmp_path / "digits" / "examples").rglob("*.ino"))
    assert len(sketches) == 2
    for sketch in sketches:
        (tmp_path / "sketch.cpp").write_text(ARDUINO + sketch.read_text())
        flags = ["-Wall", "-Werror", f"-I{tmp_path / 'digits' / 'src'}", f"-I{sketch.parent}"]
        subprocess.run([cxx, *flags, "-c", "sketch.cpp"], cwd=tmp_path, check=True, timeout=60)


def test_the_sizes_that_are_told_are_those_in_the_c(file: Path, tmp_path: Path) -> None:
    found = export(file, "c", out=tmp_path / "out")
    assert found.project is not None
    header = (tmp_path / "out" / "model.h").read_text()
    assert f"#define MODEL_ARENA_BYTES {found.project.arena_bytes}" in header
    for call in found.project.calls:
        assert f"{call};" in header
    assert len(found.project.calls) == 5
    assert found.project.constants_bytes >= found.weight_bytes
    manifest = json.loads((tmp_path / "out" / "export.json").read_text())
    assert sorted(manifest["files"]) == list(found.project.files)


@pytest.mark.parametrize("form", ["tflite", "onnx"])
def test_a_file_of_somebody_else_is_not_overwritten(file: Path, tmp_path: Path, form: str) -> None:
    pytest.importorskip("onnx")
    out = tmp_path / f"thesis.{form}"
    for content in (b"", b"mine", file.read_bytes()):
        out.write_bytes(content)
        with pytest.raises(UsageError, match="was not exported from here"):
            export(file, form, out=out)  # type: ignore[arg-type]
        assert out.read_bytes() == content
    out.unlink()
    export(file, form, out=out)  # type: ignore[arg-type]
    export(file, form, out=out)  # type: ignore[arg-type]


def test_the_file_itself_is_not_overwritten(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="was not exported from here"):
        export(file, "tflite", name="net")


@pytest.mark.parametrize(
    ("form", "options", "told"),
    [
        ("keras", {}, "unknown form 'keras'"),
        ("onnx", {"arduino": True}, "an Arduino library is made of C"),
    ],
)
def test_what_cannot_be_is_refused(file: Path, form: str, options: dict[str, bool], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        export(file, form, **options)  # type: ignore[arg-type]


def test_what_is_in_the_way_is_seen_before_digits_run_is_quantised(digits_run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="nothing that was exported"):
        export(digits_run, "c", out=tmp_path / "out")
    assert not (digits_run / FOLDER).exists()
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_a_float_file_is_told_the_way_to_int8(resnet8_float: bytes, tmp_path: Path) -> None:
    (tmp_path / "float.tflite").write_bytes(resnet8_float)
    with pytest.raises(GraphError, match="float32") as refusal:
        export(tmp_path / "float.tflite", "c", out=tmp_path / "out")
    assert "pennyweight quantize" in refusal.value.hint
    assert not (tmp_path / "out").exists()
