"""Comparison, logic, and choosing by a condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrograd.core.types import ArrayType
from retrograd.errors import DTypeError
from retrograd.primitives.families import Pointwise, broadcast_shapes, pointwise, same_dtype


class _Comparison(Pointwise):
    arity, returns, differentiable = 2, "bool", False

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        x = rng.integers(-2, 3, size=(3, 4)).astype(float)
        yield x, rng.integers(-2, 3, size=(3, 4)).astype(float)
        yield x, rng.integers(-2, 3, size=(4,)).astype(float)
        yield rng.integers(-2, 3, size=(3, 4)), rng.integers(-2, 3, size=(3, 1))


@pointwise
class EQUAL(_Comparison):
    r"""Equality. :math:`y = [x_1 = x_2]`; NaN equals nothing. No derivative."""

    name, formula, evaluate = "equal", "x == y", staticmethod(np.equal)
    commutative = True


@pointwise
class NOT_EQUAL(_Comparison):
    r"""Inequality. :math:`y = [x_1 \ne x_2]`; NaN differs from everything. No derivative."""

    name, formula, evaluate = "not_equal", "x != y", staticmethod(np.not_equal)
    commutative = True


@pointwise
class LESS(_Comparison):
    r"""Less than. :math:`y = [x_1 < x_2]`. No derivative."""

    name, formula, evaluate = "less", "x < y", staticmethod(np.less)


@pointwise
class LESS_EQUAL(_Comparison):
    r"""Less than or equal. :math:`y = [x_1 \le x_2]`. No derivative."""

    name, formula, evaluate = "less_equal", "x <= y", staticmethod(np.less_equal)


@pointwise
class GREATER(_Comparison):
    r"""Greater than. :math:`y = [x_1 > x_2]`. No derivative."""

    name, formula, evaluate = "greater", "x > y", staticmethod(np.greater)


@pointwise
class GREATER_EQUAL(_Comparison):
    r"""Greater than or equal. :math:`y = [x_1 \ge x_2]`. No derivative."""

    name, formula, evaluate = "greater_equal", "x >= y", staticmethod(np.greater_equal)


class _Logic(Pointwise):
    arity, returns, differentiable = 2, "bool", False

    def infer(self, *types: ArrayType) -> ArrayType:
        if any(t.dtype.kind != "b" for t in types):
            raise DTypeError(f"{self.name} needs booleans, got {', '.join(map(str, types))}")
        return super().infer(*types)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield tuple(rng.integers(0, 2, size=(3, 4)).astype(bool) for _ in range(self.arity))
        yield tuple(rng.integers(0, 2, size=shape).astype(bool) for shape in ((3, 1), (4,))[: self.arity])


@pointwise
class LOGICAL_AND(_Logic):
    r"""Conjunction. :math:`y = x_1 \wedge x_2`. No derivative."""

    name, formula, evaluate = "logical_and", "x and y", staticmethod(np.logical_and)
    commutative = True


@pointwise
class LOGICAL_OR(_Logic):
    r"""Disjunction. :math:`y = x_1 \vee x_2`. No derivative."""

    name, formula, evaluate = "logical_or", "x or y", staticmethod(np.logical_or)
    commutative = True


@pointwise
class LOGICAL_NOT(_Logic):
    r"""Negation. :math:`y = \neg x`. No derivative."""

    name, arity, formula, evaluate = "logical_not", 1, "not x", staticmethod(np.logical_not)


@pointwise
class WHERE(Pointwise):
    r"""Selection by a condition.

    .. math:: y = c \;?\; x_1 : x_2, \qquad \bar x_1 = c \;?\; \bar y : 0, \quad \bar x_2 = c \;?\; 0 : \bar y

    The cotangent is routed by selection: what the branch not taken would have made of it never appears.
    """

    name, arity, formula = "where", 3, "x ? y : z"
    evaluate = staticmethod(np.where)

    def routes(self, k: Any, v: Any, x: Any, y: Any, z: Any, *, out: Any) -> Sequence[Any]:
        return None, lambda: k.where(x, v, 0.0), lambda: k.where(x, 0.0, v)

    def infer(self, *types: ArrayType) -> ArrayType:
        if types[0].dtype.kind != "b":
            raise DTypeError(f"where needs a boolean condition, got {types[0]}")
        dtype, weak = same_dtype(self.name, types[1:])
        shape = broadcast_shapes(*[t.shape for t in types])
        return ArrayType(shape, dtype, weak and types[0].weak and not shape)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        c = rng.integers(0, 2, size=(3, 2)).astype(bool)
        yield c, rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
        yield c[:, :1], rng.normal(size=(2,)), rng.normal(size=(3, 1))


@pointwise
class CLIP(Pointwise):
    r"""Limit to an interval.

    .. math:: y = \min(\max(x_1, x_2), x_3), \qquad \bar x_1 = \bar y\,[x_2 \le x_1 \le x_3]

    The bounds get the cotangent where they are the value. Kink.  At a bound the cotangent goes to :math:`x_1`.
    """

    name, arity, formula = "clip", 3, "min(max(x, y), z)"

    def evaluate(self, x: Any, y: Any, z: Any) -> Any:
        return np.minimum(np.maximum(x, y), z)

    def kernel(self, k: Any, x: Any, y: Any, z: Any) -> Any:
        return k.minimum(k.maximum(x, y), z)

    def routes(self, k: Any, v: Any, x: Any, y: Any, z: Any, *, out: Any) -> Sequence[Any]:
        return (
            lambda: k.where(x < y, 0.0, k.where(x > z, 0.0, v)),
            lambda: k.where(x < y, k.where(y > z, 0.0, v), 0.0),
            lambda: k.where(k.maximum(x, y) > z, v, 0.0),
        )

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield np.array([[-2.0, 0.3], [0.1, 3.0], [-0.4, -1.7]]), np.full((3, 2), -1.0), np.full((3, 2), 1.0)
        yield np.array([-2.0, 0.3, 5.0]), np.array(-1.0), np.array([1.0, 2.0, 3.0])

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        x, low, high = [1.0, 2.0, 1.0, 0.0, 5.0], [1.0, 0.0, 1.0, 3.0, 3.0], [2.0, 2.0, 1.0, 2.0, 2.0]
        # at a bound, at both; low above high: the value is high's
        yield (x, low, high), ([1.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0])
