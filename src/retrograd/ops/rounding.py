"""Rounding to whole numbers, and division with a remainder."""

from __future__ import annotations

import sys
from typing import Any

from retrograd.core.dispatch import apply1, apply2
from retrograd.errors import DTypeError
from retrograd.ops import arithmetic as a
from retrograd.ops.inputs import array_of, dtype_of, face, integer, is_weak, promote
from retrograd.primitives import rounding as p


def _whole(prim: Any, x: Any) -> Any:
    """Integers are whole already."""
    x = array_of(x)
    if x.dtype.kind == "b":
        raise _no_meaning(prim)
    return face(x if x.dtype.kind in "iu" else apply1(prim, x), is_weak(x))


def _divided(prim: Any, x: Any, y: Any) -> Any:
    (x, y), weak = promote((x, y))
    if dtype_of(x).kind == dtype_of(y).kind == "b":
        raise _no_meaning(prim)  # NumPy would make int8 of them
    return face(apply2(prim, x, y), weak)


def _no_meaning(prim: Any) -> DTypeError:
    return DTypeError(f"{prim.name} has no meaning for bool: convert with .astype first")


def floor(x: Any, /) -> Any:
    """Elementwise the largest whole number that is not above x, in the dtype of x; the derivative is 0.

    >>> floor([1.7, -1.2])
    tensor([ 1., -2.], dtype=float32)
    """
    return _whole(p.FLOOR, x)


def ceil(x: Any, /) -> Any:
    """Elementwise the smallest whole number that is not below x; the derivative is 0."""
    return _whole(p.CEIL, x)


def trunc(x: Any, /) -> Any:
    """Elementwise x without what stands after its point; the derivative is 0."""
    return _whole(p.TRUNC, x)


def round(x: Any, /, decimals: int = 0) -> Any:
    """Elementwise the nearest whole number, halves to the even one; the derivative is 0.

    With `decimals` it is ``round(x * 10**decimals) / 10**decimals``, computed as NumPy computes it.

    Raises:
        DTypeError: for booleans, and for integers and fewer than no decimals.
        TypeError: if `decimals` is no integer.
        ValueError: for more than 308 decimals either way: no float is that large.

    >>> round([0.5, 1.5, 2.5, -0.7])
    tensor([ 0.,  2.,  2., -1.], dtype=float32)
    >>> round([3.14159, 2.71828], 2)
    tensor([3.14, 2.72], dtype=float32)
    """
    decimals = integer(decimals, "round", "decimals")
    if not decimals:
        return _whole(p.ROUND, x)
    if abs(decimals) > sys.float_info.max_10_exp:
        raise ValueError(f"round: decimals = {decimals}; it must be from -308 to 308")
    x = array_of(x)
    if x.dtype.kind == "b":
        raise _no_meaning(p.ROUND)
    if x.dtype.kind in "iu":
        if decimals < 0:
            raise DTypeError(f"round of {x.dtype} to {decimals} decimals; convert with .astype to a float first")
        return face(x, is_weak(x))
    scale = 10.0 ** abs(decimals)
    if decimals < 0:
        return a.multiply(_whole(p.ROUND, a.divide(x, scale)), scale)
    return a.divide(_whole(p.ROUND, a.multiply(x, scale)), scale)


def floor_divide(x: Any, y: Any, /) -> Any:
    """Elementwise quotient, down to a whole number: Python's ``//``. The derivatives are 0.

    Integers stay integers; divided by 0 they give 0, as in NumPy.

    >>> floor_divide([7.0, -7.0], 2.0)
    tensor([ 3., -4.], dtype=float32)
    """
    return _divided(p.FLOOR_DIVIDE, x, y)


def remainder(x: Any, y: Any, /) -> Any:
    """Elementwise what ``x // y`` leaves, with the sign of y: Python's ``%``.

    The derivative is 1 with respect to x and ``-(x // y)`` with respect to y. By 0 it is NaN, of integers 0.

    >>> remainder([7.0, -7.0], 3.0)
    tensor([1., 2.], dtype=float32)
    """
    return _divided(p.REMAINDER, x, y)


def divmod(x: Any, y: Any, /) -> tuple[Any, Any]:
    """Elementwise ``(x // y, x % y)``, see `floor_divide` and `remainder`."""
    return floor_divide(x, y), remainder(x, y)


def fmod(x: Any, y: Any, /) -> Any:
    """Elementwise what ``trunc(x / y)`` leaves, with the sign of x: C's ``fmod``.

    The derivative is 1 with respect to x and ``-trunc(x / y)`` with respect to y. By 0 it is NaN, of integers 0.

    >>> fmod([7.0, -7.0], 3.0)
    tensor([ 1., -1.], dtype=float32)
    """
    return _divided(p.FMOD, x, y)
