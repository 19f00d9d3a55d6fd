"""Running sums and products along an axis, the linear recurrence behind their derivatives, and products over axes.

Nothing here divides: the derivative of a product by one factor is the product of the others, also where factors are 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply1, apply2
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType, Outline
from retrograd.errors import DTypeError, ShapeError
from retrograd.primitives.families import ByShape, broadcast_to, lead, same_dtype, scalar
from retrograd.primitives.movement import Concatenate, Reshape, Slice, Transpose
from retrograd.primitives.reduction import Reduction, reduced


def neighbours(x: Any, axis: int, backwards: bool, first: float) -> Any:
    """For each place along an axis the element before it (if `backwards`, after it); `first` where there is none."""
    shape = tuple(x.shape)
    n = shape[axis]
    if not n:
        return x
    starts = tuple(int(backwards) if a == axis else 0 for a in range(len(shape)))
    lengths = tuple(n - 1 if a == axis else m for a, m in enumerate(shape))
    rest = apply1(Slice.of(starts, lengths, (1,) * len(shape)), x)
    edge = broadcast_to(scalar(first, x.dtype), tuple(1 if a == axis else m for a, m in enumerate(shape)))
    return apply2(Concatenate.of(axis), *((rest, edge) if backwards else (edge, rest)))


def with_zeros(rng: Any, lanes: int, n: int, zeros: int) -> Any:
    """Rows of `n` factors of sizes around one; the first row has some zeros among them."""
    x = np.exp(rng.uniform(-0.3, 0.3, (lanes, n))) * rng.choice((-1.0, 1.0), (lanes, n))
    x[0, rng.permutation(n)[:zeros]] = 0.0
    return x


class Cumulative(Primitive):
    """Along ``axis``, from its beginning or, with ``backwards``, from its end."""

    axis: int
    backwards: bool

    @property
    def written_out(self) -> str:
        return f"{self.formula[:-1]}, from the end)" if self.backwards else self.formula

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for axis, backwards in ((0, False), (1, False), (0, True), (1, True)):
            yield cls.of(axis, backwards)

    def along(self, x: Any) -> Any:
        """A view of an ndarray with the axis first, in the direction in which it is gone through."""
        moved = np.moveaxis(np.asarray(x), self.axis, 0)
        return moved[::-1] if self.backwards else moved

    def infer(self, *types: ArrayType) -> ArrayType:
        dtype, _ = same_dtype(self.name, types)
        shape = types[0].shape
        if self.axis >= len(shape) or any(t.shape != shape for t in types):
            raise ShapeError(f"{self.name} along axis {self.axis} of {' and '.join(str(t.shape) for t in types)}")
        return ArrayType(shape, dtype)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(type(self).of(self.axis + 1, self.backwards), args[0])


@dataclass(frozen=True)
class CumulativeSum(ByShape, Cumulative):
    r"""Running sums along an axis, one addition after another.

    .. math:: y_k = \sum_{i \le k} x_i, \qquad \bar x_i = \sum_{k \ge i} \bar y_k

    The transpose of summing from the beginning is summing from the end.
    """

    axis: int
    backwards: bool = False
    name, formula, derivative = "cumulative_sum", "cumsum(x, axis)", "running sums of ct from the other end"
    linear = (0,)

    def evaluate(self, x: Any) -> Any:
        out = np.empty(x.shape, x.dtype)
        np.add.accumulate(self.along(x), axis=0, dtype=x.dtype, out=self.along(out))
        return out

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        return apply1(CumulativeSum.of(self.axis, not self.backwards), ct)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=(4, 3)),)
        yield (rng.normal(size=(1, 2, 2)),)
        yield (np.zeros((2, 0)),)


@dataclass(frozen=True)
class LinearRecurrence(Cumulative):
    r"""Along an axis, each value is a multiple of the one before it, and something more.

    .. math::
        y_k = a_k\, y_{k-1} + b_k, \qquad y_0 = b_0, \qquad
        \bar b_k = \bar y_k + a_{k+1}\, \bar b_{k+1}, \qquad \bar a_k = \bar b_k\, y_{k-1}

    What pulls on :math:`b_k` is what pulls on :math:`y_k` itself, and what pulls on :math:`y_{k+1}` through it: the
    same recurrence from the other end.

    Kink.  There is none; but the first factor :math:`a_0` is never looked at, so that it may be infinite.
    """

    axis: int
    backwards: bool = False
    name, formula = "linear_recurrence", "linear_recurrence(a, b, axis)"
    derivative = (
        "out[k-1] * s[k], where s[k] = ct[k] + a[k+1] * s[k+1],  ct[k] + a[k+1] * the same of k+1, from the other end"
    )
    operands = ("a", "b")

    def evaluate(self, a: Any, b: Any) -> Any:
        out = np.array(b)
        factors, steps = self.along(a), self.along(out)
        for k in range(1, len(steps)):
            steps[k] += factors[k] * steps[k - 1]
        return out

    def infer(self, *types: ArrayType) -> ArrayType:
        found = super().infer(*types)
        if not found.is_float:
            raise DTypeError(f"{self.name} of {found}: convert to floats first")
        return found

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return [values[0], Outline(values[1])], out

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        following = neighbours(args[0], self.axis, not self.backwards, 0.0)
        pulled = apply2(LinearRecurrence.of(self.axis, not self.backwards), following, ct)
        return lambda: pulled * neighbours(out, self.axis, self.backwards, 0.0), pulled

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        a, b = (lead(v, is_batched, size) for v, is_batched in zip(args, batched, strict=True))
        return apply2(LinearRecurrence.of(self.axis + 1, self.backwards), a, b)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        for shape in ((4, 3), (1, 3)):
            yield rng.uniform(-1, 1, shape), rng.normal(size=shape)
        yield np.zeros((2, 0)), np.zeros((2, 0))

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        if (self.axis, self.backwards) == (0, False):  # what stands where nothing comes before is not looked at
            yield ([[np.inf], [2.0]], [[1.0], [0.0]]), ([[0.0], [1.0]], [[3.0], [1.0]])


@dataclass(frozen=True)
class CumulativeProduct(Cumulative):
    r"""Running products along an axis, one multiplication after another.

    .. math:: y_k = \prod_{i \le k} x_i, \qquad
        \bar x_i = \sum_{k \ge i} \bar y_k \prod_{j \le k,\, j \ne i} x_j = y_{i-1}\, s_i, \qquad
        s_i = \bar y_i + x_{i+1} s_{i+1}

    Step one: by the product rule :math:`\partial y_k / \partial x_i` is the product of the other factors up to
    :math:`k`. Step two: those before :math:`i` make :math:`y_{i-1}` (1 if there are none) and are the same for all
    :math:`k`. Step three: what is left is a linear recurrence from the other end. Usual formulas divide by
    :math:`x_i`, which a factor of 0 forbids; here nothing is divided, and zeros are points like any others, to every
    order.
    """

    axis: int
    backwards: bool = False
    name, formula = "cumulative_product", "cumprod(x, axis)"
    derivative = "out[k-1] * s[k], where s[k] = ct[k] + x[k+1] * s[k+1]"

    def evaluate(self, x: Any) -> Any:
        out = np.empty(x.shape, x.dtype)
        np.multiply.accumulate(self.along(x), axis=0, dtype=x.dtype, out=self.along(out))
        return out

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        before = neighbours(out, self.axis, self.backwards, 1.0)
        following = neighbours(args[0], self.axis, not self.backwards, 0.0)
        return (before * apply2(LinearRecurrence.of(self.axis, not self.backwards), following, ct),)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        for zeros in range(4):
            rows = with_zeros(rng, 3, 4, zeros)
            yield (rows if self.axis else rows.T,)
        yield (np.zeros((2, 0)),)


@dataclass(frozen=True)
class Prod(Reduction):
    r"""Product over axes; of nothing it is 1.

    .. math:: y = \prod_i x_i, \qquad
        \bar x_i = \bar y \prod_{j \ne i} x_j = \bar y \Bigl(\prod_{j < i} x_j\Bigr) \Bigl(\prod_{j > i} x_j\Bigr)

    The products of what comes before and of what comes after are running ones, from both ends. Nothing is divided, so
    a factor of 0 is a point like any other: one zero has the product of the others as its derivative, of two zeros it
    is the second derivative that is left.
    """

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "prod", "prod(x, axes)", "ct * the product of the other factors"

    def evaluate(self, x: Any) -> Any:
        multiply: Any = np.multiply.reduce
        if len(self.axes) < 2:
            return multiply(x, axis=self.axes, dtype=x.dtype, keepdims=self.keepdims)
        rest = [a for a in range(x.ndim) if a not in self.axes]
        rows = x.transpose(*rest, *self.axes).reshape(*[x.shape[a] for a in rest], self.count(x))
        # one axis: several at once NumPy takes in an order that depends on how they lie in memory
        return multiply(rows, axis=-1, dtype=x.dtype).reshape(reduced(x.shape, self.axes, self.keepdims))

    def count(self, x: Any) -> int:
        """How many factors a product has."""
        return math.prod([x.shape[a] for a in self.axes])

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return values, None

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        (x,) = args
        rest = tuple(a for a in range(len(x.shape)) if a not in self.axes)
        lanes, n = tuple(x.shape[a] for a in rest), len(rest)
        moved = apply1(Transpose.of((*rest, *self.axes)), x)
        rows = apply1(Reshape.of((*lanes, self.count(x))), moved)
        before, after = (
            neighbours(apply1(CumulativeProduct.of(n, backwards), rows), n, backwards, 1.0)
            for backwards in (False, True)
        )
        pulled = apply1(Reshape.of((*lanes, 1)), ct) * (before * after)
        back = sorted(range(len(x.shape)), key=(*rest, *self.axes).__getitem__)
        return (apply1(Transpose.of(tuple(back)), apply1(Reshape.of(tuple(moved.shape)), pulled)),)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        shape = (2, 3, 2)
        order = [*[a for a in range(3) if a not in self.axes], *self.axes]
        n = math.prod([shape[a] for a in self.axes])
        for zeros in range(min(n, 3) + 1):
            rows = with_zeros(rng, math.prod(shape) // n, n, zeros)
            yield (np.ascontiguousarray(rows.reshape([shape[a] for a in order]).transpose(np.argsort(order))),)
        yield (np.zeros((2, 0, 3)),)
