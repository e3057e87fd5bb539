"""Folders that build: a program with what people build it with."""

from __future__ import annotations

from pathlib import Path

from pennyweight.deploy.c.program import Program, render


def plain_project(program: Program) -> dict[str, str]:
    """The program's files with an example `main.c`, a Makefile and a CMakeLists.txt, by path."""
    return program.files | _rendered(program, "main.c", "Makefile", "CMakeLists.txt")


def arduino_library(program: Program) -> dict[str, str]:
    """The program's files as an Arduino library with an example sketch, by path."""
    sketch = f"examples/{program.name}_serial/{program.name}_serial.ino"
    (properties, example) = _rendered(program, "library.properties", "example.ino").values()
    sources = {f"src/{name}": text for name, text in program.files.items()}
    return sources | {"library.properties": properties, sketch: example}


def write_files(files: dict[str, str], folder: Path) -> None:
    """Write files by their paths below `folder`, which is made where it is not there."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "ascii", newline="\n")


def _rendered(program: Program, *names: str) -> dict[str, str]:
    return {name: render(name, program.facts) for name in names}
