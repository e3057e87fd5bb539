"""SVHN's .mat files: 10 is the digit 0, and a file that is none is an error whatever SciPy makes of it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from pennyweight.core.errors import DataError
from pennyweight.data.svhn import read_svhn

COUNT = 40


def write(path: Path, count: int = COUNT, **changes: object) -> np.ndarray:
    pixels = np.random.default_rng(count).integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
    labels = (np.arange(count) % 10 + 1).astype(np.uint8)[:, np.newaxis]
    record = {"X": pixels, "y": labels} | changes
    savemat(path, {key: value for key, value in record.items() if value is not None}, do_compression=True)
    return pixels


def test_both_parts_are_read_and_ten_is_the_digit_zero(tmp_path: Path) -> None:
    pixels = write(tmp_path / "train_32x32.mat")
    write(tmp_path / "test_32x32.mat", 10)
    images = read_svhn(tmp_path)
    assert images.input_shape == (32, 32, 3)
    assert np.array_equal(images.learning.images[7], pixels[..., 7])
    assert images.learning.labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert len(images.open_test()) == 10
    assert images.notes == ("train_32x32.mat: 40 of 73,257 training images",)


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("compressed", [False, True])
def test_labels_are_read_as_scipy_reads_them_however_they_are_stored(
    tmp_path: Path, kind: type[np.number], compressed: bool
) -> None:
    labels = (np.arange(COUNT) % 10 + 1).astype(kind)[:, np.newaxis]
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32, 3, COUNT), dtype=np.uint8)
    path = tmp_path / "train_32x32.mat"
    savemat(path, {"note": "left out", "X": pixels, "y": labels}, do_compression=compressed)
    (tmp_path / "test_32x32.mat").write_bytes(path.read_bytes())
    stored = loadmat(path)
    part = read_svhn(tmp_path).open_test()
    assert np.array_equal(part.images, stored["X"].transpose(3, 0, 1, 2))
    assert np.array_equal(part.labels, stored["y"][:, 0] % 10)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    write(tmp_path / "train_32x32.mat")
    content = (tmp_path / "train_32x32.mat").read_bytes()
    matrix = struct.pack(
        "<II II II II 4i HH 4s II", 14, 0, 6, 8, 9, 0, 5, 16, 32, 32, 3, COUNT, 1, 1, b"X", 2, COUNT * 3072
    )
    bomb = zlib.compress(matrix + bytes(64 << 20), 9)
    (tmp_path / "train_32x32.mat").write_bytes(content[:128] + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(DataError, match="does not unpack to the 122,880 bytes"):
        read_svhn(tmp_path)


def test_without_a_test_file_a_fifth_is_sealed_and_noted(tmp_path: Path) -> None:
    write(tmp_path / "train_32x32_first40.mat")
    images = read_svhn(tmp_path)
    assert (len(images.learning), len(images.open_test())) == (30, 10)
    assert any("20%" in note for note in images.notes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"X": None}, "`X` must be uint8 .* missing"),
        ({"X": np.zeros((32, 32, 3, COUNT), np.float64)}, "`X` must be uint8 .* float64"),
        ({"X": np.zeros((COUNT, 32, 32, 3), np.uint8)}, "`X` must be uint8"),
        ({"X": "text"}, "`X` is no array of real numbers"),
        ({"X": np.zeros((32, 32, 3, COUNT)) * 1j}, "`X` is no array of real numbers"),
        ({"y": None}, "`y` must be 1 … 10"),
        ({"y": np.ones((3, 1), np.uint8)}, "40 images have 3 labels"),
        ({"y": np.zeros((COUNT, 1), np.uint8)}, "`y` must be 1 … 10"),
        ({"y": np.full((COUNT, 1), 1.5)}, "`y` must be 1 … 10"),
        ({"y": np.full((COUNT, 1), "a", object)}, "`y` is no array of real numbers"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    write(tmp_path / "train_32x32.mat", **changes)
    with pytest.raises(DataError, match=reason):
        read_svhn(tmp_path)


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(200), b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_what_is_no_mat_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(content)
    with pytest.raises(DataError, match="not a MATLAB file"):
        read_svhn(tmp_path)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_an_error_or_still_pictures(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("svhn")
    path = folder / "train_32x32.mat"
    pixels = np.zeros((32, 32, 3, COUNT), np.uint8)
    record = {"X": pixels, "y": np.arange(COUNT)[:, np.newaxis] % 10 + 1}
    savemat(path, record, do_compression=data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.one_of(st.integers(124, 220), st.integers(0, len(content) - 1)))] = data.draw(
            st.integers(0, 255)
        )
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    try:
        images = read_svhn(folder)
    except DataError:
        return
    assert images.input_shape == (32, 32, 3)


@pytest.mark.realdata
def test_the_official_crops_are_read(real_data: Path) -> None:
    images = read_svhn(real_data / "svhn")
    assert images.input_shape == (32, 32, 3)
    assert images.class_names[1] == "1"
    # The first published training crop shows a 1.
    assert images.learning.labels[0] == 1
    assert len(images.learning) + len(images.open_test()) >= 1083
