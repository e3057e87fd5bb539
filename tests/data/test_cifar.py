"""CIFAR-10's pickles: the official form is read, everything else is refused and runs nothing."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import DataError
from pennyweight.data.cifar import CLASS_NAMES, read_cifar10

COUNT = 20


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (COUNT, 3072), dtype=np.uint8)


def text(content: bytes) -> bytes:
    """A text as Python 2 pickled it."""
    if len(content) < 256:
        return b"U" + bytes([len(content)]) + content
    return b"T" + struct.pack("<i", len(content)) + content


def array(
    content: bytes,
    shape: tuple[int, ...] = (COUNT, 3072),
    kind: bytes = b"u1",
    module: bytes = b"numpy.core.multiarray",
    subtype: bytes = b"cnumpy\nndarray\n",
) -> bytes:
    """An array as numpy pickled it under Python 2."""
    empty = b"c" + module + b"\n_reconstruct\n" + subtype + b"K\0\x85" + text(b"b") + b"\x87R"
    dtype = (
        b"cnumpy\ndtype\n"
        + text(kind)
        + b"K\0K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    )
    lengths = b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", length) for length in shape) + b"t"
    return empty + b"(K\x01" + lengths + dtype + b"\x89" + text(content) + b"tb"


def official(data: bytes | None = None, labels: bytes | None = None, label: bytes = b"training batch 1 of 5") -> bytes:
    """A batch with the opcodes of the official files."""
    data = array(pixels().tobytes()) if data is None else data
    labels = b"](" + b"".join(b"K" + bytes([n % 10]) for n in range(COUNT)) + b"e" if labels is None else labels
    return b"\x80\x02}(" + text(b"batch_label") + text(label) + text(b"labels") + labels + text(b"data") + data + b"u."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(1, 6):
        (tmp_path / f"data_batch_{number}").write_bytes(official())
    (tmp_path / "test_batch").write_bytes(official(label=b"testing batch 1 of 1"))
    return tmp_path


def test_the_official_form_is_read(folder: Path) -> None:
    images = read_cifar10(folder)
    assert images.input_shape == (32, 32, 3)
    assert (len(images.learning), len(images.open_test())) == (5 * COUNT, COUNT)
    # The file has 1,024 red bytes, then green, then blue; row by row.
    assert np.array_equal(images.learning.images[3, 1, 2], pixels()[3, [34, 1024 + 34, 2048 + 34]])
    assert images.learning.labels[:12].tolist() == [*range(10), 0, 1]
    assert images.class_names == CLASS_NAMES
    assert images.notes == ()


def test_a_missing_batch_is_named(folder: Path) -> None:
    (folder / "data_batch_2").unlink()
    (folder / "data_batch_5").unlink()
    images = read_cifar10(folder)
    assert len(images.learning) == 3 * COUNT
    assert images.notes == ("without data_batch_2, data_batch_5: 60 of 50,000 training images",)


def test_a_training_batch_in_place_of_the_test_batch_is_noted(folder: Path) -> None:
    (folder / "test_batch").write_bytes(official(label=b"training batch 5 of 5"))
    assert "test_batch holds training batch 5 of 5, not the published test images" in read_cifar10(folder).notes


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_a_batch_that_python_3_saved_again_is_read(folder: Path, protocol: int) -> None:
    record = {"data": pixels(1), "labels": [n % 10 for n in range(COUNT)]}
    (folder / "data_batch_1").write_bytes(pickle.dumps(record, protocol))
    red = read_cifar10(folder).learning.images[:COUNT, 0, 0, 0]
    assert np.array_equal(red, pixels(1)[:, 0])


def test_an_array_in_column_order_is_read(folder: Path) -> None:
    record = {"data": np.asfortranarray(pixels(1)), "labels": [n % 10 for n in range(COUNT)]}
    (folder / "data_batch_1").write_bytes(pickle.dumps(record, 2))
    assert np.array_equal(read_cifar10(folder).learning.images[:COUNT, 0, 1, 0], pixels(1)[:, 1])


def test_the_class_names_are_those_of_batches_meta(folder: Path) -> None:
    names = [f"class {n}" for n in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, 2))
    assert read_cifar10(folder).class_names == tuple(names)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names[:9]}, 2))
    with pytest.raises(DataError, match="list of 10 names"):
        read_cifar10(folder)


class Runs:
    """Pickled as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_hostile_pickle_is_refused_and_runs_nothing(folder: Path, protocol: int, wrapped: bool) -> None:
    proof = folder / "proof"
    calls = [
        Runs(os.system, f"touch {proof}"),
        Runs(eval, f"open({str(proof)!r}, 'w')"),
        Runs(builtins.open, str(proof), "w"),
        Runs(getattr, Runs(__import__, "os"), "system"),
        Runs(np.load, str(proof)),
        Runs(np.ndarray, (1 << 40,)),
        Runs(bytearray, 1 << 40),
    ]
    for call in calls:
        hostile = {"data": pixels(), "labels": [call] if wrapped else call}
        (folder / "data_batch_1").write_bytes(pickle.dumps(hostile, protocol))
        with pytest.raises(DataError, match="refused"):
            read_cifar10(folder)
        assert not proof.exists()


