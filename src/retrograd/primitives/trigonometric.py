"""Sine, cosine, hyperbolic tangent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrograd.primitives.exponential import Real
from retrograd.primitives.families import pointwise


@pointwise
class SIN(Real):
    r"""Sine.

    .. math:: y = \sin x, \qquad \bar x = \bar y \cos x
    """

    name, formula, evaluate = "sin", "sin(x)", staticmethod(np.sin)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (k.cos(x),)


@pointwise
class COS(Real):
    r"""Cosine.

    .. math:: y = \cos x, \qquad \bar x = -\bar y \sin x
    """

    name, formula, evaluate = "cos", "cos(x)", staticmethod(np.cos)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (-k.sin(x),)


@pointwise
class TANH(Real):
    r"""Hyperbolic tangent.

    .. math:: y = \tanh x, \qquad \bar x = \bar y\,(1 - y^2)

    Derivation.  :math:`y = \sinh x / \cosh x`, so :math:`y' = (\cosh^2 x - \sinh^2 x)/\cosh^2 x = 1 - y^2`.
    Numerics.  Once :math:`y` has rounded to :math:`\pm 1` the derivative is exactly 0.
    """

    name, formula, evaluate = "tanh", "tanh(x)", staticmethod(np.tanh)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (1.0 - out * out,)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([0.0, 1e3, -1e3, np.inf],), ([1.0, 0.0, 0.0, 0.0],)
