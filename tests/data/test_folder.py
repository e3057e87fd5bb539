"""Folders as people have them: any layout, size and mode; what cannot be read is listed, never fatal, never silent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pennyweight.core.errors import DataError
from pennyweight.data.folder import read_folder

Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Draws a random picture at a path below the test's folder."""
    rng = np.random.default_rng(0)

    def drawn(name: str, height: int = 8, width: int = 8, channels: int = 3) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
        return path

    return drawn


def reasons(images: object) -> dict[str, str]:
    return {file.path: file.reason for file in images.unreadable}  # type: ignore[attr-defined]


def test_class_folders_give_labels_in_the_order_of_their_names(draw: Draw, tmp_path: Path) -> None:
    for name in ("zebra", "ant", "cat"):
        for number in range(10):
            draw(f"{name}/{number}.png")
    images = read_folder(tmp_path, name="beasts")
    assert images.name == "beasts"
    assert images.class_names == ("ant", "cat", "zebra")
    assert np.bincount(images.learning.labels).tolist() == [8, 8, 8]
    assert np.bincount(images.open_test().labels).tolist() == [2, 2, 2]
    assert any("20%" in note for note in images.notes)
    assert not images.unreadable


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Train", "Test"), ("training", "testing")])
def test_train_and_test_folders_keep_apart(train: str, test: str, draw: Draw, tmp_path: Path) -> None:
    first = draw(f"{train}/a/1.png")
    draw(f"{train}/b/1.png")
    last = draw(f"{test}/b/1.png")
    images = read_folder(tmp_path)
    assert images.learning.labels.tolist() == [0, 1]
    assert np.array_equal(images.learning.images[0], np.asarray(Image.open(first)))
    assert images.open_test().labels.tolist() == [1]
    assert np.array_equal(images.open_test().images[0], np.asarray(Image.open(last)))
    assert not images.notes


