from __future__ import annotations

from dataclasses import dataclass

from pennyweight.core.shown import Shown


def test_a_slotted_result_stays_without_a_dict() -> None:
    @dataclass(frozen=True, slots=True)
    class Result(Shown):
        share: float

    assert not hasattr(Result(0.5), "__dict__")
    assert callable(Result(0.5)._repr_html_)
