"""A user's own network by its place, `package.module:callable`: imported and called."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pennyweight.core.errors import GraphError
from pennyweight.net.ops import Shape


def call_by_text(text: str, input_shape: Shape, classes: int) -> Any:
    """What the callable at `package.module:callable` returns; the package is looked for in the current folder first.

    It is given `classes` (or `num_classes`) and `input_shape` (height, width, channels) if it has parameters of
    these names. Raises GraphError where it cannot be imported or called, with the message of the user's own code.
    """
    offered = {"classes": classes, "num_classes": classes, "input_shape": input_shape}
    with _current_folder_first():
        function = _import(text)
        try:
            taken = inspect.signature(function).parameters
            return function(**{name: value for name, value in offered.items() if name in taken})
        except (Exception, SystemExit) as error:
            raise GraphError(f"{text} failed: {describe_error(error)}", hint=_alone(text)) from error


def describe_error(error: BaseException) -> str:
    """The class and the first line of an error from somebody else's code.

    >>> describe_error(ValueError("too wide"))
    'ValueError: too wide'
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _import(text: str) -> Callable[..., Any]:
    package, _, name = text.partition(":")
    try:
        found = getattr(importlib.import_module(package), name, None)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{package}.".startswith(f"{error.name}."):
            hint = "it must lie in the current folder or be installed"
            raise GraphError(f"{text}: there is no module {error.name!r}", hint=hint) from error
        hint = f"to see where: python -c 'import {package}'"
        raise GraphError(f"{text}: importing {package} failed: {describe_error(error)}", hint=hint) from error
    if not callable(found):
        raise GraphError(
            f"{text}: {package} has no callable {name!r}",
            hint=f"define `def {name}(classes): ...` that returns a torch module",
        )
    return found  # type: ignore[no-any-return]


def _alone(text: str) -> str:
    package, _, name = text.partition(":")
    return (
        f"to see where: python -c 'import {package}; {package}.{name}(…)'; it is given classes and input_shape by name"
    )


@contextmanager
def _current_folder_first() -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
