"""The contact sheet: a place for each picture, its pixels as the network saw them."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pennyweight.data.decode import encode_png
from pennyweight.fit.answer import Answer
from pennyweight.fit.contact_sheet import COLUMNS, PICTURE_SIDE, contact_sheet


def photo(file: str = "3/a.png", answer: str = "3", side: int = 28, note: str = "") -> Answer:
    """A photo of a 3 and what was answered."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 1), dtype=np.uint8)
    return Answer(0, "3", answer, 0.9876, encode_png(pixels), file, note)


def test_a_contact_sheet_has_a_place_for_each_picture() -> None:
    for count, side in ((1, 28), (7, 28), (24, 300)):
        with Image.open(BytesIO(contact_sheet([photo(side=side)] * count))) as sheet:
            assert sheet.width >= min(count, COLUMNS) * PICTURE_SIDE
            assert sheet.height >= -(-count // COLUMNS) * PICTURE_SIDE


def test_a_contact_sheet_shows_the_pixels_that_the_network_saw() -> None:
    with Image.open(BytesIO(contact_sheet([photo(side=8)]))) as sheet:
        shown = sheet.convert("L").crop((10, 10, 10 + PICTURE_SIDE, 10 + PICTURE_SIDE))
    with Image.open(BytesIO(photo(side=8).png)) as seen:
        assert (np.asarray(shown)[9::18, 9::18] == np.asarray(seen)).all()


@pytest.mark.parametrize("name", ["<script>", 200 * "ا", "\x1b[31m", "", "\U0001f600"])
def test_a_contact_sheet_takes_any_name(name: str) -> None:
    assert contact_sheet([replace(photo(name, name, note=name), true=name)])
