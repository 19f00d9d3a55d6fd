"""What layers compute, as functions. Names and arguments are PyTorch's; axes are called `dim` as there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply
from retrograd.core.source import at_user_line
from retrograd.errors import DTypeError, RetrogradError, ShapeError
from retrograd.nn.checks import never_negative, number_or_array, same_width
from retrograd.ops import arithmetic as a
from retrograd.ops import random, reductions, shaping
from retrograd.ops.indexing import take
from retrograd.ops.inputs import array_of, as_float, face
from retrograd.ops.linear_algebra import matmul
from retrograd.primitives.contraction import AFFINE
from retrograd.primitives.fused import LayerNorm

sigmoid, tanh, relu = a.sigmoid, a.tanh, a.relu


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    r"""An affine map :math:`y = x W^T + b`.

    Args:
        input: (..., in).
        weight: (out, in).
        bias: (out,), or None.

    Returns:
        (..., out).

    Raises:
        ShapeError: if the last axis of the input is not of length `in`.
        DTypeError: if float widths differ.
    """
    w = array_of(weight)
    x = number_or_array(input, w.dtype)
    if x.dtype is not w.dtype:
        x = same_width("linear", x, w.dtype)
    shape, outer = x.shape, w.shape
    if not shape or len(outer) != 2 or shape[-1] != outer[1]:
        raise ShapeError(
            f"linear: an input of shape {tuple(shape)} with a weight (out, in) of shape {tuple(outer)}"
            f"{at_user_line()}: the last axis of the input must have length {outer[-1] if outer else '?'}"
        )
    if bias is None:
        return matmul(x, shaping.matrix_transpose(w))
    b = array_of(bias)
    if b.dtype is not w.dtype:
        b = same_width("linear: bias", b, w.dtype)
    if b.shape != outer[:1]:
        raise ShapeError(f"linear: a bias of shape {tuple(b.shape)} with a weight (out, in) of shape {tuple(outer)}")
    return face(apply(AFFINE, x, w, b))


def embedding(input: Any, weight: Any) -> Any:
    """Rows of a table.

    Args:
        input: integers of any shape, each from 0 to num - 1.
        weight: (num, dim).

    Returns:
        ``(*input.shape, dim)``.

    Raises:
        IndexError: for an index outside of the table, negative ones included.
    """
    indices, table = array_of(input), array_of(weight)
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"embedding: indices are integers, not {indices.dtype}{at_user_line()}")
    return take(table, never_negative("embedding", indices, table.shape[0]), axis=0)


def dropout(input: Any, p: float = 0.5, training: bool = True, *, generator: random.Generator | None = None) -> Any:
    r"""Zeros in random places, the rest scaled up so that the mean stays: inverted dropout.

    .. math:: y_i = x_i m_i / (1 - p), \qquad m_i \sim \mathrm{Bernoulli}(1 - p)

    Args:
        p: the probability of a zero.
        training: False makes it the identity.
        generator: where the draws come from; by default the default generator.

    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), section 4 and, for the scaling, section 10.
    """
    if not 0.0 <= p <= 1.0:
        raise RetrogradError(f"dropout: p is a probability, not {p}")
    x = as_float(input)
    if not training or p == 0.0:
        return face(x)
    keep = random.bernoulli(1.0 - p, x.shape, generator=generator)
    return a.where(keep, a.multiply(x, 1.0 / (1.0 - p) if p < 1.0 else 0.0), 0.0)


def layer_norm(
    input: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    r"""Normalise over the last axes to mean 0 and variance 1, then scale and shift.

    .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\, w + b

    Args:
        input: ``(..., *normalized_shape)``.
        normalized_shape: the lengths of the last axes; an int for one.
        weight: of shape `normalized_shape`, or None for ones.
        bias: likewise, or None for zeros.

    Ba, Kiros, Hinton (2016), equations 3 and 4.
    """
    inner = shape_tuple(normalized_shape)
    given = next((array_of(v) for v in (weight, bias) if v is not None), None)
    x = as_float(input) if given is None else same_width("layer_norm", number_or_array(input, given.dtype), given.dtype)
    if not inner or tuple(x.shape[-len(inner) :]) != inner:
        raise ShapeError(f"layer_norm over {inner}: the last axes of the input of shape {tuple(x.shape)} differ")
    w = array_of(shaping.ones(inner, dtype=x.dtype) if weight is None else weight)
    b = array_of(shaping.zeros(inner, dtype=x.dtype) if bias is None else bias)
    if w.shape != inner or b.shape != inner:
        raise ShapeError(f"layer_norm over {inner}: weight of shape {tuple(w.shape)}, bias of shape {tuple(b.shape)}")
    return face(apply(LayerNorm.of(len(inner), eps), x, w, b))


def shape_tuple(shape: int | Sequence[int]) -> tuple[int, ...]:
    """A shape; an int is one axis."""
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The axes from `start_dim` to `end_dim` as one."""
    x = array_of(input)
    shape, n = tuple(x.shape), len(x.shape)
    first, last = (d + n if d < 0 else d for d in (start_dim, end_dim))
    if n == 0 and {start_dim, end_dim} <= {0, -1}:
        return shaping.reshape(x, (1,))
    if not 0 <= first <= last < n:
        raise ShapeError(f"flatten from axis {start_dim} to {end_dim} of shape {shape}{at_user_line()}")
    return shaping.reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def softmax(input: Any, dim: int = -1) -> Any:
    r"""Exponentials that sum to one along an axis: :math:`y_i = e^{x_i} / \sum_j e^{x_j}`."""
    return reductions.softmax(input, axis=dim)


def log_softmax(input: Any, dim: int = -1) -> Any:
    r"""Logarithm of the softmax along an axis: :math:`y_i = x_i - \ln \sum_j e^{x_j}`."""
    return reductions.log_softmax(input, axis=dim)


def softplus(input: Any, beta: float = 1.0) -> Any:
    r"""The smooth rectifier :math:`y = \ln(1 + e^{\beta x}) / \beta`, without overflow."""
    return a.softplus(input) if beta == 1.0 else a.divide(a.softplus(a.multiply(input, beta)), beta)


def gelu(input: Any, approximate: str = "none") -> Any:
    r"""Gaussian error linear unit.

    .. math:: y = x\,\Phi(x) = \tfrac12 x \big(1 + \operatorname{erf}(x / \sqrt2)\big)

    Args:
        approximate: "tanh" for :math:`\tfrac12 x (1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715 x^3)))`.

    Hendrycks, Gimpel (2016), section 2.
    """
    x = face(as_float(input))
    if approximate == "none":
        return x * (a.erf(x * math.sqrt(0.5)) + 1.0) * 0.5
    if approximate == "tanh":
        return x * (a.tanh((x + x**3 * 0.044715) * math.sqrt(2.0 / math.pi)) + 1.0) * 0.5
    raise RetrogradError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")


def silu(input: Any) -> Any:
    r"""Sigmoid linear unit, or swish: :math:`y = x\,\sigma(x)`. Elfwing, Uchibe, Doya (2017), equation 11."""
    x = face(as_float(input))
    return x * a.sigmoid(x)


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    r"""Rectifier with a slope s below zero: :math:`y = x` if :math:`x > 0`, else :math:`s x`; slope s at 0."""
    x = face(as_float(input))
    return a.where(x > 0.0, x, x * negative_slope)
