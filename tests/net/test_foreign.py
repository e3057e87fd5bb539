from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pennyweight.core.errors import GraphError
from pennyweight.net.foreign import call_by_text


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_callable_gets_what_it_has_parameters_for(folder: Path) -> None:
    (folder / "takers.py").write_text(
        "def both(input_shape, classes, depth=3): return input_shape, classes, depth\n"
        "def other(num_classes): return num_classes\n"
        "def nothing(): return 'nothing'\n"
    )
    before = list(sys.path)
    results = [call_by_text(f"takers:{name}", (8, 9, 3), 5) for name in ("both", "other", "nothing")]
    assert results == [((8, 9, 3), 5, 3), 5, "nothing"]
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nowhere_at_all:make", "there is no module 'nowhere_at_all'"),
        ("broken.nowhere:make", "there is no module 'broken.nowhere'"),
        ("lacking:make", "importing lacking failed: ModuleNotFoundError: No module named 'absent_library'"),
        ("quits:make", "importing quits failed: SystemExit: 3"),
        ("misspelt:make", "importing misspelt failed: SyntaxError"),
        ("broken:make", "broken has no callable 'make'"),
        ("broken:constant", "broken has no callable 'constant'"),
        (".broken:make", "importing .broken failed: TypeError"),
        ("broken:inner.make", "broken has no callable 'inner.make'"),
        ("broken:fails", "broken:fails failed: ZeroDivisionError: division by zero"),
        ("broken:needs", "broken:needs failed: TypeError: .*missing 1 required positional argument: 'width'"),
    ],
)
def test_a_callable_that_cannot_be_had_is_an_error_with_the_users_own_message(
    folder: Path, text: str, reason: str
) -> None:
    (folder / "lacking.py").write_text("import absent_library\n")
    (folder / "quits.py").write_text("raise SystemExit(3)\n")
    (folder / "misspelt.py").write_text("def make(:\n")
    (folder / "broken").mkdir()
    (folder / "broken" / "__init__.py").write_text(
        "constant = 3\ndef fails(): return 1 / 0\ndef needs(classes, width): return classes\n"
    )
    for name in ("lacking", "quits", "misspelt", "broken"):
        sys.modules.pop(name, None)
    with pytest.raises(GraphError, match=reason) as raised:
        call_by_text(text, (8, 8, 3), 5)
    assert raised.value.hint
