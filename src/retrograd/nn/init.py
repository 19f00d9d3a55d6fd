r"""Initial values: what parameters start from.

Every function takes a shape and gives a tensor, or takes a `Parameter` (or buffer), fills it and gives it back. Draws
come from ``generator=``, by default from the default generator of `rg.random`. Weights are (out, in, ...): what follows
the first two axes is the window of a convolution, so that

.. math:: \text{fan}_{in} = \text{in} \cdot \text{window}, \qquad \text{fan}_{out} = \text{out} \cdot \text{window}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.config import default_float
from retrograd.core.cells import Cell
from retrograd.core.types import check_dtype
from retrograd.errors import RetrogradError, ShapeError
from retrograd.ops import random, shaping
from retrograd.ops.indexing import concrete
from retrograd.ops.inputs import face
from retrograd.tensor.parameter import assign

Target = Any  # a shape (an int or a sequence of ints), or a cell
Generator = random.Generator


def _described(target: Target, dtype: Any) -> tuple[tuple[int, ...], np.dtype]:
    if isinstance(target, Cell):
        assert target.type is not None
        return target.type.shape, target.type.dtype
    shape = (target,) if isinstance(target, (int, np.integer)) else tuple(target)
    return tuple(int(n) for n in shape), default_float() if dtype is None else check_dtype(np.dtype(dtype))


def _given(target: Target, value: Any) -> Any:
    if not isinstance(target, Cell):
        return value
    assign(target, value)
    return target


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan in, fan out) of a weight of shape (out, in, ...).

    Raises:
        ShapeError: for fewer than two axes.
    """
    if len(shape) < 2:
        raise ShapeError(f"an initialiser that looks at fan-in and fan-out needs a weight (out, in, ...), not {shape}")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


_GAINS = {
    "linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 0.75,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain that goes with a nonlinearity; `param` is the slope of "leaky_relu" (0.01)."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2.0 / (1.0 + slope * slope))
    if nonlinearity not in _GAINS:
        raise RetrogradError(f"no gain is known for {nonlinearity!r}; known are {', '.join([*_GAINS, 'leaky_relu'])}")
    return _GAINS[nonlinearity]


def uniform(
    target: Target, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None, dtype: Any = None
) -> Any:
    """Uniform on [low, high)."""
    shape, wanted = _described(target, dtype)
    return _given(target, random.uniform(shape, low, high, generator=generator, dtype=wanted))


def normal(
    target: Target, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None, dtype: Any = None
) -> Any:
    """Normal with this mean and standard deviation."""
    shape, wanted = _described(target, dtype)
    return _given(target, random.normal(shape, mean, std, generator=generator, dtype=wanted))


def constant(target: Target, value: float, *, dtype: Any = None) -> Any:
    """One value everywhere."""
    shape, wanted = _described(target, dtype)
    return _given(target, shaping.full(shape, value, dtype=wanted))


def zeros(target: Target, *, dtype: Any = None) -> Any:
    """Zeros."""
    return constant(target, 0.0, dtype=dtype)


def ones(target: Target, *, dtype: Any = None) -> Any:
    """Ones."""
    return constant(target, 1.0, dtype=dtype)


def _variance(
    target: Target, variance: float, *, spread: str, generator: Generator | None = None, dtype: Any = None
) -> Any:
    """Numbers of mean 0 and this variance: uniform, or normal."""
    std = math.sqrt(variance)
    if spread == "normal":
        return normal(target, 0.0, std, generator=generator, dtype=dtype)
    bound = math.sqrt(3.0) * std
    return uniform(target, -bound, bound, generator=generator, dtype=dtype)


def _xavier(target: Target, gain: float, spread: str, generator: Generator | None, dtype: Any) -> Any:
    fan_in, fan_out = fans(_described(target, dtype)[0])
    variance = gain * gain * 2.0 / max(fan_in + fan_out, 1)
    return _variance(target, variance, spread=spread, generator=generator, dtype=dtype)


