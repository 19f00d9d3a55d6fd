"""What layers and losses refuse, before NumPy would mislead: float widths that differ, shapes that only broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrograd.config import INT
from retrograd.core.box import Box
from retrograd.core.dispatch import current, widened
from retrograd.core.source import at_user_line
from retrograd.core.types import is_weak_scalar
from retrograd.errors import DTypeError, RetrogradError, ShapeError
from retrograd.ops.arithmetic import where
from retrograd.ops.inputs import array_of, converted, from_outside, is_weak

REDUCTIONS = ("mean", "sum", "none")


def number_or_array(x: Any, dtype: np.dtype) -> Any:
    """As `array_of`; lists of Python floats, which have no width of their own, get `dtype`."""
    value = array_of(x)
    if isinstance(x, (list, tuple)) and value.dtype.kind == "f" and value.dtype != dtype and not _has_dtype(x):
        return from_outside(x, dtype)
    return value


def _has_dtype(x: Any) -> bool:
    return any(_has_dtype(e) for e in x) if isinstance(x, (list, tuple)) else not is_weak_scalar(x)


def same_width(what: str, x: Any, dtype: np.dtype) -> Any:
    """The value `x` with this float dtype; integers, booleans and Python numbers are converted, other floats not.

    Raises:
        DTypeError: for the other float width, with both ways to mend it.
    """
    if x.dtype == dtype and not is_weak(x):
        return x
    if x.dtype.kind != "f" or is_weak(x) or widened(current()):
        return converted(x, dtype)
    raise DTypeError(
        f"{what}: the input is {x.dtype} and the parameters are {dtype}{at_user_line()}. Layers do not convert floats: "
        f"give x.astype({dtype.name!r}), or make the layer with dtype={x.dtype.name!r}"
    )


def float_input(what: str, x: Any) -> Any:
    """A value of floating dtype.

    Raises:
        DTypeError: for integers and booleans.
    """
    x = array_of(x)
    if x.dtype.kind != "f":
        raise DTypeError(f"{what} needs floats, not {x.dtype}{at_user_line()}: convert with .astype('float32')")
    return x


def pair(what: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Prediction and target of one shape and float dtype; a Python number as target fits every shape.

    Raises:
        ShapeError: if the shapes differ, also where they would broadcast: (64, 1) against (64,) is 64 x 64 losses.
        DTypeError: for float widths that differ.
    """
    input = float_input(what, input)
    target = number_or_array(target, input.dtype)
    differ = target.dtype.kind == "f" and not is_weak(target) and not is_weak(input) and target.dtype != input.dtype
    if differ and not widened(current()):
        raise DTypeError(
            f"{what}: the prediction is {input.dtype} and the target {target.dtype}{at_user_line()}. Losses do not "
            f"convert floats: give target.astype({input.dtype.name!r}), or compute the prediction in {target.dtype}"
        )
    if not (is_weak(target) and not target.shape) and tuple(input.shape) != tuple(target.shape):
        raise ShapeError(
            f"{what}: the prediction has shape {tuple(input.shape)} and the target {tuple(target.shape)}"
            f"{at_user_line()}. They must agree, or broadcasting would compare every element with every other: "
            "reshape one of them, e.g. prediction.squeeze(-1) or target[:, None]"
        )
    return input, converted(target, input.dtype)


def labels_for(what: str, target: Any, shape: tuple[int, ...], classes: int) -> Any:
    """Integer labels of this shape.

    Raises:
        DTypeError: for labels that are no integers.
        ShapeError: for labels of another shape.
    """
    labels = array_of(target)
    found = tuple(labels.shape)
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"{what}: class labels are integers, not {labels.dtype}{at_user_line()}: convert with .astype('int64')"
        )
    if found == shape:
        return converted(labels, INT)  # 200 classes do not fit in int8
    hint = ""
    if found == (*shape, 1):
        hint = "; labels.squeeze(-1) removes the last axis"
    elif found == (*shape, classes):
        hint = f"; for one-hot rows give floats, or labels.argmax(-1) of shape {shape}"
    raise ShapeError(f"{what}: labels of shape {shape} are needed, not {found}{at_user_line()}{hint}")


def never_negative(what: str, indices: Any, size: int) -> Any:
    """Indices below 0 must not count from the end here.

    Raises:
        IndexError: for an index outside of 0 to size - 1.
    """
    concrete = indices.value if isinstance(indices, Box) and indices.owner is None else indices
    if not isinstance(concrete, np.ndarray):
        return where(indices < 0, size, indices)  # a program refuses `size` when it runs
    if concrete.size and not (0 <= concrete.min() and concrete.max() < size):
        bad = concrete[(concrete < 0) | (concrete >= size)].flat[0]
        raise IndexError(f"{what}: index {bad} is outside of 0 to {size - 1}{at_user_line()}")
    return indices


def check_reduction(what: str, reduction: str) -> None:
    """Refuse an unknown reduction."""
    if reduction not in REDUCTIONS:
        raise RetrogradError(f"{what}: reduction is 'mean', 'sum' or 'none', not {reduction!r}")
