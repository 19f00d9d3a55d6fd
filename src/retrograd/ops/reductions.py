"""Reductions along axes, and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.config import BOOL, INT, default_float
from retrograd.core.dispatch import apply1
from retrograd.errors import ShapeError
from retrograd.ops import arithmetic as a
from retrograd.ops.inputs import array_of, as_float, converted, face, is_weak, normal_axes
from retrograd.ops.shaping import moveaxis, ravel, reshape
from retrograd.primitives.fused import SOFTMAX, OneHot
from retrograd.primitives.indexing import Argsort
from retrograd.primitives.reduction import Argmax, Logsumexp, Max, Mean, Sum

Axis = int | Sequence[int] | None


def sum(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes (all by default). Booleans and small integers are summed as int64.

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    tensor([4., 6.], dtype=float32)
    """
    x = array_of(x)
    if dtype is not None:
        x = converted(x, np.dtype(dtype))
    elif x.dtype.kind in "bi" and x.dtype != INT:
        x = converted(x, INT)
    out = face(apply1(Sum.of(normal_axes(axis, len(x.shape), "sum"), keepdims), x))
    return face(out, is_weak(x))


def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean over axes (all by default); of integers in the default float."""
    x = as_float(x)
    return face(apply1(Mean.of(normal_axes(axis, len(x.shape), "mean"), keepdims), x), is_weak(x))


def var(x: Any, /, *, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Any:
    """Variance over axes: the mean squared distance from the mean (divided by n - correction)."""
    x = as_float(x)
    axes = normal_axes(axis, len(x.shape), "var")
    n = math.prod([x.shape[i] for i in axes])
    centred = a.subtract(x, mean(x, axis=axes, keepdims=True))
    return sum(a.square(centred), axis=axes, keepdims=keepdims) / float(n - correction)


def std(x: Any, /, *, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Any:
    """Standard deviation over axes; its derivative where all elements are equal is not finite."""
    return a.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _nonempty(x: Any, axes: tuple[int, ...], name: str) -> None:
    if any(x.shape[i] == 0 for i in axes):
        raise ShapeError(f"{name} over axes {axes} of shape {tuple(x.shape)}: nothing has no {name[-3:]}imum")


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest element over axes (all by default); elements that tie share the gradient."""
    x = array_of(x)
    axes = normal_axes(axis, len(x.shape), "max")
    _nonempty(x, axes, "max")
    return face(apply1(Max.of(axes, keepdims), x), is_weak(x))


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index (int64) of the first largest element; over all elements, row by row, by default."""
    x = array_of(x)
    if axis is None:
        flat = argmax(ravel(x), axis=0)
        return reshape(flat, (1,) * len(x.shape)) if keepdims else flat
    axes = normal_axes(axis, len(x.shape), "argmax")
    _nonempty(x, axes, "argmax")
    return face(apply1(Argmax.of(axes, keepdims), x))


def argsort(x: Any, /, *, axis: int = -1) -> Any:
    """Indices (int64) that sort along an axis, stably."""
    x = array_of(x)
    (place,) = normal_axes(axis, len(x.shape), "argsort")
    if place == len(x.shape) - 1:
        return face(apply1(Argsort.of(), x))
    return moveaxis(argsort(moveaxis(x, place, -1)), -1, place)


def logsumexp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Logarithm of the sum of exponentials over axes, without overflow."""
    x = as_float(x)
    return face(apply1(Logsumexp.of(normal_axes(axis, len(x.shape), "logsumexp"), keepdims), x), is_weak(x))


def softmax(x: Any, /, *, axis: int = -1) -> Any:
    """Exponentials that sum to one along an axis."""
    x = as_float(x)
    (place,) = normal_axes(axis, len(x.shape), "softmax")
    if not x.shape[place]:
        return face(x)
    if place == len(x.shape) - 1:
        return face(apply1(SOFTMAX, x))
    return moveaxis(face(apply1(SOFTMAX, moveaxis(x, place, -1))), -1, place)


def log_softmax(x: Any, /, *, axis: int = -1) -> Any:
    """Logarithm of the softmax along an axis."""
    shifted = _shifted(x, axis)
    return a.subtract(shifted, a.log(sum(a.exp(shifted), axis=axis, keepdims=True)))


def _shifted(x: Any, axis: int) -> Any:
    """`x` less its largest element along an axis, which is a constant to derivatives: no softmax depends on it."""
    x = as_float(x)
    (place,) = normal_axes(axis, len(x.shape), "softmax")
    return a.subtract(x, a.stop_gradient(max(x, axis=place, keepdims=True))) if x.shape[place] else x


def one_hot(labels: Any, /, classes: int, *, dtype: Any = None) -> Any:
    """A one at the place of each label along a new last axis."""
    labels = array_of(labels)
    return face(apply1(OneHot.of(classes, np.dtype(dtype or default_float())), labels))


def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many elements are not zero (or are true)."""
    x = array_of(x)
    return sum(x if x.dtype == BOOL else a.not_equal(x, 0), axis=axis, keepdims=keepdims)