def xavier_uniform(target: Target, gain: float = 1.0, *, generator: Generator | None = None, dtype: Any = None) -> Any:
    r"""Uniform with variance :math:`2 g^2 / (\text{fan}_{in} + \text{fan}_{out})`.

    Glorot, Bengio (2010), equation 16.
    """
    return _xavier(target, gain, "uniform", generator, dtype)


def xavier_normal(target: Target, gain: float = 1.0, *, generator: Generator | None = None, dtype: Any = None) -> Any:
    r"""Normal with variance :math:`2 g^2 / (\text{fan}_{in} + \text{fan}_{out})`.

    Glorot, Bengio (2010), equation 12.
    """
    return _xavier(target, gain, "normal", generator, dtype)


def _kaiming(
    target: Target, a: float, mode: str, nonlinearity: str, spread: str, generator: Generator | None, dtype: Any
) -> Any:
    if mode not in ("fan_in", "fan_out"):
        raise RetrogradError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    fan = fans(_described(target, dtype)[0])[mode == "fan_out"]
    variance = calculate_gain(nonlinearity, a) ** 2 / max(fan, 1)
    return _variance(target, variance, spread=spread, generator=generator, dtype=dtype)


def kaiming_uniform(
    target: Target,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Generator | None = None,
    dtype: Any = None,
) -> Any:
    r"""Uniform with variance :math:`g^2 / \text{fan}`, where :math:`g^2 = 2 / (1 + a^2)` for a leaky rectifier.

    Args:
        a: the slope of the leaky rectifier below zero.
        mode: "fan_in" keeps the size of activations from layer to layer, "fan_out" that of gradients.
        nonlinearity: see `calculate_gain`.

    He, Zhang, Ren, Sun (2015), equations 10, 14 and 15.
    """
    return _kaiming(target, a, mode, nonlinearity, "uniform", generator, dtype)


def kaiming_normal(
    target: Target,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Generator | None = None,
    dtype: Any = None,
) -> Any:
    r"""Normal with variance :math:`g^2 / \text{fan}`; see `kaiming_uniform`."""
    return _kaiming(target, a, mode, nonlinearity, "normal", generator, dtype)


def lecun_uniform(target: Target, *, generator: Generator | None = None, dtype: Any = None) -> Any:
    r"""Uniform with variance :math:`1 / \text{fan}_{in}`. LeCun, Bottou, Orr, Müller (1998), equation 16."""
    return _kaiming(target, 0.0, "fan_in", "linear", "uniform", generator, dtype)


def lecun_normal(target: Target, *, generator: Generator | None = None, dtype: Any = None) -> Any:
    r"""Normal with variance :math:`1 / \text{fan}_{in}`; see `lecun_uniform`."""
    return _kaiming(target, 0.0, "fan_in", "linear", "normal", generator, dtype)


def orthogonal(target: Target, gain: float = 1.0, *, generator: Generator | None = None, dtype: Any = None) -> Any:
    r"""A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`; uniform among them.

    Axes behind the first count as one. The matrix is Q of the QR decomposition of a normal matrix, with the signs that
    make the diagonal of R positive. Saxe, McClelland, Ganguli (2014), section 3; Mezzadri (2007) for the signs.
    """
    shape, wanted = _described(target, dtype)
    rows, columns = shape[0] if shape else 0, math.prod(shape[1:])
    fans(shape)
    draws = random.normal((max(rows, columns), min(rows, columns)), generator=generator, dtype="float64")
    q, r = np.linalg.qr(concrete(draws, "orthogonal decomposes numbers on the host"))
    q = q * np.where(np.diagonal(r) < 0.0, -1.0, 1.0)
    matrix = q if rows >= columns else q.T
    return _given(target, face((gain * matrix).reshape(shape).astype(wanted)))


glorot_uniform, glorot_normal = xavier_uniform, xavier_normal
he_uniform, he_normal = kaiming_uniform, kaiming_normal

__all__ = [
    "calculate_gain", "constant", "fans", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform",
    "kaiming_normal", "kaiming_uniform", "lecun_normal", "lecun_uniform", "normal", "ones", "orthogonal", "uniform",
    "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip
