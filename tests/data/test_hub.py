"""Sets of the Hugging Face Hub: columns found by their kind, nothing run, no network in these tests."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pennyweight.core.errors import DataError, MissingExtraError
from pennyweight.data.hub import labelled, read_hub

installed = importlib.util.find_spec("datasets") is not None
needs_extra = pytest.mark.skipif(not installed, reason="needs the extra `hub`")


@pytest.mark.skipif(installed, reason="the extra `hub` is installed")
def test_without_the_extra_it_is_named() -> None:
    with pytest.raises(MissingExtraError, match="`hub`") as caught:
        read_hub("owner/name")
    assert ".[hub]" in caught.value.hint


def png(grey: int, side: int = 4) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (grey, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def split(count: int, *, first: int = 0, **columns: Any) -> Any:
    """`count` red pictures, brighter and brighter, of two classes in turn."""
    import datasets

    features = datasets.Features(
        {"id": datasets.Value("int64"), "photo": datasets.Image(), "animal": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {
        "id": list(range(count)),
        "photo": [{"bytes": png(first + number), "path": None} for number in range(count)],
        "animal": [number % 2 for number in range(count)],
    }
    return datasets.Dataset.from_dict(rows | columns, features=features)


@needs_extra
def test_columns_are_found_by_their_kind_and_test_is_sealed() -> None:
    images = labelled({"train": split(10), "validation": split(2), "test": split(4, first=100)}, "owner/name")
    assert images.class_names == ("cat", "dog")
    assert images.learning.images[:, 0, 0].tolist() == [[number, 0, 0] for number in range(10)]
    assert images.learning.labels.tolist() == [0, 1] * 5
    assert images.open_test().images[:, 0, 0, 0].tolist() == [100, 101, 102, 103]
    assert images.notes == ()


@needs_extra
def test_validation_stands_in_for_a_test_split_and_else_a_fifth_is_sealed() -> None:
    images = labelled({"train": split(10), "validation": split(2, first=50)}, "owner/name")
    assert images.open_test().images[:, 0, 0, 0].tolist() == [50, 51]
    assert any("`validation` was sealed" in note for note in images.notes)
    images = labelled({"train": split(10)}, "owner/name")
    assert (len(images.learning), len(images.open_test())) == (8, 2)
    assert any("20%" in note for note in images.notes)


@needs_extra
def test_what_cannot_be_read_is_listed_and_left_out() -> None:
    photos = [{"bytes": png(number), "path": None} for number in range(8)]
    photos[2] = {"bytes": b"no picture", "path": None}
    photos[5] = None  # type: ignore[call-overload]
    train = split(8, photo=photos, animal=[0, 1, 0, 1, 0, 1, -1, 1])
    images = labelled({"train": train, "test": split(2)}, "owner/name")
    assert images.learning.images[:, 0, 0, 0].tolist() == [0, 1, 3, 4, 7]
    assert [file.path for file in images.unreadable] == ["train[2]", "train[5]", "train[6]"]
    assert [file.reason for file in images.unreadable][1:] == ["no image", "no label"]
    with pytest.raises(DataError, match="none of 2 images can be read"):
        labelled({"train": split(2, photo=[{"bytes": b"no", "path": None}] * 2)}, "owner/name")


@needs_extra
def test_a_row_may_name_a_file_that_was_fetched_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    cache, private = tmp_path / "cache", tmp_path / "private.png"
    cache.mkdir()
    for path in (private, cache / "fetched.png"):
        path.write_bytes(png(77))
    (cache / "link.png").symlink_to(private)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.chdir(tmp_path)
    hostile = [private, cache / "link.png", cache / "../private.png", "private.png", "https://127.0.0.1/a.png"]
    named = [{"bytes": None, "path": str(path)} for path in (cache / "fetched.png", *hostile)]
    # `from_dict` would leave out what is no file here; a table from the Hub may name anything.
    train = split(8).cast_column("photo", datasets.Image(decode=False))
    rows = [{**row, "photo": photo} for row, photo in zip(train, [*named, *train["photo"][6:]], strict=True)]
    table = train.from_list(rows, features=train.features).cast_column("photo", datasets.Image())
    images = labelled({"train": table, "test": split(2)}, "owner/name")
    assert images.learning.images[:, 0, 0, 0].tolist() == [77, 6, 7]
    assert [file.path for file in images.unreadable] == [f"train[{number}]" for number in range(1, 6)]
    assert {file.reason for file in images.unreadable} == {"it names a file that does not belong to the set"}


@needs_extra
def test_images_of_many_sizes_need_a_shape() -> None:
    train = split(4, photo=[{"bytes": png(9, side), "path": None} for side in (4, 5, 6, 6)])
    with pytest.raises(DataError, match="images of 3 sizes"):
        labelled({"train": train, "test": split(2)}, "owner/name")
    images = labelled({"train": train, "test": split(2)}, "owner/name", (8, 8, 1))
    assert images.input_shape == images.open_test().images.shape[1:] == (8, 8, 1)
    assert images.sizes == {(4, 4): 3, (5, 5): 1, (6, 6): 2}


@needs_extra
def test_every_fault_is_listed_at_once() -> None:
    with pytest.raises(DataError) as caught:
        labelled({"all": split(4).remove_columns(["photo", "animal"])}, "owner/name")
    for fault in (
        "no split `train` (there is all)",
        "no column holds images (id: Value)",
        "no column holds class labels",
    ):
        assert fault in str(caught.value)


@needs_extra
def test_without_a_network_it_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datasets

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="hf:owner/name could not be fetched") as caught:
        read_hub("owner/name")
    assert "HF_HUB_OFFLINE=1" in caught.value.hint
