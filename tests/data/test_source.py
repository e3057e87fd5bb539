"""The one door: what a SOURCE means, where a named set is looked for, and what is said when it is not there."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import pennyweight.data.source as door
from pennyweight.core.errors import DataError, PennyweightError, UsageError
from pennyweight.data.fetch import PUBLISHED, Remote
from pennyweight.data.source import NAMED, NAMES, open_source

from .test_cifar import official
from .test_idx import write_mnist
from .test_svhn import write as write_svhn


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, an empty cache, nothing in the environment and no network."""
    unreachable = {
        name: tuple(Remote(remote.file, ("http://127.0.0.1:9/" + remote.file,), remote.sha256) for remote in remotes)
        for name, remotes in PUBLISHED.items()
    }
    monkeypatch.setattr(door, "PUBLISHED", unreachable)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PENNYWEIGHT_DATA", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def write_folder(folder: Path) -> None:
    for name, grey in (("dark", 10), ("light", 200)):
        (folder / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (8, 6), (grey + number, grey, grey)).save(folder / name / f"{number}.png")


def write_cifar(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(official())
    (folder / "test_batch").write_bytes(official())


def test_digits_are_scikit_learns_scaled_exactly() -> None:
    images = open_source("digits")
    assert images.input_shape == (8, 8, 1)
    assert (len(images.learning), len(images.open_test())) == (1438, 359)
    both = np.concatenate([images.learning.images, images.open_test().images])[..., 0]
    scaled = {round(value * 255 / 16) for value in range(17)}
    assert set(np.unique(both)) == scaled
    counted = sorted(np.rint(both / 255 * 16).reshape(len(both), -1).tolist())
    assert counted == sorted(load_digits().data.tolist())


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_files_are_found_in_every_layout(alone: Path, name: str) -> None:
    for layout in NAMED[name].layouts:
        root = alone / "data"
        write_mnist(root / layout.folder, zipped=layout.folder == "mnist")
        assert open_source(name, data_dir=root).input_shape == (28, 28, 1)
        shutil.rmtree(root)


@pytest.mark.parametrize("place", ["svhn", "SVHN", "."])
def test_svhn_is_found_in_its_folder_or_flat(alone: Path, place: str) -> None:
    (alone / "data" / place).mkdir(parents=True)
    write_svhn(alone / "data" / place / "train_32x32.mat")
    assert open_source("svhn", data_dir=alone / "data").input_shape == (32, 32, 3)


def test_cats_and_dogs_are_found_as_microsoft_packs_them(alone: Path) -> None:
    write_folder(alone / "data" / "PetImages")
    for before, after in (("dark", "Cat"), ("light", "Dog")):
        (alone / "data/PetImages" / before).rename(alone / "data/PetImages" / after)
    images = open_source("cats-vs-dogs", data_dir=alone / "data")
    assert images.input_shape == (96, 96, 3)
    assert images.name == "cats-vs-dogs"
    assert [name.lower() for name in images.class_names] == ["cat", "dog"]
    assert open_source("cats-vs-dogs", data_dir=alone / "data", input_shape=(10, 12, 1)).input_shape == (10, 12, 1)


def test_the_told_folder_goes_before_the_environment_and_that_before_the_cache(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [alone / "told", alone / "environment", alone / "cache" / "pennyweight"]
    for folder in folders:
        write_cifar(folder / "cifar-10-batches-py")
    monkeypatch.setenv("PENNYWEIGHT_DATA", str(folders[1]))
    for folder in folders:
        assert open_source("cifar10", data_dir=folders[0]).origin == str(folder / "cifar-10-batches-py")
        shutil.rmtree(folder / "cifar-10-batches-py")


def test_an_archive_alone_is_unpacked_beside_itself(alone: Path) -> None:
    write_cifar(alone / "cifar-10-batches-py")
    (alone / "data").mkdir()
    with tarfile.open(alone / "data" / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(alone / "cifar-10-batches-py", "cifar-10-batches-py")
    assert open_source("cifar10", data_dir=alone / "data").classes == 10
    assert (alone / "data" / "cifar-10-python.tar.gz").is_file()
    (alone / "data" / "cifar-10-python.tar.gz").write_bytes(b"broken, and not looked at again")
    assert open_source("cifar10", data_dir=alone / "data").classes == 10


@pytest.mark.parametrize("name", [name for name in NAMES if name != "digits"])
def test_without_a_network_the_files_looked_for_are_listed_and_how_to_provide_them(alone: Path, name: str) -> None:
    (alone / "data").mkdir()
    with pytest.raises(DataError) as caught:
        open_source(name, data_dir=alone / "data")
    message, hint = str(caught.value), caught.value.hint
    assert "--data-dir" in hint
    assert "PENNYWEIGHT_DATA" in hint
    for layout in NAMED[name].layouts:
        for root in (alone / "data", alone / "cache" / "pennyweight"):
            assert str(root / layout.folder) in message
        for pattern in layout.files:
            assert pattern.replace("?", "-") in message
    for remote in PUBLISHED[name]:
        assert remote.file in hint


def test_a_file_that_is_missing_among_others_is_named(alone: Path) -> None:
    write_mnist(alone / "data/MNIST/raw")
    (alone / "data/MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"MNIST/raw \(without t10k-labels-idx1-ubyte\*\)"):
        open_source("mnist", data_dir=alone / "data")


def test_data_folders_that_are_not_there_are_named(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENNYWEIGHT_DATA", str(alone / "gone"))
    with pytest.raises(DataError, match=r"--data-dir names .*nowhere.*PENNYWEIGHT_DATA names .*gone"):
        open_source("mnist", data_dir=alone / "nowhere")


def test_a_folder_of_class_folders_is_a_source(alone: Path) -> None:
    write_folder(alone / "pictures")
    images = open_source(str(alone / "pictures"))
    assert images.class_names == ("dark", "light")
    assert images.input_shape[:2] == (6, 8)


def test_an_npz_is_a_source(alone: Path) -> None:
    np.savez(alone / "mine.npz", images=np.zeros((10, 4, 4), np.uint8), labels=np.arange(10) % 2)
    assert open_source(str(alone / "mine.npz")).input_shape == (4, 4, 1)


@pytest.mark.parametrize("where", ["./{}", "../here/{}", "~/{}", "{}/../{}"])
def test_the_source_of_a_path_opens_the_same_images_from_anywhere(
    where: str, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(alone / "here"))
    np.savez("mine.npz", images=np.arange(160, dtype=np.uint8).reshape(10, 4, 4), labels=np.arange(10) % 2)
    write_folder(Path("pictures"))
    for name in ("mine.npz", "pictures"):
        source = where.format("pictures", name) if "{}/" in where else where.format(name)
        images = open_source(source)
        assert Path(images.source).is_absolute()
        monkeypatch.chdir(alone)
        again = open_source(images.source)
        assert again.fingerprint == images.fingerprint
        assert again.source == images.source
        monkeypatch.chdir(alone / "here")


def test_a_named_set_is_reopened_by_its_name(alone: Path) -> None:
    assert open_source("digits").source == "digits"


def test_sizes_are_those_of_the_files_whatever_shape_is_told(alone: Path) -> None:
    write_folder(alone / "pictures")
    Image.new("RGB", (20, 10)).save(alone / "pictures/dark/wide.png")
    (alone / "pictures/dark/broken.png").write_bytes(b"no picture")
    np.savez(alone / "mine.npz", images=np.zeros((10, 4, 5), np.uint8), labels=np.arange(10) % 2)
    for shape in (None, (16, 16, 1), (6, 8, 3)):
        assert open_source(str(alone / "pictures"), input_shape=shape).sizes == {(6, 8): 10, (10, 20): 1}
        assert open_source(str(alone / "mine.npz"), input_shape=shape).sizes == {(4, 5): 10}


def test_a_name_goes_before_a_path_and_a_dot_forces_the_path() -> None:
    write_folder(Path("digits"))
    images = open_source("digits")
    assert images.classes == 10
    assert any("./digits" in note for note in images.notes)
    assert open_source("./digits").class_names == ("dark", "light")


@pytest.mark.parametrize("shape", [(8, 8, 3), (16, 4, 1), (32, 32, 3)])
def test_every_part_gets_the_shape_that_is_told(alone: Path, shape: tuple[int, int, int]) -> None:
    images = open_source("digits", input_shape=shape)
    assert images.input_shape == shape
    assert images.open_test().images.shape[1:] == shape
    assert any("x".join(map(str, shape)) in note for note in images.notes)
    assert np.array_equal(images.learning.labels, open_source("digits").learning.labels)


def test_the_shape_that_is_there_changes_nothing() -> None:
    assert open_source("digits", input_shape=(8, 8, 1)).fingerprint == open_source("digits").fingerprint


@pytest.mark.parametrize(
    ("source", "hint"),
    [("minst", "mnist"), ("fashion", "fashion-mnist"), ("", "known: digits"), ("what is this", "known: digits")],
)
def test_an_unknown_word_is_a_usage_error_with_a_hint(source: str, hint: str) -> None:
    with pytest.raises(UsageError, match="unknown source") as caught:
        open_source(source)
    assert hint in caught.value.hint
    assert "hf:owner/name" in caught.value.hint


@pytest.mark.parametrize("source", ["hf:", "hf:name", "hf:a/b/c", "hf:../b", "hf:/etc", "hf:a/b c"])
def test_a_hub_name_that_is_none_is_a_usage_error(source: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(source)
    assert "hf:owner/name" in caught.value.hint


@pytest.mark.parametrize("source", ["./nowhere", "nowhere/at/all", "/nowhere", "~/nowhere-at-all", "gone.npz"])
def test_a_missing_path_is_a_data_error(source: str) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        open_source(source)


def test_a_file_that_is_no_npz_and_a_name_too_long_are_data_errors() -> None:
    Path("mine.txt").write_text("text")
    with pytest.raises(DataError, match=r"neither a folder nor an \.npz"):
        open_source("mine.txt")
    with pytest.raises(DataError):
        open_source("a" * 5000)


@pytest.mark.parametrize("shape", [(0, 8, 1), (8, 8, 2)])
def test_an_impossible_shape_is_refused_before_anything_is_read(shape: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="channels"):
        open_source("mnist", input_shape=shape)


@pytest.mark.realdata
def test_real_sets_are_found_where_they_lie(real_data: Path) -> None:
    assert open_source("fashion-mnist", data_dir=real_data).class_names[9] == "Ankle boot"
    svhn = open_source("svhn", data_dir=real_data, input_shape=(16, 16, 1))
    assert svhn.input_shape == (16, 16, 1)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("./photo", "did you mean photos?"),
        ("sett.npz", "did you mean set.npz?"),
        ("photos/cot", "did you mean photos/cat?"),
        ("photos/cat/deep/er", "photos/cat has no folder and no .npz"),
        ("photo", "did you mean ./photos?"),
        ("digit", "did you mean digits?"),
    ],
)
def test_a_path_that_does_not_exist_names_the_nearest_that_does(
    source: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "set.npz").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PennyweightError) as raised:
        open_source(source)
    assert hint in raised.value.hint
