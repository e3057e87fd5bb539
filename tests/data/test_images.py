"""Labelled images: parts that fit together, a split that never moves, a fingerprint that sees everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.core.errors import DataError
from pennyweight.data.images import SEALED_SHARE, LabelledImages, Part, seal, stratified


def part(labels: list[int], seed: int = 0, side: int = 3) -> Part:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), side, side, 1), dtype=np.uint8)
    return Part(pixels, np.array(labels, np.int64))


def labelled(learning: Part, sealed: Part, names: tuple[str, ...] = ("a", "b")) -> LabelledImages:
    return LabelledImages("set", learning, sealed, names)


LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(lambda labels: np.array(labels, np.int64))


@given(LABELS, st.floats(0.01, 0.99))
@settings(deadline=None)
def test_a_stratified_split_is_disjoint_whole_and_the_same_in_every_call(labels: np.ndarray, share: float) -> None:
    kept, held = stratified(labels, share)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    again_kept, again_held = stratified(labels, share)
    assert np.array_equal(kept, again_kept)
    assert np.array_equal(held, again_held)


@given(LABELS, st.floats(0.01, 0.99))
@settings(deadline=None)
def test_every_class_gives_its_share_and_keeps_at_least_one(labels: np.ndarray, share: float) -> None:
    kept, held = stratified(labels, share)
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        given_up = np.count_nonzero(labels[held] == label)
        assert np.count_nonzero(labels[kept] == label) >= 1
        assert given_up == min(max(round(share * count), 1), count - 1)


def test_nothing_can_be_split_into_nothing() -> None:
    kept, held = stratified(np.arange(0), 0.2)
    assert len(kept) == len(held) == 0


def test_the_validation_part_is_never_in_the_train_part() -> None:
    images = labelled(part([0, 1] * 50), part([0, 1]))
    train, validation = images.split(0.1)
    assert (len(train), len(validation)) == (90, 10)
    assert not {pixels.tobytes() for pixels in train.images} & {pixels.tobytes() for pixels in validation.images}
    assert np.array_equal(images.split(0.1)[1].images, validation.images)


def test_a_split_of_nothing_leaves_everything_to_learn_from() -> None:
    train, validation = labelled(part([0, 1]), part([0, 1])).split(0)
    assert (len(train), len(validation)) == (2, 0)


def test_a_fifth_of_every_class_is_sealed_where_there_is_no_test_part() -> None:
    learning, sealed = seal(part([0] * 50 + [1] * 10))
    assert SEALED_SHARE == 0.2
    assert np.bincount(learning.labels).tolist() == [40, 8]
    assert np.bincount(sealed.labels).tolist() == [10, 2]


def test_the_fingerprint_changes_with_one_pixel_one_label_one_test_pixel_and_one_name() -> None:
    def fresh() -> tuple[Part, Part]:
        return part([0, 1, 0]), part([0, 1], seed=1)

    prints = [labelled(*fresh()).fingerprint]
    learning, sealed = fresh()
    learning.images[1, 2, 0, 0] ^= 1
    prints.append(labelled(learning, sealed).fingerprint)
    learning, sealed = fresh()
    learning.labels[2] = 1
    prints.append(labelled(learning, sealed).fingerprint)
    learning, sealed = fresh()
    sealed.images[0, 0, 0, 0] ^= 1
    prints.append(labelled(learning, sealed).fingerprint)
    learning, sealed = fresh()
    sealed.labels[1] = 0
    prints.append(labelled(learning, sealed).fingerprint)
    prints.append(labelled(*fresh(), names=("a", "c")).fingerprint)
    assert len(set(prints)) == len(prints)
    assert labelled(*fresh()).fingerprint == prints[0]


def test_a_picture_moved_from_learning_to_test_changes_the_fingerprint() -> None:
    everything = part([0, 1, 0, 1])
    first, third = everything.take(np.arange(2)), everything.take(np.arange(3))
    rest, last = everything.take(np.arange(2, 4)), everything.take(np.arange(3, 4))
    assert labelled(first, rest).fingerprint != labelled(third, last).fingerprint


def test_an_empty_test_part_still_has_a_fingerprint() -> None:
    assert len(labelled(part([0, 1]), part([])).fingerprint) == 64


def test_all_faults_are_listed_at_once() -> None:
    learning = Part(np.zeros((3, 4, 4, 1), np.float32), np.array([0, 0], np.int64))  # type: ignore[arg-type]
    sealed = Part(np.zeros((1, 5, 5, 1), np.uint8), np.array([7], np.int64))
    with pytest.raises(DataError) as caught:
        labelled(learning, sealed)
    message = str(caught.value)
    for fault in ("uint8 NHWC", "3 learning images have 2 labels", "must lie in 0 … 1", "two sizes", "one class"):
        assert fault in message


@pytest.mark.parametrize("labels", [np.array([0.0, 1.0]), np.array([[0], [1]]), np.array(["a", "b"])])
def test_labels_that_are_no_whole_numbers_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="learning labels must be int64, one an image"):
        labelled(Part(np.zeros((2, 3, 3, 1), np.uint8), labels), part([0, 1]))


@pytest.mark.parametrize("shape", [(8, 8, 2), (8, 8, 4), (0, 8, 1), (8, 0, 3)])
def test_images_that_nothing_else_would_take_are_refused(shape: tuple[int, int, int]) -> None:
    pixels = Part(np.zeros((2, *shape), np.uint8), np.array([0, 1], np.int64))
    with pytest.raises(DataError, match="1 or 3 channels, not " + "x".join(map(str, shape))) as caught:
        labelled(pixels, pixels)
    assert "[..., :3]" in caught.value.hint


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match=r"classes of one name: 'a'$"):
        labelled(part([0, 1]), part([2]), names=("a", "b", "a"))


def test_images_have_the_size_that_they_have_unless_told_what_it_was() -> None:
    assert labelled(part([0, 1, 0]), part([1])).sizes == {(3, 3): 4}
    told = LabelledImages("set", part([0, 1]), part([]), ("a", "b"), sizes={(9, 5): 1, (4, 4): 1})
    assert told.sizes == {(9, 5): 1, (4, 4): 1}


def test_a_set_without_images_is_refused() -> None:
    with pytest.raises(DataError, match="no images to learn from"):
        labelled(part([]), part([0, 1]))
