"""The files of a C program: whole, strict, and harmless whatever things are called."""

from __future__ import annotations

import re
import shutil
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deploy.c.zoo_networks import zoo_network

from pennyweight.core.errors import UsageError
from pennyweight.deploy.c.example_image import ExampleImage
from pennyweight.deploy.c.program import RUNTIME, Program, program
from pennyweight.deploy.c.projects import arduino_library, plain_project
from pennyweight.deploy.c.text import comment, identifier, string_literal
from pennyweight.deploy.toolchain.host import build_program
from pennyweight.net.integer.reference import quantise_input, run
from pennyweight.net.kernels import Packing

HOSTILE = ['*/ int evil; /* "', "a\nb\\", "??/", "%s%n", "int", "2 fast", "", "\0", "naïve", "\x1b[31m", "string"]


@given(st.text() | st.sampled_from(HOSTILE))
def test_an_identifier_is_one_whatever_the_name(name: str) -> None:
    word = identifier(name)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,23}", word)
    assert word not in ("int", "string", "main", "pennyweight")
    assert not (RUNTIME / f"{word}.c").exists()
    assert not (RUNTIME / f"{word}.h").exists()


@given(st.text() | st.sampled_from(HOSTILE))
def test_a_comment_cannot_be_left(text: str) -> None:
    inside = comment(text)
    assert not re.search(r"\*/|/\*|\?\?|[\n\r\\]", inside)
    assert inside.isascii()
    assert inside.isprintable()


@given(st.text() | st.sampled_from(HOSTILE))
def test_a_string_cannot_be_left_and_says_the_same(text: str) -> None:
    literal = string_literal(text)
    assert re.fullmatch(r'"([A-Za-z0-9 _\-.,()]|\\[0-3][0-7]{2})*"', literal)
    octal = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), literal[1:-1])
    assert octal.encode("latin-1") == text.encode("utf-8", "replace").replace(b"\0", b" ")


def written(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, "ascii")


def example(folder: Path, built: Program, image: ExampleImage, **options: Any) -> Path:
    """The built example of a plain project."""
    written(folder, plain_project(built, image))
    sources = [path for path in folder.iterdir() if path.suffix == ".c"]
    return build_program(sources, folder / "model", include=[folder], **options)


def test_a_network_with_hostile_names_is_a_program_that_says_the_classes_names(tmp_path: Path) -> None:
    network = zoo_network("mlp", classes=len(HOSTILE)).renamed('*/ int evil; /* "\n??/')
    built = program(network, name="2 */ int evil;", classes=HOSTILE)
    image = ExampleImage.random(network.input_shape)
    said = subprocess.run([example(tmp_path, built, image)], capture_output=True, check=True, timeout=60).stdout
    answer = run(network, quantise_input(network, image.pixels[None])).argmax()
    assert said.startswith(f"class {answer}, {HOSTILE[answer]}".replace("\0", " ").encode() + b"\n")


@pytest.mark.parametrize("packing", ["blocks", "rows", "tiles"])
def test_the_program_reads_and_writes_nothing_that_is_not_its_own(tmp_path: Path, packing: Packing) -> None:
    network = zoo_network("separable:width=8")
    built, image = program(network, packing=packing), ExampleImage.random(network.input_shape)
    flags = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    runnable = example(tmp_path, built, image, flags=flags)
    said = subprocess.run([runnable], capture_output=True, check=True, timeout=60).stdout
    assert b"every byte of the answer is as expected" in said


