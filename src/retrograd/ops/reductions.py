"""Reductions along axes, and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.config import BOOL, default_float
from retrograd.core.dispatch import apply1
from retrograd.errors import ShapeError
from retrograd.ops import arithmetic as a
from retrograd.ops.inputs import array_of, as_float, face, is_weak, normal_axes, one_axis, summable
from retrograd.ops.shaping import moveaxis, ravel, reshape
from retrograd.primitives.cumulative import Prod
from retrograd.primitives.fused import SOFTMAX, OneHot
from retrograd.primitives.reduction import AllTrue, AnyTrue, Argmax, Argmin, Logsumexp, Max, Mean, Min, Sum

Axis = int | Sequence[int] | None


def sum(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes (all by default). Booleans and small integers are summed as int64, unsigned ones as uint64.

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    tensor([4., 6.], dtype=float32)
    """
    x = summable(x, dtype)
    out = face(apply1(Sum.of(normal_axes(axis, len(x.shape), "sum"), keepdims), x))
    return face(out, is_weak(x))


def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Product over axes (all by default), 1 of nothing.

    Booleans and small integers are multiplied as int64, unsigned ones as uint64. The gradient is right where factors
    are 0, to every order: nothing is divided.

    >>> import retrograd as rg
    >>> rg.grad(prod)(rg.tensor([2.0, 0.0, 3.0]))
    tensor([0., 6., 0.], dtype=float32)
    """
    x = summable(x, dtype)
    out = face(apply1(Prod.of(normal_axes(axis, len(x.shape), "prod"), keepdims), x))
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
    if 0 in [x.shape[i] for i in axes]:
        raise ShapeError(f"{name} over axes {axes} of shape {tuple(x.shape)}: nothing has no {name[-3:]}imum")


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest element over axes (all by default); elements that tie share the gradient."""
    x = array_of(x)
    axes = normal_axes(axis, len(x.shape), "max")
    _nonempty(x, axes, "max")
    return face(apply1(Max.of(axes, keepdims), x), is_weak(x))


def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Smallest element over axes (all by default); elements that tie share the gradient.

    >>> min([[3.0, 1.0], [0.5, 2.0]], axis=1)
    tensor([1. , 0.5], dtype=float32)
    """
    x = array_of(x)
    axes = normal_axes(axis, len(x.shape), "min")
    _nonempty(x, axes, "min")
    return face(apply1(Min.of(axes, keepdims), x), is_weak(x))


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index (int64) of the first largest element; over all elements, row by row, by default."""
    return _place(Argmax, x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index (int64) of the first smallest element; over all elements, row by row, by default."""
    return _place(Argmin, x, axis, keepdims)


def _place(prim: type[Argmax | Argmin], x: Any, axis: int | None, keepdims: bool) -> Any:
    x = array_of(x)
    if axis is None:
        flat = _place(prim, ravel(x), 0, False)
        return reshape(flat, (1,) * len(x.shape)) if keepdims else flat
    axes = (one_axis(axis, len(x.shape), prim.name),)
    _nonempty(x, axes, prim.name)
    return face(apply1(prim.of(axes, keepdims), x))


def any(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether an element over axes (all by default) is true, or a number other than 0; of nothing False.

    >>> any([[0.0, 2.0], [0.0, 0.0]], axis=1)
    tensor([ True, False])
    """
    x = _truth(x)
    return face(apply1(AnyTrue.of(normal_axes(axis, len(x.shape), "any"), keepdims), x))


def all(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether every element over axes (all by default) is true, or a number other than 0; of nothing True."""
    x = _truth(x)
    return face(apply1(AllTrue.of(normal_axes(axis, len(x.shape), "all"), keepdims), x))


def _truth(x: Any) -> Any:
    x = array_of(x)
    return x if x.dtype == BOOL else a.not_equal(x, 0)


def logsumexp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Logarithm of the sum of exponentials over axes, without overflow."""
    x = as_float(x)
    return face(apply1(Logsumexp.of(normal_axes(axis, len(x.shape), "logsumexp"), keepdims), x), is_weak(x))


def softmax(x: Any, /, *, axis: int = -1) -> Any:
    """Exponentials that sum to one along an axis."""
    x = as_float(x)
    place = one_axis(axis, len(x.shape), "softmax")
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
    place = one_axis(axis, len(x.shape), "softmax")
    return a.subtract(x, a.stop_gradient(max(x, axis=place, keepdims=True))) if x.shape[place] else x


def one_hot(labels: Any, /, classes: int, *, dtype: Any = None) -> Any:
    """A one at the place of each label along a new last axis."""
    labels = array_of(labels)
    return face(apply1(OneHot.of(classes, np.dtype(dtype or default_float())), labels))


def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many elements are not zero (or are true)."""
    return sum(_truth(x), axis=axis, keepdims=keepdims)
