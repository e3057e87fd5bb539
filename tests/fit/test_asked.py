"""Which images an evaluation is about, and the name that what is found on them is kept under."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import DataError
from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.asked import Asked, labels_as, part_of

PART = Part(np.zeros((4, 2, 2, 1), np.uint8), np.arange(4) % 2)


def asked(name: str, *, own: bool, part: str = "test") -> Asked:
    return Asked.of(LabelledImages(name, PART, PART, ("a", "b")), part, PART, own=own, notes=())


@given(st.text())
@settings(deadline=None)
def test_what_is_found_on_other_images_is_a_files_name_and_no_parts(name: str) -> None:
    kept = asked(name, own=False).name
    assert re.fullmatch(r"[a-z0-9-]{1,100}", kept)
    assert kept not in ("test", "validation", "train", "all")
    assert asked(name, own=True).name == "test"


def test_an_empty_part_is_refused() -> None:
    images = LabelledImages("some", PART, PART, ("a", "b"))
    with pytest.raises(DataError, match="the validation part of some is empty"):
        Asked.of(images, "validation", part_of(images, "validation", 0), own=False, notes=())


@given(st.permutations(("a", "b", "c")))
@settings(deadline=None)
def test_classes_are_matched_by_their_names(names: list[str]) -> None:
    part = Part(np.zeros((6, 2, 2, 1), np.uint8), np.arange(6) % 3)
    images = LabelledImages("some", part, part, ("a", "b", "c"))
    told = labels_as(names, images, part)
    assert [names[label] for label in told.labels] == [images.class_names[label] for label in part.labels]
