"""Sums, products, powers; the larger and the smaller; conversions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply1
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.errors import DTypeError
from retrograd.primitives.families import ByShape, Pointwise, pointwise, strong


def _pairs(rng: Any) -> Iterator[tuple[Any, ...]]:
    yield rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    yield rng.normal(size=(2, 1, 3)), rng.normal(size=(4, 1))
    yield rng.normal(size=()), rng.normal(size=3)


@pointwise
class ADD(Pointwise):
    r"""Sum.

    .. math:: y = x_1 + x_2, \qquad \bar x_1 = \bar y, \quad \bar x_2 = \bar y
    """

    name, arity, formula = "add", 2, "x + y"
    commutative = True
    evaluate = staticmethod(np.add)

    def partials(self, k: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        return 1, 1

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        return _pairs(rng)


@pointwise
class SUBTRACT(Pointwise):
    r"""Difference.

    .. math:: y = x_1 - x_2, \qquad \bar x_1 = \bar y, \quad \bar x_2 = -\bar y
    """

    name, arity, formula, takes = "subtract", 2, "x - y", "iuf"
    evaluate = staticmethod(np.subtract)

    def partials(self, k: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        return 1, -1

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        return _pairs(rng)


@pointwise
class MULTIPLY(Pointwise):
    r"""Product.

    .. math:: y = x_1 x_2, \qquad \bar x_1 = \bar y\, x_2, \quad \bar x_2 = \bar y\, x_1
    """

    name, arity, formula = "multiply", 2, "x * y"
    commutative = True
    evaluate = staticmethod(np.multiply)

    def partials(self, k: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        return y, x

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        return _pairs(rng)


@pointwise
class DIVIDE(Pointwise):
    r"""Quotient.

    .. math:: y = x_1 / x_2, \qquad \bar x_1 = \bar y / x_2, \quad \bar x_2 = -\bar y\, y / x_2

    Derivation.  :math:`\partial (x_1 x_2^{-1}) / \partial x_2 = -x_1 x_2^{-2} = -y / x_2`.
    """

    name, arity, formula, takes = "divide", 2, "x / y", "f"
    evaluate = staticmethod(np.true_divide)

    def partials(self, k: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        return lambda: 1 / y, lambda: -out / y

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        for x, y in _pairs(rng):
            yield x, np.where(np.abs(y) < 0.5, y + np.copysign(0.5, y), y)


@pointwise
class NEGATIVE(Pointwise):
    r"""Negation.

    .. math:: y = -x, \qquad \bar x = -\bar y
    """

    name, formula, takes = "negative", "-x", "iuf"
    evaluate = staticmethod(np.negative)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (-1,)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=(3, 2)),)
        yield (rng.normal(size=()),)


@pointwise
class SIGN(Pointwise):
    r"""Sign: -1, 0 or 1 (NaN of NaN); constant almost everywhere.

    .. math:: y = \operatorname{sign} x, \qquad \bar x = 0
    """

    name, formula, takes = "sign", "sign(x)", "iuf"
    evaluate = staticmethod(np.sign)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (None,)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=(3, 2)),)


@pointwise
class ABSOLUTE(Pointwise):
    r"""Absolute value.

    .. math:: y = |x|, \qquad \bar x = \bar y \operatorname{sign} x

    Kink.  At 0 the derivative is taken as 0, the middle of the subdifferential [-1, 1].
    """

    name, formula = "absolute", "|x|"
    evaluate = staticmethod(np.absolute)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        return (k.sign(x),)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        x = rng.normal(size=(3, 2))
        yield (np.where(np.abs(x) < 0.1, 0.5, x),)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        yield ([0.0, -0.0, np.inf, -np.inf],), ([0.0, 0.0, 1.0, -1.0],)


def _apart(rng: Any) -> Iterator[tuple[Any, ...]]:
    for x, y in _pairs(rng):
        yield np.where(np.abs(x - y) < 0.1, y + 0.5, x) if x.shape == y.shape else x, y


@pointwise
class MAXIMUM(Pointwise):
    r"""The larger of two; NaN if either is.

    .. math:: y = \max(x_1, x_2), \qquad \bar x_1 = \bar y\,[x_1 > x_2] + \tfrac12 \bar y\,[x_1 = x_2]

    Kink.  Equal arguments share the cotangent evenly. It is routed by selection.
    """

    name, arity, formula = "maximum", 2, "max(x, y)"
    evaluate = staticmethod(np.maximum)

    def routes(self, k: Any, v: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        def half() -> Any:
            return k.where(k.equal(x, y), 0.5 * v, 0.0)

        return lambda: k.where(x > y, v, half()), lambda: k.where(y > x, v, half())

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        return _apart(rng)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        x, y = [1.0, 0.0, np.inf, -np.inf, np.nan, 3.0], [1.0, -0.0, np.inf, -np.inf, 1.0, 2.0]
        yield (x, y), ([0.5, 0.5, 0.5, 0.5, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5, 0.0, 0.0])


@pointwise
class MINIMUM(Pointwise):
    r"""The smaller of two; NaN if either is.

    .. math:: y = \min(x_1, x_2), \qquad \bar x_1 = \bar y\,[x_1 < x_2] + \tfrac12 \bar y\,[x_1 = x_2]

    Kink.  Equal arguments share the cotangent evenly. It is routed by selection.
    """

    name, arity, formula = "minimum", 2, "min(x, y)"
    evaluate = staticmethod(np.minimum)

    def routes(self, k: Any, v: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        def half() -> Any:
            return k.where(k.equal(x, y), 0.5 * v, 0.0)

        return lambda: k.where(x < y, v, half()), lambda: k.where(y < x, v, half())

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        return _apart(rng)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        x, y = [1.0, 0.0, np.inf, -np.inf, np.nan, 2.0], [1.0, -0.0, np.inf, -np.inf, 1.0, 3.0]
        yield (x, y), ([0.5, 0.5, 0.5, 0.5, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5, 0.0, 0.0])


@pointwise
class POWER(Pointwise):
    r"""Power with a real exponent.

    .. math:: y = x_1^{x_2}, \qquad \bar x_1 = \bar y\, x_2\, x_1^{x_2 - 1}, \quad \bar x_2 = \bar y\, y \ln x_1

    Derivation.  :math:`y = e^{x_2 \ln x_1}`; differentiate with respect to either.
    Numerics.  Where base and exponent are 0 the first factor is 0, not :math:`0 \cdot \infty`; where the base is 0 the
    second is :math:`0^{x_2}` times 0.
    """

    name, arity, formula, takes = "power", 2, "x ** y", "iuf"
    evaluate = staticmethod(np.power)

    def partials(self, k: Any, x: Any, y: Any, *, out: Any) -> Sequence[Any]:
        def base() -> Any:
            both = k.logical_and(k.equal(x, 0.0), k.equal(y, 0.0))
            return y * k.power(k.where(both, 1.0, x), y - 1.0)

        def exponent() -> Any:
            return out * k.log(k.where(k.equal(x, 0.0), 1.0, x))

        return base, exponent

    # Both factors compute with one argument alone: a Python scalar would become a float64 there.
    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return super().keep(strong(values, out.dtype), out)

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        return super().pushforward(k, strong(args, out.dtype), tangents, out)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield rng.uniform(0.5, 2, size=(3, 2)), np.array([[0.0, 1.0], [2.0, 0.7], [2.4, 0.3]])
        yield rng.uniform(0.5, 2, size=(2, 1)), rng.uniform(-2, 3, size=3)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        x, y = [0.0, 0.0, 0.0, 0.0, -2.0, -2.0], [0.0, 1.0, 2.0, 0.5, 3.0, 0.0]
        yield (x, y), ([0.0, 1.0, 0.0, np.inf, 12.0, 0.0], [0.0, 0.0, 0.0, 0.0, np.nan, np.nan])


@dataclass(frozen=True)
class IntegerPower(Pointwise):
    r"""Power with a fixed integer exponent :math:`n`: any base, differentiable to any order at 0.

    .. math:: y = x^n, \qquad \bar x = \bar y\, n\, x^{n-1}
    """

    n: int
    name, formula, derivative, takes = "integer_power", "x ** n", "ct * n * x ** (n - 1)", "iuf"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for n in (0, 1, 2, 3, 5, -1, -2):
            yield cls.of(n)

    def evaluate(self, x: Any) -> Any:
        return x**self.n

    def kernel(self, k: Any, x: Any) -> Any:
        powers = {
            1: lambda: x,
            2: lambda: x * x,
            3: lambda: x * x * x,
            -1: lambda: 1 / x,
            -2: lambda: (1 / x) * (1 / x),
        }
        return powers[self.n]() if self.n in powers else k.power(x, self.n)

    def partials(self, k: Any, x: Any, *, out: Any) -> Sequence[Any]:
        n = self.n
        if n in (0, 1):
            return (1 if n else None,)
        return (2 * x,) if n == 2 else (lambda: n * x ** (n - 1),)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        x = rng.normal(size=(3, 2))
        yield (np.where(np.abs(x) < 0.8, np.copysign(1.1, x), x),)

    def infer(self, *types: ArrayType) -> ArrayType:
        if types[0].dtype.kind in "iub" and self.n < 0:
            raise DTypeError(f"integers to the power {self.n}; convert to floats first")
        return super().infer(*types)


@dataclass(frozen=True)
class Convert(ByShape):
    r"""Conversion to another dtype.

    .. math:: y = x, \qquad \bar x = \bar y

    The cotangent is converted back; from or to integers and booleans there is none.
    """

    dtype: np.dtype
    name, formula, derivative = "convert", "x.astype(dtype)", "ct.astype(x.dtype)"
    takes_scalars = True
    linear = (0,)

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for dtype in ("float64", "float32", "int64", "bool"):
            yield cls.of(np.dtype(dtype))

    @property
    def differentiable(self) -> bool:
        return self.dtype.kind == "f"

    def evaluate(self, x: Any) -> Any:
        return np.asarray(x).astype(self.dtype)

    def infer(self, *types: ArrayType) -> ArrayType:
        return ArrayType(types[0].shape, self.dtype)

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        return apply1(Convert.of(args[0].dtype), ct) if args[0].dtype.kind == "f" else None

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(self, args[0])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.integers(-8, 9, size=(3, 2)) / 8.0,)  # exact in float32 too
        yield (rng.integers(-8, 9, size=()),)


@pointwise
class STOP_GRADIENT(Pointwise):
    r"""The identity, and a constant to every derivative.

    .. math:: y = x, \qquad \bar x = 0
    """

    name, formula, differentiable = "stop_gradient", "x", False

    def evaluate(self, x: Any) -> Any:
        return np.asarray(x)

    def kernel(self, k: Any, x: Any) -> Any:
        return x

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=(3, 2)),)
