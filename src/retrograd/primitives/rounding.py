"""Rounding to whole numbers, and division with a remainder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrograd.primitives.families import Pointwise, pointwise


class _Rounding(Pointwise):
    """Constant between its jumps; at a jump the derivative is taken as 0 too."""

    takes = "f"

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (None,)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        # Thirds and quarters of either sign: no way of rounding agrees with another on all of them.
        yield (rng.permutation(np.array([-2.75, -1.25, -0.3, 0.3, 1.25, 2.75])).reshape(3, 2),)
        yield (rng.uniform(0.6, 0.9, size=()),)
        yield (np.zeros((2, 0)),)


@pointwise
class FLOOR(_Rounding):
    r"""Down to a whole number.

    .. math:: y = \lfloor x \rfloor, \qquad \bar x = 0
    """

    name, formula, evaluate = "floor", "floor(x)", staticmethod(np.floor)


@pointwise
class CEIL(_Rounding):
    r"""Up to a whole number.

    .. math:: y = \lceil x \rceil, \qquad \bar x = 0
    """

    name, formula, evaluate = "ceil", "ceil(x)", staticmethod(np.ceil)


@pointwise
class TRUNC(_Rounding):
    r"""Towards zero to a whole number.

    .. math:: y = \operatorname{sign}(x) \lfloor |x| \rfloor, \qquad \bar x = 0
    """

    name, formula, evaluate = "trunc", "trunc(x)", staticmethod(np.trunc)


@pointwise
class ROUND(_Rounding):
    r"""To the nearest whole number, halves to the even one (IEEE 754's roundTiesToEven).

    .. math:: y = \operatorname{round} x, \qquad \bar x = 0
    """

    name, formula, evaluate = "round", "round(x)", staticmethod(np.rint)


class _Division(Pointwise):
    arity, takes = 2, "iuf"

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        """Quotients of either sign, away from whole numbers."""

        def quotients(shape: tuple[int, ...]) -> Any:
            return rng.integers(-4, 4, size=shape) + rng.uniform(0.2, 0.8, size=shape)

        y = rng.uniform(0.8, 2.0, size=(3, 2)) * np.array([1.0, -1.0])
        yield quotients((3, 2)) * y, y
        y = rng.uniform(0.8, 2.0, size=(3, 1)) * np.array([[-1.0], [1.0], [-1.0]])
        yield quotients((1,)) * y, y
        yield quotients((3,)) * 1.5, np.array(1.5)


@pointwise
class FLOOR_DIVIDE(_Division):
    r"""Quotient, down to a whole number.

    .. math:: y = \lfloor x_1 / x_2 \rfloor, \qquad \bar x_1 = 0, \quad \bar x_2 = 0

    Numerics.  It is computed from the remainder, which is exact, as Python and NumPy do: :math:`1 / 0.1` is 10, yet 9
    tenths fit into 1, for the double 0.1 is a little more than a tenth. An integer divided by 0 gives 0; so does NumPy.
    """

    name, formula, evaluate = "floor_divide", "floor(x / y)", staticmethod(np.floor_divide)

    def partials(self, k: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        return None, None


@pointwise
class REMAINDER(_Division):
    r"""What a division leaves, with the sign of the divisor: Python's ``%``.

    .. math:: y = x_1 - x_2 \lfloor x_1 / x_2 \rfloor, \qquad
        \bar x_1 = \bar y, \quad \bar x_2 = -\bar y \lfloor x_1 / x_2 \rfloor

    Derivation.  Between its jumps the quotient is constant.
    Kink.  At a jump the derivatives are those on the side where the quotient is larger.
    Numerics.  Exact, but for one rounding where the signs differ. By 0 it is NaN, of integers 0; so is NumPy's.
    """

    name, formula, evaluate = "remainder", "x - y * floor(x / y)", staticmethod(np.remainder)

    def partials(self, k: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        return 1, lambda: -k.floor_divide(x, y)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        x, y = [6.0, -6.0, 6.0, 0.0, 5.0, 1.0], [3.0, 3.0, -3.0, 2.0, np.inf, 0.1]
        yield (x, y), ([1.0] * 6, [-2.0, 2.0, 2.0, 0.0, 0.0, -9.0])


@pointwise
class FMOD(_Division):
    r"""What a division leaves, with the sign of the dividend: C's ``fmod``.

    .. math:: y = x_1 - x_2 \operatorname{trunc}(x_1 / x_2), \qquad
        \bar x_1 = \bar y, \quad \bar x_2 = -\bar y \operatorname{trunc}(x_1 / x_2)

    Derivation.  Between its jumps the quotient is constant. As :math:`(x_1 - y) / x_2` it is the one that belongs to
    this remainder; :math:`\operatorname{trunc}(x_1 / x_2)` is not where the division was rounded up to a whole number.
    Kink.  At a jump the derivatives are those on the side where the quotient is larger in size.
    Numerics.  Exact. By 0 it is NaN, of integers 0; so is NumPy's.
    """

    name, formula, evaluate = "fmod", "x - y * trunc(x / y)", staticmethod(np.fmod)

    def partials(self, k: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        return 1, lambda: (out - x) / y

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        x, y = [6.0, -6.0, 6.0, 0.0, 5.0, 1.0], [3.0, 3.0, -3.0, 2.0, np.inf, 0.1]
        yield (x, y), ([1.0] * 6, [-2.0, 2.0, 2.0, 0.0, 0.0, -9.0])
