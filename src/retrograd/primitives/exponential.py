"""Exponentials, logarithms, roots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrograd.primitives.families import Pointwise, pointwise


class Real(Pointwise):
    """Sampled on a box of the real line."""

    low, high, takes = -2.0, 2.0, "f"

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.uniform(self.low, self.high, size=(3, 2)),)
        yield (rng.uniform(self.low, self.high, size=()),)


@pointwise
class EXP(Real):
    r"""Exponential.

    .. math:: y = e^x, \qquad \bar x = \bar y\, y
    """

    name, formula, evaluate = "exp", "exp(x)", staticmethod(np.exp)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (out,)


@pointwise
class EXPM1(Real):
    r"""Exponential minus one, accurate near 0.

    .. math:: y = e^x - 1, \qquad \bar x = \bar y\, (y + 1)
    """

    name, formula, evaluate = "expm1", "exp(x) - 1", staticmethod(np.expm1)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (out + 1.0,)


@pointwise
class LOG(Real):
    r"""Natural logarithm; :math:`-\infty` at 0, NaN below.

    .. math:: y = \ln x, \qquad \bar x = \bar y / x
    """

    name, formula, evaluate = "log", "log(x)", staticmethod(np.log)
    low, high = 0.3, 3.0

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (1.0 / x,)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([0.0, np.inf],), ([np.inf, 0.0],)


@pointwise
class LOG1P(Real):
    r"""Logarithm of one plus x, accurate near 0.

    .. math:: y = \ln(1 + x), \qquad \bar x = \bar y / (1 + x)
    """

    name, formula, evaluate = "log1p", "log(1 + x)", staticmethod(np.log1p)
    low, high = -0.6, 2.0

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (1.0 / (1.0 + x),)


@pointwise
class SQRT(Real):
    r"""Square root; NaN below 0.

    .. math:: y = \sqrt x, \qquad \bar x = \bar y / (2 y)

    The derivative at 0 is infinite: to differentiate a norm at 0, keep the root away from it.
    """

    name, formula, evaluate = "sqrt", "sqrt(x)", staticmethod(np.sqrt)
    low, high = 0.3, 3.0

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (0.5 / out,)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([0.0, 4.0, np.inf, -1.0],), ([np.inf, 0.25, 0.0, np.nan],)


@pointwise
class RSQRT(Real):
    r"""Reciprocal of the square root; infinite at 0, NaN below.

    .. math:: y = 1 / \sqrt x, \qquad \bar x = -\bar y\, y / (2 x)

    Derivation.  :math:`\partial x^{-1/2} / \partial x = -\tfrac12 x^{-1/2} / x`.
    """

    name, formula = "rsqrt", "1 / sqrt(x)"
    low, high = 0.6, 3.0

    def evaluate(self, x: Any) -> Any:
        return 1 / np.sqrt(x)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (-0.5 * out / x,)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([0.0, 4.0, np.inf, -1.0],), ([-np.inf, -0.0625, 0.0, np.nan],)
