"""IDX files: read exactly, refused where they lie about themselves."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import DataError
from pennyweight.data.idx import read_idx, read_mnist


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder: Path, *, zipped: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for stem, count in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):
            content = gzip.compress(idx(array)) if zipped else idx(array)
            (folder / (name + ".gz" * zipped)).write_bytes(content)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], zipped: bool, seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path_factory.mktemp("idx") / ("a.gz" if zipped else "a")
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    assert np.array_equal(read_idx(path), array)


WHOLE = idx(np.zeros((4, 3, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file"),
        (b"\0\0\x0d\x01" + WHOLE[4:], "not an IDX file"),
        (WHOLE[:9], "truncated in its header"),
        (WHOLE[:-1], "holds 35 of the 36 bytes"),
        (WHOLE + b"\0", "holds more of the 36 bytes"),
        (struct.pack(">HBB3I", 0, 8, 3, 60_000, 60_000, 60_000), "the limit is"),
    ],
)
def test_a_file_that_lies_about_itself_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    for name, packed in (("plain", content), ("zipped.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(packed)
        with pytest.raises(DataError, match=reason):
            read_idx(tmp_path / name)


@pytest.mark.parametrize("packed", [gzip.compress(WHOLE)[:-12], b"no gzip", gzip.compress(WHOLE)[:12] + b"\xff" * 30])
def test_a_broken_gzip_is_refused(tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(packed)
    with pytest.raises(DataError):
        read_idx(tmp_path / "a.gz")


def test_of_a_gzip_bomb_no_more_is_unpacked_than_the_header_declares(tmp_path: Path) -> None:
    # Whoever unpacks on comes upon bytes that are no gzip, and says another thing than "holds more".
    (tmp_path / "a.gz").write_bytes(gzip.compress(WHOLE + bytes(8 << 20), 9) + b"no gzip")
    tracemalloc.start()
    with pytest.raises(DataError, match="holds more"):
        read_idx(tmp_path / "a.gz")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


@pytest.mark.parametrize("zipped", [False, True])
def test_the_four_files_give_a_set(tmp_path: Path, zipped: bool) -> None:
    write_mnist(tmp_path, zipped=zipped)
    images = read_mnist(tmp_path, "mnist")
    assert images.input_shape == (28, 28, 1)
    assert (len(images.learning), len(images.open_test())) == (20, 10)
    assert images.class_names == tuple("0123456789")


def test_images_where_labels_should_be_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes((tmp_path / "t10k-images-idx3-ubyte").read_bytes())
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: 3 axes, not 1"):
        read_mnist(tmp_path, "mnist")


@pytest.mark.realdata
def test_the_official_files_are_read_and_not_taken_for_each_other(real_data: Path) -> None:
    mnist = read_mnist(real_data / "MNIST/raw", "mnist")
    assert mnist.learning.images.shape == (60_000, 28, 28, 1)
    assert mnist.open_test().labels[:5].tolist() == [7, 2, 1, 0, 4]
    # 33.318 is the published mean of MNIST's training pixels: 0.1307 * 255.
    assert mnist.learning.images.mean() == pytest.approx(0.1307 * 255, abs=0.02)
    with pytest.raises(DataError, match="holds mnist, not fashion-mnist"):
        read_mnist(real_data / "MNIST/raw", "fashion-mnist")
    with pytest.raises(DataError, match="holds fashion-mnist, not mnist"):
        read_mnist(real_data / "FashionMNIST/raw", "mnist")
