"""A folder of a user's own photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pennyweight.core.errors import DataError, UsageError
from pennyweight.data.decode import decode, decode_within, encode_png
from pennyweight.data.geometry import Geometry
from pennyweight.data.photos import open_photos

SHAPE = (28, 28, 1)
MNIST = Geometry((0,), True, 20, "mass", (14.0, 14.0), 2.3, 0.992)


def photograph(path: Path, size: tuple[int, int] = (300, 200), *, blank: bool = False) -> None:
    """Paper with an L on it, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    paper = Image.new("RGB", size, (222, 220, 210))
    if not blank:
        width, height = size
        corners = [(0.4 * width, 0.2 * height), (0.4 * width, 0.8 * height), (0.6 * width, 0.8 * height)]
        ImageDraw.Draw(paper).line(corners, fill=(30, 30, 60), width=max(size) // 40)
    paper.save(path)


def test_each_photo_has_its_class_its_file_and_the_geometry(tmp_path: Path) -> None:
    photograph(tmp_path / "b" / "2.png")
    photograph(tmp_path / "a" / "sub" / "1.jpg", (90, 120))
    photos = open_photos(tmp_path, MNIST, SHAPE)
    assert photos.files == ("a/sub/1.jpg", "b/2.png")
    assert photos.class_names == ("a", "b")
    assert photos.pictures.labels.tolist() == [0, 1]
    assert photos.input_shape == SHAPE
    for picture in photos.pictures.images[..., 0]:
        rows, columns = (np.flatnonzero((picture > 60).any(axis)) for axis in (1, 0))
        assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        assert picture[0, 0] == 0
    assert "light on dark, box of 20 pixels" in photos.notes[0]


def test_without_a_geometry_photos_are_only_stretched(tmp_path: Path) -> None:
    photograph(tmp_path / "a" / "1.png")
    photos = open_photos(tmp_path, None, SHAPE)
    assert (photos.pictures.images[0] == decode(tmp_path / "a" / "1.png", SHAPE)).all()
    assert not photos.notes


def test_one_photo_of_one_class_is_enough(tmp_path: Path) -> None:
    photograph(tmp_path / "a" / "1.png")
    assert len(open_photos(tmp_path, MNIST, SHAPE).files) == 1


def test_no_file_that_cannot_be_read_is_cut_off_without_a_count(tmp_path: Path) -> None:
    photograph(tmp_path / "a" / "1.png")
    for number in range(6):
        (tmp_path / "a" / f"broken-{number}.png").write_bytes(b"")
    (note,) = (note for note in open_photos(tmp_path, MNIST, SHAPE).notes if "could not be read" in note)
    assert note.endswith(" and 1 more")


def test_a_photo_of_nothing_is_kept_and_noted(tmp_path: Path) -> None:
    photograph(tmp_path / "a" / "1.png")
    photograph(tmp_path / "a" / "2.png", blank=True)
    photos = open_photos(tmp_path, MNIST, SHAPE)
    assert photos.facts_of(0) == {"file": "a/1.png", "note": ""}
    assert photos.facts_of(1) == {"file": "a/2.png", "note": "nothing found"}
    assert "nothing found in a/2.png" in photos.notes


def test_files_that_cannot_be_read_are_left_out_and_listed(tmp_path: Path) -> None:
    photograph(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "2.png").write_bytes(b"\x89PNG")
    (tmp_path / "a" / "\x1b[31m.jpg").write_text("text")
    photos = open_photos(tmp_path, MNIST, SHAPE)
    assert photos.files == ("a/1.png",)
    (note,) = (note for note in photos.notes if "could not be read" in note)
    assert note.startswith("2 files")
    assert "a/2.png" in note
    assert "\x1b" not in note


@pytest.mark.parametrize("content", [{}, {"1.png": b""}, {"a/1.png": b"broken"}], ids=str)
def test_a_folder_without_a_photo_of_a_class_says_what_is_wrong(content: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in content.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=r"empty|no class folders|could be read"):
        open_photos(tmp_path, MNIST, SHAPE)


def test_the_photos_of_a_part_are_those_in_its_folder(tmp_path: Path) -> None:
    for name in ("train/a/1.png", "train/b/2.png", "test/a/3.png"):
        photograph(tmp_path / name)
    photos = open_photos(tmp_path, MNIST, SHAPE)
    assert photos.of_part("all").files == photos.files == ("train/a/1.png", "train/b/2.png", "test/a/3.png")
    assert photos.of_part("test").files == ("test/a/3.png",)
    assert photos.of_part("train").pictures.labels.tolist() == [0, 1]
    with pytest.raises(UsageError, match="no validation part"):
        photos.of_part("validation")


def test_photos_of_every_mode_and_size_become_pictures_or_are_listed(real_data: Path, tmp_path: Path) -> None:
    files = sorted((real_data / "odd_images").iterdir())
    (tmp_path / "a").mkdir()
    for file in files:
        (tmp_path / "a" / file.name).write_bytes(file.read_bytes())
    photos = open_photos(tmp_path, MNIST, SHAPE)
    (note,) = (note for note in photos.notes if "could not be read" in note)
    assert int(note.split()[0]) + len(photos.files) == len(files)
    assert len(photos.files) >= 20


def test_a_photo_of_twelve_megapixels_is_read(tmp_path: Path) -> None:
    photograph(tmp_path / "a" / "1.jpg", (4000, 3000))
    photos = open_photos(tmp_path, MNIST, SHAPE)
    assert photos.pictures.images.max() > 200


def test_a_photo_is_shrunk_in_proportion_and_never_enlarged(tmp_path: Path) -> None:
    for number, size in enumerate([(3000, 1000), (40, 30)]):
        photograph(tmp_path / f"{number}.png", size)
    assert decode_within(tmp_path / "0.png", 300).shape == (100, 300, 3)
    assert (decode_within(tmp_path / "1.png", 300) == decode(tmp_path / "1.png")).all()


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 7, 3)])
def test_a_png_holds_the_pixels(shape: tuple[int, int, int], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(encode_png(pixels))
    assert (decode(tmp_path / "a.png") == pixels).all()
