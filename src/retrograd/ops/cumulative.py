"""Running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrograd.core.dispatch import apply1
from retrograd.errors import ShapeError
from retrograd.ops.inputs import face, one_axis, summable
from retrograd.ops.shaping import concatenate, full, ravel
from retrograd.primitives.cumulative import CumulativeProduct, CumulativeSum


def cumsum(x: Any, /, *, axis: int | None = None, dtype: Any = None) -> Any:
    """Running sums along an axis, of the shape of `x`; by default over all elements, row by row, along one axis.

    Booleans and small integers are summed as int64, unsigned ones as uint64.

    >>> cumsum([[1, 2], [3, 4]], axis=0)
    tensor([[1, 2],
            [4, 6]])
    """
    return _running(CumulativeSum, x, axis, dtype, "cumsum")


def cumprod(x: Any, /, *, axis: int | None = None, dtype: Any = None) -> Any:
    """Running products along an axis, of the shape of `x`; by default over all elements, row by row, along one axis.

    Booleans and small integers are multiplied as int64, unsigned ones as uint64. The gradient is right where factors
    are 0, to every order: nothing is divided.

    >>> cumprod([1, 2, 3, 4])
    tensor([ 1,  2,  6, 24])
    """
    return _running(CumulativeProduct, x, axis, dtype, "cumprod")


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """As `cumsum`, by the array API's name and rules: `axis` may be left out only where there is just one.

    Args:
        include_initial: begin with the sum of nothing, 0; there is one element more then.

    Raises:
        ShapeError: if `axis` is left out and `x` has not exactly one axis.

    >>> cumulative_sum([1, 2, 3], include_initial=True)
    tensor([0, 1, 3, 6])
    """
    return _from_nothing(CumulativeSum, x, axis, dtype, 0 if include_initial else None, "cumulative_sum")


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """As `cumprod`, by the array API's name and rules: `axis` may be left out only where there is just one.

    Args:
        include_initial: begin with the product of nothing, 1; there is one element more then.

    Raises:
        ShapeError: if `axis` is left out and `x` has not exactly one axis.

    >>> cumulative_prod([2, 3, 4], include_initial=True)
    tensor([ 1,  2,  6, 24])
    """
    return _from_nothing(CumulativeProduct, x, axis, dtype, 1 if include_initial else None, "cumulative_prod")


def _running(family: Any, x: Any, axis: int | None, dtype: Any, name: str) -> Any:
    x = summable(x, dtype)
    if axis is None:
        x, axis = ravel(x), 0
    return face(apply1(family.of(one_axis(axis, len(x.shape), name), False), x))


def _from_nothing(family: Any, x: Any, axis: int | None, dtype: Any, initial: int | None, name: str) -> Any:
    x = summable(x, dtype)
    if axis is None and len(x.shape) != 1:
        raise ShapeError(f"{name} of shape {tuple(x.shape)}: say along which axis=")
    place = one_axis(0 if axis is None else axis, len(x.shape), name)
    out = _running(family, x, place, None, name)
    if initial is None:
        return out
    shape = list(out.shape)
    shape[place] = 1
    return concatenate([full(shape, np.asarray(initial, out.dtype)), out], axis=place)
