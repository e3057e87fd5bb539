from __future__ import annotations

import math

import pytest

from pennyweight.fit.epoch_time import seconds_per_epoch


@pytest.mark.parametrize("nonsense", [None, 5, {}, *({"seconds": s} for s in ("1", True, 0, -1, math.nan, 10**400))])
def test_what_is_no_time_of_an_epoch_is_passed_over(nonsense: object) -> None:
    assert seconds_per_epoch([nonsense]) is None
    assert seconds_per_epoch([{"seconds": 2}, nonsense, {"seconds": 4.5}]) == 3.25