def test_validation_joins_learning_beside_a_test_part_and_is_sealed_without_one(draw: Draw, tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        for name in ("a", "b"):
            draw(f"{part}/{name}/1.png")
    images = read_folder(tmp_path)
    assert (len(images.learning), len(images.open_test())) == (4, 2)
    assert any("joined the learning part: val" in note for note in images.notes)

    shutil.rmtree(tmp_path / "test")
    images = read_folder(tmp_path)
    assert (len(images.learning), len(images.open_test())) == (2, 2)
    assert any("sealed test part: val" in note for note in images.notes)


def test_a_test_folder_without_labels_is_left_out_and_noted(draw: Draw, tmp_path: Path) -> None:
    for number in range(5):
        draw(f"train/a/{number}.png")
        draw(f"train/b/{number}.png")
    draw("test/1.png")
    images = read_folder(tmp_path)
    assert (len(images.learning), len(images.open_test())) == (8, 2)
    assert any("left out: test" in note for note in images.notes)


def test_a_class_may_be_called_train(draw: Draw, tmp_path: Path) -> None:
    for name in ("bus", "train", "test"):
        draw(f"{name}/1.png")
    assert read_folder(tmp_path).class_names == ("bus", "test", "train")


def test_folders_inside_a_class_folder_belong_to_the_class(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png")
    draw("b/deep/deeper/1.png")
    images = read_folder(tmp_path)
    assert sorted(images.learning.labels) == [0, 1]


def test_a_test_class_that_train_has_not_is_an_error_that_names_it(draw: Draw, tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "test/a", "test/c", "test/d"):
        draw(f"{name}/1.png")
    with pytest.raises(DataError, match=r"2 classes.*: c, d") as caught:
        read_folder(tmp_path)
    assert caught.value.hint


def test_a_test_class_of_which_train_has_only_unreadable_images_is_an_error(draw: Draw, tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "train/c", "test/a", "test/c"):
        draw(f"{name}/1.png")
    (tmp_path / "train/c/1.png").write_bytes(b"")
    with pytest.raises(DataError, match="no readable image: c"):
        read_folder(tmp_path)


@pytest.mark.parametrize(("channels", "expected"), [((1, 1), 1), ((3, 3), 3), ((1, 3), 3)])
def test_pictures_of_one_size_keep_it_and_are_grey_if_all_are(
    channels: tuple[int, int], expected: int, draw: Draw, tmp_path: Path
) -> None:
    draw("a/1.png", 9, 7, channels[0])
    draw("b/1.png", 9, 7, channels[1])
    images = read_folder(tmp_path)
    assert images.input_shape == (9, 7, expected)
    assert not any("resized" in note for note in images.notes)


def test_pictures_of_several_sizes_become_64_by_64_and_a_note_says_so(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png", 20, 30)
    draw("b/1.png", 90, 10)
    images = read_folder(tmp_path)
    assert images.input_shape == (64, 64, 3)
    assert any("2 sizes (20x30 … 90x10) were resized to 64x64x3" in note for note in images.notes)


@pytest.mark.parametrize("shape", [None, (12, 14, 1)])
def test_sizes_are_counted_as_the_viewer_sees_them_and_of_what_was_read(
    shape: tuple[int, int, int] | None, draw: Draw, tmp_path: Path
) -> None:
    draw("a/1.png", 20, 30)
    draw("a/2.png", 20, 30)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (90, 10)).save(tmp_path / "a/3.jpg", exif=turned)
    path = draw("b/cut.png", 200, 200)
    path.write_bytes(path.read_bytes()[:5_000])
    draw("b/1.png", 9, 9)
    assert read_folder(tmp_path, shape).sizes == {(20, 30): 2, (90, 10): 1, (9, 9): 1}


def test_big_pictures_of_one_size_are_resized_too(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png", 300, 200)
    draw("b/1.png", 300, 200)
    images = read_folder(tmp_path)
    assert images.input_shape == (64, 64, 3)
    assert any("of 300x200 were resized" in note for note in images.notes)


def test_a_corrupt_file_of_another_size_changes_no_shape(draw: Draw, tmp_path: Path) -> None:
    for number in range(3):
        draw(f"a/{number}.png", 10, 10, 1)
        draw(f"b/{number}.png", 10, 10, 1)
    path = draw("b/cut.png", 200, 200, 3)
    path.write_bytes(path.read_bytes()[:5_000])
    images = read_folder(tmp_path)
    assert images.input_shape == (10, 10, 1)
    assert list(reasons(images)) == ["b/cut.png"]


def test_an_input_shape_is_what_comes_out(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png", 20, 30)
    draw("b/1.png", 90, 10, 1)
    assert read_folder(tmp_path, (12, 14, 1)).input_shape == (12, 14, 1)
    with pytest.raises(DataError, match="1 or 3 channels"):
        read_folder(tmp_path, (12, 14, 2))


def test_odd_images_beside_real_ones_are_each_read_or_listed(real_data: Path, tmp_path: Path) -> None:
    shutil.copytree(real_data / "odd_images", tmp_path / "train" / "odd")
    for part in ("train", "test"):
        (tmp_path / part / "cat").mkdir(parents=True)
        for photo in sorted((real_data / "cats_vs_dogs" / part / "cat").iterdir())[:10]:
            shutil.copy(photo, tmp_path / part / "cat")
    images = read_folder(tmp_path)
    found = reasons(images)
    assert (images.learning.labels == 1).sum() + len(found) == 30
    assert {Path(name).name for name in found} == {
        "broken.png",
        "decompression_bomb.gif",
        "negative_size.ppm",
        "truncated_end_chunk.png",
        "truncated_image.png",
        "zero_height.j2k",
    }
    assert all(found.values())
    assert images.input_shape == (64, 64, 3)
    # A picture that was read has something in it.
    assert (images.learning.images.reshape(len(images.learning), -1).max(axis=1) > 0).all()


def test_own_digits_of_one_size_are_read_as_they_are(real_data: Path) -> None:
    images = read_folder(real_data / "own_digits", (28, 28, 1))
    assert images.class_names == ("2", "3", "4", "5", "6")
    assert len(images.learning) + len(images.open_test()) == 7
    assert not images.unreadable


def test_what_is_no_regular_file_is_listed_and_never_opened(draw: Draw, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("a", "b"):
        draw(f"set/{name}/1.png")
    outside = draw("outside/secret.png")
    os.mkfifo(folder / "a/pipe.png")
    (folder / "a/escape.png").symlink_to(outside)
    (folder / "a/loop.png").symlink_to("loop.png")
    (folder / "a/gone.png").symlink_to("nothing.png")
    (folder / "a/up").symlink_to("..")
    (folder / "a/away").symlink_to(outside.parent)
    (folder / "b/twin.png").symlink_to("../a/1.png")
    images = read_folder(folder)
    assert len(images.learning) + len(images.open_test()) == 3
    found = reasons(images)
    assert sorted(found) == ["a/away", "a/escape.png", "a/gone.png", "a/loop.png", "a/pipe.png", "a/up"]
    assert "out of the folder" in found["a/escape.png"]
    assert "out of the folder" in found["a/away"]
    assert "link to a folder" in found["a/up"]
    assert "not a regular file" in found["a/pipe.png"]


def test_the_folder_itself_may_be_a_link(draw: Draw, tmp_path: Path) -> None:
    draw("set/a/1.png")
    draw("set/b/1.png")
    (tmp_path / "link").symlink_to("set")
    assert not read_folder(tmp_path / "link").unreadable


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_files_and_folders_without_permission_are_listed(draw: Draw, tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png", "b/closed.png", "b/shut/1.png"):
        draw(name)
    (tmp_path / "b/closed.png").chmod(0)
    (tmp_path / "b/shut").chmod(0)
    try:
        assert sorted(reasons(read_folder(tmp_path))) == ["b/closed.png", "b/shut"]
    finally:
        (tmp_path / "b/shut").chmod(0o700)


def test_names_that_are_no_utf_8_are_read_and_printed_escaped(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png")
    picture = draw("b/1.png")
    strange = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        strange.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    shutil.copy(picture, strange / os.fsdecode(b"\xff.png"))
    (strange / os.fsdecode(b"bad\xff\n.png")).write_bytes(b"no picture")
    images = read_folder(tmp_path)
    assert images.class_names == ("a", "b", r"caf\udce9")
    assert list(reasons(images)) == [r"caf\udce9/bad\udcff\n.png"]
    json.dumps([asdict(file) for file in images.unreadable], ensure_ascii=False).encode()
    assert len(images.fingerprint) == 64


def test_hidden_and_system_files_are_passed_over_and_counted(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png")
    draw("b/1.png")
    for name in ("a/.DS_Store", "a/Thumbs.db", "b/._1.png", ".git"):
        (tmp_path / name).write_bytes(b"")
    images = read_folder(tmp_path)
    assert not images.unreadable
    assert any(note.startswith("4 hidden") for note in images.notes)


def test_strays_and_empty_class_folders_are_noted(draw: Draw, tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png", "stray.png"):
        draw(name)
    (tmp_path / "empty").mkdir()
    images = read_folder(tmp_path)
    assert images.class_names == ("a", "b")
    assert any("no label and were left out: stray.png" in note for note in images.notes)
    assert any("left out: empty" in note for note in images.notes)


@pytest.mark.parametrize("where", ["", "train/"])
def test_a_flat_folder_lacks_labels_and_the_error_shows_the_layout(where: str, draw: Draw, tmp_path: Path) -> None:
    draw(f"{where}1.png")
    draw(f"{where}2.png")
    with pytest.raises(DataError, match="labels") as caught:
        read_folder(tmp_path)
    assert "cat/1.jpg" in caught.value.hint


def test_one_class_only_is_an_error(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png")
    draw("a/2.png")
    with pytest.raises(DataError, match="one class only, 'a'"):
        read_folder(tmp_path)


def test_a_folder_in_which_nothing_can_be_read_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"no picture" if name == "a" else b"")
    with pytest.raises(DataError, match=r"2 files could not be read: a/1.png \(not an image.*b/1.png \(empty file"):
        read_folder(tmp_path)


def test_empty_and_missing_folders_are_errors(draw: Draw, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="there is no folder"):
        read_folder(tmp_path / "gone")
    with pytest.raises(DataError, match="there is no folder"):
        read_folder(draw("1.png"))
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
    with pytest.raises(DataError, match="class folders are empty"):
        read_folder(tmp_path / "set")


def test_two_readings_agree_bit_for_bit(draw: Draw, tmp_path: Path) -> None:
    for number in range(6):
        draw(f"a/{number}.jpg", 20 + number, 30)
        draw(f"b/{number}.jpg", 40, 30 + number)
    assert read_folder(tmp_path).fingerprint == read_folder(tmp_path).fingerprint