def test_the_guard_would_be_needed(folder: Path) -> None:
    """The same pickle, read by pickle itself, does run."""
    proof = folder / "proof"
    pickle.loads(pickle.dumps({"labels": Runs(Path.touch, proof)}))
    assert proof.exists()


@pytest.mark.parametrize(
    "body",
    [
        array(b"", (1 << 40, 1 << 20)),
        array(b"\0" * 6, (-2, -3)),
        array(pixels().tobytes(), (COUNT, 3071)),
        array(pixels().tobytes(), kind=b"O"),
        array(pixels().tobytes(), kind=b"i4"),
        array(pixels().tobytes(), kind=b"O,V8"),
        array(pixels().tobytes(), subtype=b"cnumpy\nmatrix\n"),
        array(pixels().tobytes(), subtype=b"cbuiltins\nobject\n"),
        array(pixels().tobytes(), module=b"numpy.distutils"),
        # State hung on the callables, and on the array's own class.
        b"cnumpy\nndarray\n}" + text(b"__code__") + b"Nsb",
        b"cnumpy.core.multiarray\n_reconstruct\nN}" + text(b"__call__") + b"K\1s\x86b",
        # An object made without its constructor; a thing from outside; a registered extension.
        b"cnumpy\nndarray\n)\x81",
        text(b"id") + b"Q",
        b"\x82\x01",
        # Lengths and memo places that would make the reader itself allocate.
        b"\x8e" + struct.pack("<Q", 1 << 62),
        b"\x8b\xff\xff\xff\x7f",
        b"r\xff\xff\xff\xff",
        b"Nr\xff\xff\xff\x7f",
        b"N0" * 300_000 + b"N",
    ],
)
def test_an_array_of_anything_else_is_refused(folder: Path, body: bytes) -> None:
    (folder / "data_batch_1").write_bytes(official(data=body))
    with pytest.raises(DataError, match=r"refused|not a batch"):
        read_cifar10(folder)


NESTED = {
    "tuples": b"N" + b"\x85" * 200_000,
    "marked tuples": b"(" * 10_000 + b"t" * 10_000,
    "lists": b"]" * 10_000 + b"a" * 9_999,
    "a list in itself": b"]q\1h\1a",
    "dicts": b"}U\1k" * 8_000 + b"}" + b"s" * 8_000,
    # Values that take 2 ** 60 steps to hash, to compare or to write out.
    "doubles": b"N" + b"2\x86" * 60,
    "shared tuples": b"N" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60)),
    "shared lists": b"]" + b"".join(b"q%c0](h%ch%ce" % (n, n, n) for n in range(60)),
    "shared and marked": b"N" + b"".join(b"q%c(h%ch%ct" % (n, n, n) for n in range(60)),
}


