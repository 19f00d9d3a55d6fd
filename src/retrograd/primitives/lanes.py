"""Lanes that go different ways: both ways run for all of them, on arguments that each way is meant for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.config import INT
from retrograd.core.dispatch import apply, apply1, apply2
from retrograd.primitives.arithmetic import STOP_GRADIENT, Convert
from retrograd.primitives.comparison import WHERE
from retrograd.primitives.families import behind_lanes
from retrograd.primitives.indexing import Gather
from retrograd.primitives.movement import Reshape
from retrograd.primitives.reduction import AnyTrue, Argmax


def first_true(mask: Any) -> tuple[Any, Any]:
    """Whether any element of a vector of booleans holds, and the place of the first that does (or 0), of shape (1,)."""
    place = apply1(Argmax.of((0,), True), apply1(Convert.of(INT), mask))
    return apply1(AnyTrue.of((0,), False), mask), place


def taken_from(value: Any, place: Any) -> Any:
    """The element of `value` at a place on its first axis, a constant to every derivative."""
    found = apply2(Gather.of(0), value, apply1(Reshape.of((1,)), place))
    return apply1(STOP_GRADIENT, found) if found.dtype.kind == "f" else found


def meant_for(mask: Any, values: Sequence[Any], batched: Sequence[bool]) -> tuple[Any, list[Any]]:
    """Whether any lane goes this way, and the values with lanes, where those that do not have those of one that does.

    So what is undefined for a lane that does not go this way is not computed, and its derivative neither: infinity and
    NaN would pass into derivatives by what all lanes share, where the zero they are multiplied with does not stop them.
    """
    some, place = first_true(mask)
    found = []
    for value, flag in zip(values, batched, strict=True):
        if flag:
            one = taken_from(value, place)
            value = apply(WHERE, behind_lanes(mask, len(value.shape)), value, one)
        found.append(value)
    return some, found
