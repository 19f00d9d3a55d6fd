"""Pointwise functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrograd.config import BOOL, INT
from retrograd.core.dispatch import apply, apply1
from retrograd.core.types import check_dtype
from retrograd.errors import DTypeError
from retrograd.ops import inputs
from retrograd.ops.inputs import binary, binary_float, face, promote, unary, value_of
from retrograd.primitives import activation, comparison, exponential, trigonometric
from retrograd.primitives import arithmetic as p


def add(x: Any, y: Any, /) -> Any:
    """Elementwise sum, with broadcasting.

    >>> add([1.0, 2.0], 3.0)
    tensor([4., 5.], dtype=float32)
    """
    return binary(p.ADD, x, y)


def subtract(x: Any, y: Any, /) -> Any:
    """Elementwise difference."""
    return binary(p.SUBTRACT, x, y)


def multiply(x: Any, y: Any, /) -> Any:
    """Elementwise product."""
    return binary(p.MULTIPLY, x, y)


def divide(x: Any, y: Any, /) -> Any:
    """Elementwise quotient; of integers in the default float."""
    return binary_float(p.DIVIDE, x, y)


def reciprocal(x: Any, /) -> Any:
    """Elementwise 1 / x; of integers in the default float."""
    return divide(1.0, x)


def negative(x: Any, /) -> Any:
    """Elementwise negation."""
    return _same(p.NEGATIVE, x)


def positive(x: Any, /) -> Any:
    """The value itself."""
    return face(inputs.array_of(x))


def _same(prim: Any, x: Any) -> Any:
    x = inputs.array_of(x)
    return face(apply1(prim, x), getattr(x, "weak", False))


def absolute(x: Any, /) -> Any:
    """Elementwise absolute value; the derivative at 0 is 0."""
    return _same(p.ABSOLUTE, x)


def sign(x: Any, /) -> Any:
    """Elementwise sign (-1, 0, 1); the derivative is 0."""
    return _same(p.SIGN, x)


def maximum(x: Any, y: Any, /) -> Any:
    """The larger of two, elementwise; equal elements share the gradient."""
    return binary(p.MAXIMUM, x, y)


def minimum(x: Any, y: Any, /) -> Any:
    """The smaller of two, elementwise; equal elements share the gradient."""
    return binary(p.MINIMUM, x, y)


def power(x: Any, y: Any, /) -> Any:
    """Elementwise power. A Python integer as exponent is differentiable to any order at every base.

    >>> power([1.0, 2.0], 3)
    tensor([1., 8.], dtype=float32)
    """
    if type(y) is int:
        x = inputs.array_of(x)
        x = inputs.converted(x, INT) if x.dtype == BOOL else x
        return face(apply1(p.IntegerPower.of(y), x), getattr(x, "weak", False))
    return binary(p.POWER, x, y)


def square(x: Any, /) -> Any:
    """Elementwise square."""
    return power(x, 2)


def exp(x: Any, /) -> Any:
    """Elementwise exponential."""
    return unary(exponential.EXP, x)


def expm1(x: Any, /) -> Any:
    """Elementwise exp(x) - 1, accurate near 0."""
    return unary(exponential.EXPM1, x)


def log(x: Any, /) -> Any:
    """Elementwise natural logarithm."""
    return unary(exponential.LOG, x)


def log1p(x: Any, /) -> Any:
    """Elementwise log(1 + x), accurate near 0."""
    return unary(exponential.LOG1P, x)


def sqrt(x: Any, /) -> Any:
    """Elementwise square root; its derivative at 0 is infinite."""
    return unary(exponential.SQRT, x)


def rsqrt(x: Any, /) -> Any:
    """Elementwise 1 / sqrt(x), infinite at 0.

    >>> rsqrt([4.0, 0.25])
    tensor([0.5, 2. ], dtype=float32)
    """
    return unary(exponential.RSQRT, x)


def sin(x: Any, /) -> Any:
    """Elementwise sine."""
    return unary(trigonometric.SIN, x)


def cos(x: Any, /) -> Any:
    """Elementwise cosine."""
    return unary(trigonometric.COS, x)


def tanh(x: Any, /) -> Any:
    """Elementwise hyperbolic tangent.

    >>> tanh(0.5)
    tensor(0.46211716, dtype=float64, weak)
    """
    return unary(trigonometric.TANH, x)


def sigmoid(x: Any, /) -> Any:
    """Elementwise logistic sigmoid."""
    return unary(activation.SIGMOID, x)


def softplus(x: Any, /) -> Any:
    """Elementwise log(1 + exp(x))."""
    return unary(activation.SOFTPLUS, x)


def erf(x: Any, /) -> Any:
    """Elementwise error function."""
    return unary(activation.ERF, x)


def relu(x: Any, /) -> Any:
    """Elementwise max(x, 0); the derivative at 0 is 0."""
    return unary(activation.RELU, x)


def _compare(prim: Any, x: Any, y: Any) -> Any:
    return face(apply(prim, *promote((x, y))[0]))


def equal(x: Any, y: Any, /) -> Any:
    """Elementwise x == y."""
    return _compare(comparison.EQUAL, x, y)


def not_equal(x: Any, y: Any, /) -> Any:
    """Elementwise x != y."""
    return _compare(comparison.NOT_EQUAL, x, y)


def less(x: Any, y: Any, /) -> Any:
    """Elementwise x < y."""
    return _compare(comparison.LESS, x, y)


def less_equal(x: Any, y: Any, /) -> Any:
    """Elementwise x <= y."""
    return _compare(comparison.LESS_EQUAL, x, y)


def greater(x: Any, y: Any, /) -> Any:
    """Elementwise x > y."""
    return _compare(comparison.GREATER, x, y)


def greater_equal(x: Any, y: Any, /) -> Any:
    """Elementwise x >= y."""
    return _compare(comparison.GREATER_EQUAL, x, y)


def _truth(x: Any) -> Any:
    """Booleans; numbers are true unless zero."""
    x = value_of(x)
    if inputs.dtype_of(x) == BOOL:
        return np.asarray(x) if type(x) is bool else x
    return apply(comparison.NOT_EQUAL, *promote((x, 0))[0])


def logical_and(x: Any, y: Any, /) -> Any:
    """Elementwise conjunction."""
    return face(apply(comparison.LOGICAL_AND, _truth(x), _truth(y)))


def logical_or(x: Any, y: Any, /) -> Any:
    """Elementwise disjunction."""
    return face(apply(comparison.LOGICAL_OR, _truth(x), _truth(y)))


def logical_not(x: Any, /) -> Any:
    """Elementwise negation of truth."""
    return face(apply1(comparison.LOGICAL_NOT, _truth(x)))


def isnan(x: Any, /) -> Any:
    """Elementwise: is it NaN?"""
    return not_equal(x, x)


def isinf(x: Any, /) -> Any:
    """Elementwise: is it an infinity?"""
    return equal(absolute(x), float("inf"))


def isfinite(x: Any, /) -> Any:
    """Elementwise: neither NaN nor infinite."""
    return less(absolute(x), float("inf"))


def where(condition: Any, x: Any, y: Any, /) -> Any:
    """`x` where the condition holds, `y` elsewhere. What the branch not taken computed never reaches a gradient.

    For a branch that must not be evaluated at a bad argument at all, make the argument harmless first.
    """
    values, weak = promote((x, y))
    return face(apply(comparison.WHERE, _truth(condition), *values), weak)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Limit to [min, max]; either bound may be None. At a bound the gradient goes to `x`."""
    low = -float("inf") if min is None else min
    high = float("inf") if max is None else max
    x = inputs.array_of(x)
    if x.dtype.kind != "f" and (min is None or max is None):
        info = np.iinfo(x.dtype) if x.dtype.kind in "iu" else None
        if info is None:
            raise DTypeError("clip of booleans")
        low = info.min if min is None else min
        high = info.max if max is None else max
    return inputs.nary(comparison.CLIP, x, low, high)


def stop_gradient(x: Any, /) -> Any:
    """The value, as a constant to every derivative."""
    x = inputs.array_of(x)
    return face(apply1(p.STOP_GRADIENT, x), getattr(x, "weak", False))


def astype(x: Any, dtype: Any, /) -> Any:
    """Conversion to another dtype; between floats it carries gradients."""
    x = inputs.array_of(x)
    wanted = check_dtype(np.dtype(dtype))
    if x.dtype == wanted and not inputs.is_weak(x):
        return face(x)
    return face(apply1(p.Convert.of(wanted), x))
