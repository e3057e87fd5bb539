"""Folders that build: a program with an example, and with what people build it with."""

from __future__ import annotations

from pennyweight.deploy.c.example_image import ExampleImage, header
from pennyweight.deploy.c.program import Program, render


def plain_project(program: Program, image: ExampleImage) -> dict[str, str]:
    """The program's files with an example that knows its answer, a Makefile and a CMakeLists.txt, by path."""
    names = ("main.c", "Makefile", "CMakeLists.txt")
    rendered = {name: render(name, program.facts) for name in names}
    return program.files | rendered | {"test_image.h": header(program, image)}


def arduino_library(program: Program, image: ExampleImage) -> dict[str, str]:
    """The program's files as an Arduino library with two sketches, by path.

    One knows its answer, the other reads images from the serial line.
    """
    tests, serial = f"{program.name}_test_image", f"{program.name}_serial"
    return {f"src/{name}": text for name, text in program.files.items()} | {
        "library.properties": render("library.properties", program.facts),
        f"examples/{tests}/{tests}.ino": render("test_image.ino", program.facts),
        f"examples/{tests}/test_image.h": header(program, image),
        f"examples/{serial}/{serial}.ino": render("serial.ino", program.facts),
    }
