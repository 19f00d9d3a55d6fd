"""Activations: logistic sigmoid, softplus, error function, rectifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from retrograd.primitives.exponential import Real
from retrograd.primitives.families import pointwise


@pointwise
class SIGMOID(Real):
    r"""Logistic sigmoid.

    .. math:: y = \frac{1}{1 + e^{-x}}, \qquad \bar x = \bar y\, y (1 - y)

    Derivation.  :math:`y' = e^{-x} / (1 + e^{-x})^2 = y \cdot e^{-x}/(1 + e^{-x}) = y (1 - y)`.
    Numerics.  Only :math:`e^{-|x|}` is formed, so nothing overflows and small values keep their precision.
    """

    name, formula = "sigmoid", "1 / (1 + exp(-x))"

    def evaluate(self, x: Any) -> Any:
        e = np.exp(-np.abs(x))
        return np.where(np.less(x, 0), e, 1.0) / (1.0 + e)

    def kernel(self, k: Any, x: Any) -> Any:
        e = k.exp(-k.absolute(x))
        return k.where(x < 0.0, e, 1.0) / (1.0 + e)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (out * (1.0 - out),)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([0.0, 1e3, -1e3, np.inf, -np.inf],), ([0.25, 0.0, 0.0, 0.0, 0.0],)


@pointwise
class SOFTPLUS(Real):
    r"""Softplus, the smooth rectifier.

    .. math:: y = \ln(1 + e^x), \qquad \bar x = \bar y\, \sigma(x)
    """

    name, formula = "softplus", "log(1 + exp(x))"

    def evaluate(self, x: Any) -> Any:
        return np.logaddexp(x, np.zeros((), np.asarray(x).dtype))

    def kernel(self, k: Any, x: Any) -> Any:
        return k.maximum(x, 0.0) + k.log1p(k.exp(-k.absolute(x)))

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (k.sigmoid(x),)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([0.0, 1e3, -1e3, np.inf, -np.inf],), ([0.5, 1.0, 0.0, 1.0, 0.0],)


@cache
def _erf() -> Any:
    from scipy.special import erf  # scipy costs 0.1 s to import; NumPy has no error function

    return erf


@pointwise
class ERF(Real):
    r"""Error function.

    .. math:: y = \frac{2}{\sqrt\pi} \int_0^x e^{-t^2}\,dt, \qquad \bar x = \bar y\, \frac{2}{\sqrt\pi} e^{-x^2}
    """

    name, formula = "erf", "erf(x)"

    def evaluate(self, x: Any) -> Any:
        return _erf()(x)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (1.1283791670955126 * k.exp(-(x * x)),)


@pointwise
class RELU(Real):
    r"""Rectifier.

    .. math:: y = \max(x, 0), \qquad \bar x = \bar y\,[x > 0]

    Kink.  At 0 the derivative is taken as 0. The cotangent is routed by selection; NaN stays NaN.
    """

    name, formula, takes = "relu", "max(x, 0)", "iuf"

    def evaluate(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def kernel(self, k: Any, x: Any) -> Any:
        return k.maximum(x, 0)

    def routes(self, k: Any, v: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (k.where(out > 0.0, v, 0.0),)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        for (x,) in super().samples(rng):
            yield (np.where(np.abs(x) < 0.1, 0.5, x),)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([0.0, -0.0, np.inf, -np.inf, np.nan],), ([0.0, 0.0, 1.0, 0.0, 0.0],)
