""".npz files: any labels, every fault at once, nothing pickled and nothing allocated that is not there."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pennyweight.core.errors import DataError
from pennyweight.data.npz import read_npz

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 5, 6, 3), dtype=np.uint8)
LABELS = np.arange(20) % 2


def save(folder: Path, **arrays: object) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_images_of_one_class_are_refused_with_what_helps(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=np.zeros(len(IMAGES), int))
    with pytest.raises(DataError, match="all images have one class") as caught:
        read_npz(tmp_path / "set.npz")
    assert caught.value.hint == "add images of another class"


def test_a_test_part_is_sealed_as_it_is(tmp_path: Path) -> None:
    images = read_npz(save(tmp_path, images=IMAGES, labels=LABELS, test_images=IMAGES[:4], test_labels=LABELS[:4]))
    assert images.name == "mine"
    assert np.array_equal(images.learning.images, IMAGES)
    assert np.array_equal(images.learning.labels, LABELS)
    assert np.array_equal(images.open_test().images, IMAGES[:4])
    assert images.notes == ()


def test_without_a_test_part_a_fifth_is_sealed_and_noted(tmp_path: Path) -> None:
    images = read_npz(save(tmp_path, images=IMAGES, labels=LABELS))
    assert (len(images.learning), len(images.open_test())) == (16, 4)
    assert any("20%" in note for note in images.notes)


def test_grey_images_need_no_channel_axis(tmp_path: Path) -> None:
    grey = IMAGES[..., 0]
    arrays = {"images": grey, "labels": LABELS, "test_images": grey[..., np.newaxis], "test_labels": LABELS}
    assert read_npz(save(tmp_path, **arrays)).input_shape == (5, 6, 1)


@given(hnp.arrays(st.sampled_from([np.uint8, np.uint64, "U3", "S3"]), 20))
@settings(max_examples=40, deadline=None)
def test_the_class_name_of_a_label_is_the_label(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray) -> None:
    assume(len(np.unique(labels)) > 1)
    arrays = {"images": IMAGES, "labels": labels, "test_images": IMAGES, "test_labels": labels[::-1]}
    images = read_npz(save(tmp_path_factory.mktemp("npz"), **arrays))
    texts = np.char.decode(labels, "utf-8", "replace") if labels.dtype.kind == "S" else labels
    assert [images.class_names[label] for label in images.learning.labels] == [str(word) for word in texts.tolist()]
    assert np.array_equal(images.open_test().labels, images.learning.labels[::-1])


@pytest.mark.parametrize("labels", [LABELS, np.where(LABELS, "dog", "cat"), np.where(LABELS, b"dog", b"cat")])
def test_class_names_are_met_by_place_or_by_name(tmp_path: Path, labels: np.ndarray) -> None:
    images = read_npz(save(tmp_path, images=IMAGES, labels=labels, class_names=["cat", "dog", "horse"]))
    assert images.class_names == ("cat", "dog", "horse")
    assert np.bincount(images.learning.labels, minlength=3).tolist() == [8, 8, 0]


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        images=IMAGES.astype(np.float32),
        labels=LABELS[:3] * 0,
        test_images=IMAGES[:, :4],
        test_labels=LABELS - 5,
        class_names=["a", "a"],
    )
    with pytest.raises(DataError) as caught:
        read_npz(path)
    for fault in (
        "`images` must be uint8",
        "differ in their count",
        "one class",
        "must not be negative, and -5 is",
        "2 sizes",
        "`class_names` must be",
    ):
        assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"x": IMAGES}, "`images` is missing; `labels` is missing"),
        ({"images": IMAGES}, "`labels` is missing"),
        ({"images": IMAGES, "labels": LABELS, "test_images": IMAGES}, "`test_labels` is missing"),
        ({"images": IMAGES, "labels": LABELS * 0.5}, "`labels` must be one whole number or text"),
        ({"images": IMAGES, "labels": np.eye(20, dtype=int)}, "`labels` must be one whole number or text"),
        ({"images": IMAGES, "labels": 3}, "`labels` must be one whole number or text"),
        ({"images": 3, "labels": LABELS}, "`images` must be uint8 NHW or NHWC"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "`images` must be uint8 NHW or NHWC"),
        ({"images": IMAGES[:, :0], "labels": LABELS}, "`images` must be uint8 NHW or NHWC"),
        ({"images": IMAGES, "labels": LABELS, "class_names": ["one"]}, "none of the 1 `class_names`: 1"),
        ({"images": IMAGES, "labels": np.where(LABELS, "dog", "cow"), "class_names": ["dog"]}, ": cow"),
        (
            {"images": IMAGES, "labels": LABELS, "test_images": IMAGES, "test_labels": LABELS.astype(str)},
            "both be numbers or both be texts",
        ),
    ],
)
def test_a_fault_is_named(tmp_path: Path, arrays: dict[str, object], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_npz(save(tmp_path, **arrays))


class Runs:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.proof}",)


def test_pickled_objects_are_refused_and_run_nothing(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    hostile = np.empty(20, object)
    hostile[:] = Runs(proof)
    path = save(tmp_path, images=IMAGES, labels=hostile)
    with pytest.raises(DataError, match="`labels` holds pickled objects"):
        read_npz(path)
    assert not proof.exists()
    # The guard is needed: NumPy, allowed to, does run it.
    with np.load(path, allow_pickle=True) as loaded:
        _ = loaded["labels"]
    assert proof.exists()


def npy(shape: tuple[int, ...], content: bytes, descr: str = "|u1") -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + content


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    "member",
    [
        npy((1 << 40, 32, 32, 3), b"\0" * 100),
        npy((20, 5, 6, -3), b"\0" * 100),
        npy((20, 5, 6, 3), b"\0" * 100),
        npy((20, 5, 6, 3), b"\0" * 5000),
        npy((20,), b"\0" * 20, "nonsense"),
        npy((20,), b"\0" * 20, "__import__('os')"),
        b"\x93NUMPY\x09\0" + bytes(100),
        b"",
        b"nothing",
    ],
)
def test_an_array_that_is_not_what_it_declares_is_refused(tmp_path: Path, member: bytes) -> None:
    with pytest.raises(DataError, match=r"not an \.npz that can be read"):
        read_npz(archive(tmp_path / "a.npz", images=member, labels=npy((20,), bytes(20))))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", images=npy((20,), bytes(20)))
    content = bytearray(path.read_bytes())
    # The size that the central directory declares, 24 bytes into its entry.
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = b"\xfe\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_npz(path)
    many = tmp_path / "many.npz"
    block = bytes(64 << 20)
    with zipfile.ZipFile(many, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        opened.writestr("images.npy", npy((1, 1 << 13, 1 << 13), block))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pennyweight.data.npz.LIMIT_BYTES", 1 << 20)
        with pytest.raises(DataError, match="the limit is 1,048,576"):
            read_npz(many)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_an_error(tmp_path: Path, share: float) -> None:
    path = save(tmp_path, images=IMAGES, labels=LABELS)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"not an \.npz that can be read"):
        read_npz(path)


def test_a_damaged_byte_among_the_pixels_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path, images=IMAGES, labels=LABELS)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        read_npz(path)


def test_an_array_alone_is_no_npz(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, IMAGES)
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="not a zip file") as caught:
        read_npz(tmp_path / "a.npz")
    assert "savez" in caught.value.hint


@pytest.mark.parametrize(
    ("arrays", "hint"),
    [
        (
            {
                "x_train": np.zeros((4, 8, 8), np.uint8),
                "y_train": np.arange(4),
                "x_test": np.zeros((4, 8, 8), np.uint8),
            },
            "numpy.savez(path, images=x_train, labels=y_train, test_images=x_test)",
        ),
        (
            {"images": np.full((4, 8, 8), 0.5), "labels": np.eye(4)},
            "numpy.savez(path, images=(255 * images).round().astype('uint8'), labels=labels.argmax(1))",
        ),
        (
            {"images": np.full((4, 8, 8), 200.0), "labels": np.arange(4.0)},
            "numpy.savez(path, images=images.round().astype('uint8'), labels=labels.astype(int))",
        ),
        ({"pictures": np.zeros(3)}, "numpy.savez(path, images=…, labels=…)"),
    ],
)
def test_arrays_of_another_form_come_with_the_line_that_converts_them(
    arrays: dict[str, Any], hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as raised:
        read_npz(path)
    assert hint in raised.value.hint
