"""Products of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

from retrograd.config import default_float
from retrograd.core.box import Box
from retrograd.core.dispatch import apply, apply2
from retrograd.errors import ShapeError
from retrograd.ops import inputs
from retrograd.ops.inputs import array_of, converted, face, promote
from retrograd.ops.reductions import sum as _sum
from retrograd.ops.shaping import expand_dims, moveaxis, ravel, reshape, squeeze
from retrograd.primitives.arithmetic import MULTIPLY
from retrograd.primitives.contraction import AFFINE, MATMUL


def matmul(x: Any, y: Any, /) -> Any:
    """Matrix product; a vector is a row on the left and a column on the right; leading axes broadcast.

    Raises:
        ShapeError: if the inner lengths differ, or an operand is a scalar.
    """
    x, y = (array_of(v) for v in promote((x, y))[0])
    if not x.shape or not y.shape:
        raise ShapeError("matmul of a scalar: multiply with *")
    inner = y.shape[-2] if len(y.shape) > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(f"matmul of shapes {tuple(x.shape)} and {tuple(y.shape)}: {x.shape[-1]} is not {inner}")
    row, column = len(x.shape) == 1, len(y.shape) == 1
    if row:
        x = expand_dims(x, 0)
    if column:
        y = expand_dims(y, -1)
    out = face(apply2(MATMUL, x, y))
    drop = (*([-2] if row else []), *([-1] if column else []))
    return squeeze(out, axis=drop) if drop else out


def dot(x: Any, y: Any, /) -> Any:
    """Inner product of vectors; matrix product of matrices; product with a scalar.

    Of more axes, as NumPy has it: the last axis of `x` with the last but one of `y`, and no axes in common.
    """
    x, y = array_of(x), array_of(y)
    if not x.shape or not y.shape:
        return inputs.binary(MULTIPLY, x, y)
    if len(y.shape) < 3:
        return matmul(x, y)
    *lanes, inner, columns = y.shape
    flat = matmul(x, reshape(moveaxis(y, -2, 0), (inner, math.prod(lanes) * columns)))
    return reshape(flat, (*x.shape[:-1], *lanes, columns))


def vecdot(x: Any, y: Any, /, *, axis: int = -1) -> Any:
    """Inner products along an axis."""
    return _sum(inputs.binary(MULTIPLY, x, y), axis=axis)


def outer(x: Any, y: Any, /) -> Any:
    """All products of the elements of two vectors; other arrays are taken for the vectors of their elements."""
    return inputs.binary(MULTIPLY, expand_dims(ravel(x), -1), ravel(y))


def affine(x: Any, weight: Any, bias: Any, /) -> Any:
    """``x @ weight.T + bias`` with weights of shape (out, in): one primitive.

    Args:
        x: (..., in).
        weight: (out, in).
        bias: (out,).
    """
    x = x if isinstance(x, Box) else array_of(x)
    weight, bias = array_of(weight), array_of(bias)
    dtype = weight.dtype
    if x.dtype != dtype or bias.dtype != dtype or inputs.is_weak(x):
        target = inputs.common_dtype((x, weight, bias))[0]
        x, weight, bias = (converted(v, target if target.kind == "f" else default_float()) for v in (x, weight, bias))
    return face(apply(AFFINE, x, weight, bias))