@pytest.mark.parametrize("value", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize(
    "place",
    [
        b"}%bNs.",
        b"}U\x04data%bs.",
        b"}U\x0bbatch_label%bs.",
        b"%b.",
        b"cnumpy\ndtype\n%b\x85R.",
        b"%bN\x85R.",
        b"N%bb.",
    ],
)
def test_a_pickle_nested_beyond_reason_is_an_error_wherever_it_stands(folder: Path, place: bytes, value: bytes) -> None:
    (folder / "data_batch_1").write_bytes(place % value)
    with pytest.raises(DataError):
        read_cifar10(folder)


def test_a_text_is_not_made_into_bytes_again_and_again(folder: Path) -> None:
    word = b"X" + struct.pack("<I", 1 << 20) + bytes(1 << 20) + b"q\1"
    again = b"c_codecs\nencode\nh\1\x85R" * 1000
    (folder / "data_batch_1").write_bytes(b"(" + word + again + b"t.")
    tracemalloc.start()
    with pytest.raises(DataError, match="more bytes than it has"):
        read_cifar10(folder)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 16 << 20


@pytest.mark.parametrize("key", [b"K\1", b"N", b")", b"]", b"}", b"c_codecs\nencode\n\x85"])
def test_a_key_that_is_no_text_is_refused(folder: Path, key: bytes) -> None:
    for record in (b"}%bNs.", b"}(%bNu.", b"(%bNd."):
        (folder / "data_batch_1").write_bytes(record % key)
        with pytest.raises(DataError, match="refused"):
            read_cifar10(folder)


def test_a_folder_with_batches_of_other_numbers_only_is_an_error(folder: Path) -> None:
    for number in range(1, 6):
        (folder / f"data_batch_{number}").rename(folder / f"data_batch_{number + 5}")
    with pytest.raises(DataError, match="none of data_batch_1"):
        read_cifar10(folder)


def test_what_a_pickle_hangs_on_a_name_is_gone_with_it(folder: Path) -> None:
    hung = b"cnumpy\ndtype\n}" + text(b"left") + b"K\1sb"
    (folder / "data_batch_1").write_bytes(official(data=hung))
    with pytest.raises(DataError):
        read_cifar10(folder)
    (folder / "data_batch_1").write_bytes(official())
    assert len(read_cifar10(folder).learning) == 5 * COUNT


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "`data` must be an array .* `labels` must be a list"),
        ({"data": pixels(), "labels": list(range(COUNT))}, "0 … 9"),
        ({"data": pixels(), "labels": [True] * COUNT}, "0 … 9"),
        ({"data": pixels(), "labels": [1]}, "20 images have 1 labels"),
        ({"data": pixels()[:, :100], "labels": [1] * COUNT}, r"\(count, 3072\)"),
        ([1, 2], "no dict but list"),
    ],
)
def test_a_plain_pickle_of_something_else_is_refused(folder: Path, record: object, reason: str) -> None:
    (folder / "data_batch_1").write_bytes(pickle.dumps(record, 2))
    with pytest.raises(DataError, match=reason):
        read_cifar10(folder)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_an_error_or_still_pictures(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(official())
    # Most bytes are pixels; the first and the last ones are the program.
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.one_of(st.integers(0, 300), st.integers(-40, -1)))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    folder = tmp_path_factory.mktemp("cifar")
    (folder / "test_batch").write_bytes(official())
    (folder / "data_batch_1").write_bytes(content)
    try:
        images = read_cifar10(folder)
    except DataError:
        return
    assert images.input_shape == (32, 32, 3)


@pytest.mark.realdata
def test_the_official_batches_are_read(real_data: Path) -> None:
    images = read_cifar10(real_data / "cifar-10-batches-py")
    assert images.input_shape == (32, 32, 3)
    assert len(images.open_test()) == 10_000
    assert len(images.learning) in (40_000, 50_000)
    assert (len(images.learning) == 50_000) == (not any("data_batch" in note for note in images.notes))
    # The first training image is the well-known frog.
    assert images.class_names[images.learning.labels[0]] == "frog"
    assert images.learning.images[0, 0, 0].tolist() == [59, 62, 63]