def test_make_builds_the_project_and_clean_leaves_the_sources(tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None or shutil.which("cc") is None:
        pytest.skip("no make here")
    network = zoo_network("mlp")
    files = plain_project(program(network, name="my digits"), ExampleImage.random(network.input_shape))
    written(tmp_path, files)
    subprocess.run([make, "-C", tmp_path], check=True, capture_output=True, timeout=120)
    assert (tmp_path / "my_digits").is_file()
    subprocess.run([make, "-C", tmp_path, "clean"], check=True, capture_output=True, timeout=120)
    assert {path.name for path in tmp_path.iterdir()} == set(files)


def test_an_arduino_library_has_its_sources_properties_and_a_sketch() -> None:
    network = zoo_network("mlp")
    files = arduino_library(program(network, name="digits"), ExampleImage.random(network.input_shape))
    assert "includes=digits.h" in files["library.properties"]
    assert "#include <digits.h>" in files["examples/digits_serial/digits_serial.ino"]
    sources = {path for path in files if path.endswith((".c", ".h"))}
    assert {path for path in sources if not path.startswith("src/")} == {"examples/digits_test_image/test_image.h"}


def test_only_kernels_that_are_used_come_along() -> None:
    assert program(zoo_network("mlp")).kernels == (
        "arg_max_s8.c",
        "dense_s8.c",
        "pixels_s8.c",
        "rescale.c",
        "table_s8.c",
    )


def code(source: Path) -> str:
    """The C of a file without its comments and strings."""
    text = re.sub(r"/\*.*?\*/", "", source.read_text("ascii"), flags=re.DOTALL)
    return re.sub(r'"(\\.|[^"\\])*"', '""', text)


FORBIDDEN = (
    r"\b(malloc|free|calloc|realloc|alloca|float|double|goto|union|setjmp|longjmp|va_\w+|printf)\b|"
    r"\b(char|short|int|long|unsigned)\b|#\s*undef|\(\s*\*\s*\w+\s*\)\s*\(|\b0[0-7]+\b"
)
"""Heap, floating point, jumps, unions, formatted output, types without a width, function pointers, octal numbers."""


@pytest.mark.parametrize("source", sorted(RUNTIME.glob("*.[ch]")), ids=lambda path: path.name)
def test_kernels_keep_to_the_subset_that_the_documentation_tells(source: Path) -> None:
    text = code(source)
    included = set(re.findall(r"#include (<\w+\.h>)", text))
    assert included <= {"<stdint.h>", "<string.h>", "<arm_mve.h>", "<immintrin.h>"}
    assert not re.findall(FORBIDDEN, text)
    assert not re.findall(r"^(?!static const)static [^()]*[=;]", text, re.MULTILINE), "no state of their own"
    assert set(re.findall(r"\b(mem\w+|str\w+)\(", text)) <= {"memcpy", "memset"}


@pytest.mark.parametrize(
    "line",
    ["union u { int32_t a; };", "unsigned x;", "long x;", "int32_t x = 017;", "int32_t (*f)(int32_t);", "goto end;"],
)
def test_what_is_outside_the_subset_would_be_found(line: str) -> None:
    assert re.findall(FORBIDDEN, line)


def test_no_kernel_calls_itself_however_far_around() -> None:
    text = "\n".join(code(source) for source in sorted(RUNTIME.glob("*.[ch]")))
    bodies = re.findall(r"^[\w *]*?\b(\w+)\([^;{}()]*\)\s*\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    calls: dict[str, set[str]] = {name: set() for name, _ in bodies}
    for name, body in bodies:
        calls[name] |= set(re.findall(r"\b(\w+)\(", body)) & calls.keys()
    assert len(calls) > 40
    assert sum(map(len, calls.values())) > 40
    tuple(TopologicalSorter(calls).static_order())


@pytest.mark.parametrize(
    ("packing", "own"), [("blocks", {"core.h"}), ("rows", {"core.h", "rows.h"}), ("tiles", {"tiles.h"})]
)
def test_only_headers_that_are_used_come_along(packing: Packing, own: set[str]) -> None:
    files = program(zoo_network("mlp"), packing=packing).files
    assert {name for name in files if name.endswith(".h")} == {"fixed_point.h", "model.h", "pennyweight.h"} | own


def test_headers_can_be_read_by_cpp(tmp_path: Path) -> None:
    cxx = shutil.which("g++") or shutil.which("c++")
    if cxx is None:
        pytest.skip("no C++ compiler here")
    program(zoo_network("mlp")).write(tmp_path)
    (tmp_path / "sketch.cpp").write_text('#include "model.h"\nint main() { model_run(); return model_class(); }\n')
    subprocess.run([cxx, "-Wall", "-Werror", "-c", "sketch.cpp"], cwd=tmp_path, check=True, timeout=60)


def test_names_for_other_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="2 names for 10 classes"):
        program(zoo_network("mlp"), classes=["cat", "dog"])


def test_the_same_network_is_the_same_text() -> None:
    network = zoo_network("mlp")
    assert program(network).files == program(network).files
