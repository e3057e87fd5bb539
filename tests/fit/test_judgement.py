"""What answers are worth follows from the chances and the labels alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pennyweight.data.images import LabelledImages, Part
from pennyweight.fit.asked import Asked
from pennyweight.fit.judgement import MISTAKES_KEPT, judge

CLASSES = ("a", "b", "c")


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_the_figures_count_every_image_once(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    part = Part(random.integers(0, 256, (count, 2, 2, 1)).astype(np.uint8), random.integers(0, 3, count))
    whole = Part(np.zeros((3, 2, 2, 1), np.uint8), np.arange(3))
    asked = Asked.of(LabelledImages("some", whole, part, CLASSES), "test", part, own=False, notes=())
    chances = random.dirichlet(np.ones(3), count)
    told = judge(asked, CLASSES, chances)
    confusion = np.array(told.confusion)
    assert confusion.sum() == told.accuracy.n == count
    assert confusion.trace() == told.accuracy.correct == told.right.sum()
    assert [each.n for each in told.per_class] == confusion.sum(1).tolist()
    assert sum(each.n for each in told.reliability) == count
    wrong = sorted((float(chances[i].max()) for i in np.flatnonzero(~told.right)), reverse=True)
    assert [each.confidence for each in told.mistakes] == wrong[:MISTAKES_KEPT]
    assert not any(each.right for each in told.mistakes)
    assert (told.photos, told.not_blank) == ((), None)
