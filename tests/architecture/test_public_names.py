"""The public names resolve, and asking for one loads no more than it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pennyweight

HEAVY = ("torch", "numpy", "scipy", "sklearn", "PIL", "pooch", "typer", "rich")


@pytest.mark.parametrize("name", pennyweight.__all__)
def test_every_public_name_resolves(name: str) -> None:
    value = getattr(pennyweight, name)
    assert isinstance(value, str) or value.__name__ == name


def test_type_checkers_and_python_see_the_same_names() -> None:
    tree = ast.parse(Path(str(pennyweight.__file__)).read_text(encoding="utf-8"))
    declared = {
        alias.asname
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert declared | {"__version__"} == set(pennyweight.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nosuch"):
        pennyweight.nosuch  # noqa: B018


def _loaded(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after `code`."""
    probe = f"{code}\nimport sys\nprint('\\n' + ' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_import_pennyweight_loads_nothing_heavy() -> None:
    assert _loaded("import pennyweight") == set()


def test_the_probe_sees_what_is_loaded() -> None:
    assert _loaded("import numpy") == {"numpy"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["networks"], ["boards"], ["profile", "resnet8"]]
)
def test_a_quick_verb_loads_neither_torch_nor_numpy(arguments: list[str]) -> None:
    loaded = _loaded(f"from pennyweight.__main__ import main\nassert main({arguments!r}) == 0")
    assert loaded <= {"typer", "rich"}


def test_the_version_is_the_one_that_is_packaged() -> None:
    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        assert pennyweight.__version__ == tomllib.load(file)["project"]["version"]
