"""Pictures as a network saw them, on one sheet, each with its true class, the answer and the answer's confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from pennyweight.core.text import visible
from pennyweight.fit.answer import Answer

COLUMNS = 6
PICTURE_SIDE = 144
MARGIN = 10
LINE = 18
"""Pixels of a sheet."""

PAPER, INK, RIGHT, WRONG = "white", "#222222", "#177245", "#b3261e"


def contact_sheet(answers: Sequence[Answer]) -> bytes:
    """A PNG with a picture for each of the `answers`."""
    columns = min(COLUMNS, len(answers))
    width, height = PICTURE_SIDE + MARGIN, PICTURE_SIDE + 2 * LINE + MARGIN
    rows = math.ceil(len(answers) / columns)
    sheet = Image.new("RGB", (MARGIN + columns * width, MARGIN + rows * height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for place, answer in enumerate(answers):
        left, top = MARGIN + place % columns * width, MARGIN + place // columns * height
        picture = _enlarged(answer.png)
        sheet.paste(picture, (left + (PICTURE_SIDE - picture.width) // 2, top + (PICTURE_SIDE - picture.height) // 2))
        verdict = f"{visible(answer.true)} -> {visible(answer.answer)}"
        lines = (
            (f"{verdict}  {answer.confidence:.0%}", RIGHT if answer.right else WRONG),
            (visible(answer.file or f"image {answer.index:,}") + (f": {answer.note}" if answer.note else ""), INK),
        )
        for number, (text, colour) in enumerate(lines):
            line = _cut(text, font, PICTURE_SIDE)
            draw.text((left, top + PICTURE_SIDE + 2 + number * LINE), line, colour, font)
    file = BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _enlarged(png: bytes) -> Image.Image:
    """The picture, every pixel a square; a larger one is made smaller."""
    with Image.open(BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    times = PICTURE_SIDE // max(picture.size)
    if times >= 1:
        return picture.resize((times * picture.width, times * picture.height), Image.Resampling.NEAREST)
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    return picture


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, or its longest beginning and an ellipsis, that `width` pixels hold."""
    if font.getlength(text) <= width:
        return text
    length = next(length for length in range(len(text), -1, -1) if font.getlength(text[:length] + "…") <= width)
    return text[:length] + "…"
