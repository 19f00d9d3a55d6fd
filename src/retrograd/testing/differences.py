r"""Derivatives from values alone: the five-point stencil.

.. math:: f'(x) = \frac{f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)}{12 h} + \frac{h^4}{30} f^{(5)}(\xi)

With :math:`h = 2^{-9}` both the truncation and the rounding are near :math:`10^{-13}` for a function whose values and
derivatives are near one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Function = Callable[[Sequence[Any]], Sequence[Any]]
STEP = 2.0**-9
POINTS = ((-2, 1.0), (-1, -8.0), (1, 8.0), (2, -1.0))


def along(f: Function, xs: Sequence[Any], vs: Sequence[Any], step: float = STEP) -> list[np.ndarray]:
    """The derivative of every output of `f` at `xs` in the direction `vs`."""
    total: list[Any] = []
    for place, weight in POINTS:
        outs = f([np.asarray(x + (place * step) * v) for x, v in zip(xs, vs, strict=True)])
        terms = [weight * np.asarray(o, np.float64) for o in outs]
        total = [t + u for t, u in zip(total, terms, strict=True)] if total else terms
    return [t / (12 * step) for t in total]


def jacobian(f: Function, xs: Sequence[Any], i: int, step: float = STEP) -> list[np.ndarray]:
    """For every output of `f` its derivative with respect to ``xs[i]``: shape ``(*output, *input)``."""
    outs = f(xs)
    x = np.asarray(xs[i])
    columns = [np.zeros((np.size(o), x.size)) for o in outs]
    for e in range(x.size):
        unit = np.zeros(x.size, x.dtype)
        unit[e] = 1
        vs = [unit.reshape(x.shape) if j == i else np.zeros_like(y) for j, y in enumerate(xs)]
        for column, d in zip(columns, along(f, xs, vs, step), strict=True):
            column[:, e] = d.reshape(-1)
    return [c.reshape((*np.shape(o), *x.shape)) for c, o in zip(columns, outs, strict=True)]
