from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from pennyweight.data.audit import audit
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.doctor import doctor
from pennyweight.net.profile import profile
from pennyweight.report.notebook import REPORTS


def test_a_profile_shows_its_layers_and_boards() -> None:
    page = profile("mlp")._repr_html_()
    assert page.startswith("<pre")
    assert page.rstrip().endswith("</pre>")
    assert "dense1" in page
    assert "microbit-v1" in page


def test_a_checkup_shows_itself() -> None:
    assert "All that is needed works." in doctor()._repr_html_()


def test_names_of_users_are_escaped() -> None:
    images = Part(np.zeros((2, 4, 4, 1), np.uint8), np.arange(2))
    hostile = LabelledImages("<img src=x>", images, images, ("<script>alert(1)</script>", "b&b"))
    page = audit(hostile)._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "b&amp;b" in page


@pytest.mark.parametrize("kind", REPORTS)
def test_every_kind_of_result_has_its_report(kind: str) -> None:
    module, name = REPORTS[kind].split(".")
    assert callable(getattr(import_module(f"pennyweight.report.{module}"), name))


def test_every_class_that_is_shown_has_a_report() -> None:
    folder = Path(str(import_module("pennyweight").__file__)).parent
    shown = {
        node.name
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "Shown" for b in node.bases)
    }
    assert shown <= set(REPORTS)
    assert {"Audit", "Profile", "Training", "Search", "Checkup"} <= shown
