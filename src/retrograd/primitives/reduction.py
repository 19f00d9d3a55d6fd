"""Reductions along axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from retrograd.config import INT
from retrograd.core.dispatch import apply1
from retrograd.core.forward import zeros_for
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.errors import DTypeError, ShapeError
from retrograd.primitives.arithmetic import STOP_GRADIENT, Convert
from retrograd.primitives.families import ByShape, broadcast_to
from retrograd.primitives.movement import Reshape
from retrograd.primitives.vocabulary import BOXES as K

MINUS_INFINITY = float("-inf")


def reduced(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """The shape after reducing over `axes`."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes)


def restore(value: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """A reduced value with axes of length one where axes of `shape` were reduced."""
    kept = reduced(shape, axes, True)
    return value if tuple(value.shape) == kept else apply1(Reshape.of(kept), value)


class Reduction(Primitive):
    """Over ``axes`` (sorted, not negative); ``keepdims`` leaves axes of length one."""

    axes: tuple[int, ...]
    keepdims: bool

    def infer(self, *types: ArrayType) -> ArrayType:
        x = types[0]
        if any(a >= x.ndim for a in self.axes):
            raise ShapeError(f"{self.name} over axes {self.axes} of shape {x.shape}")
        self.check(x)
        return ArrayType(reduced(x.shape, self.axes, self.keepdims), x.dtype)

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for axes, keepdims in (((0,), False), ((1,), True), ((0, 2), False), ((0, 1, 2), False), ((), False)):
            yield cls.of(axes, keepdims)

    def check(self, x: ArrayType) -> None:
        """Refuse what has no answer."""

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(type(self).of(tuple(a + 1 for a in self.axes), self.keepdims), args[0])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.permutation(24).reshape(2, 3, 4) / 12.0 - 1.0,)


@dataclass(frozen=True)
class Sum(ByShape, Reduction):
    r"""Sum over axes.

    .. math:: y = \sum_i x_i, \qquad \bar x_i = \bar y
    """

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "sum", "sum(x, axes)", "ct in every place"
    linear = (0,)

    def evaluate(self, x: Any) -> Any:
        reduce: Any = np.add.reduce  # its stubs want a literal for keepdims
        return reduce(x, axis=self.axes, dtype=x.dtype, keepdims=self.keepdims)

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        shape = args[0].shape
        return broadcast_to(restore(ct, shape, self.axes) if ct.shape else ct, shape)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield from super().samples(rng)
        yield (np.zeros((2, 0, 3)),)


@dataclass(frozen=True)
class Mean(ByShape, Reduction):
    r"""Mean over axes; of nothing it is NaN.

    .. math:: y = \frac1n \sum_i x_i, \qquad \bar x_i = \bar y / n
    """

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "mean", "sum(x, axes) / n", "ct / n in every place"
    linear = (0,)
    written_out = "mean(x, axes)"

    def evaluate(self, x: Any) -> Any:
        reduce: Any = np.add.reduce
        return reduce(x, axis=self.axes, dtype=x.dtype, keepdims=self.keepdims) / self._count(x)

    def _count(self, x: Any) -> Any:
        return np.asarray(math.prod([x.shape[a] for a in self.axes]), x.dtype)

    def check(self, x: ArrayType) -> None:
        if not x.is_float:
            raise DTypeError(f"mean of {x}: convert to floats first")

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        shape = args[0].shape
        n = math.prod([shape[a] for a in self.axes])
        share = ct / float(n) if n else ct
        return broadcast_to(restore(share, shape, self.axes) if ct.shape else share, shape)


class _Extreme(Reduction):
    """The largest or the smallest element."""

    extreme: ClassVar[str]

    def check(self, x: ArrayType) -> None:
        if any(x.shape[a] == 0 for a in self.axes) and x.size == 0:
            raise ShapeError(f"{self.name} over axes {self.axes} of shape {x.shape}: nothing has no {self.extreme}")

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        (x,) = args
        shape = x.shape
        hit = K.equal(x, broadcast_to(restore(out, shape, self.axes), shape))
        ties = apply1(Sum.of(self.axes, True), apply1(Convert.of(x.dtype), hit))
        share = restore(ct, shape, self.axes) / ties
        return (K.where(hit, share, 0.0),)


@dataclass(frozen=True)
class Max(_Extreme):
    r"""Largest element over axes; NaN if there is one.

    .. math:: y = \max_i x_i, \qquad \bar x_i = \bar y\,[x_i = y] \,/\, \textstyle\sum_j [x_j = y]

    Kink.  Elements that tie share the cotangent evenly.
    """

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "max", "max(x, axes)", "ct where x is the maximum, shared among ties"
    extreme = "maximum"

    def evaluate(self, x: Any) -> Any:
        reduce: Any = np.maximum.reduce
        return reduce(x, axis=self.axes, keepdims=self.keepdims)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        if self.axes == (0,):
            yield ([[1.0, 2.0, -np.inf], [3.0, 2.0, -np.inf]],), ([[0.0, 0.5, 0.5], [1.0, 0.5, 0.5]],)


@dataclass(frozen=True)
class Min(_Extreme):
    r"""Smallest element over axes; NaN if there is one.

    .. math:: y = \min_i x_i, \qquad \bar x_i = \bar y\,[x_i = y] \,/\, \textstyle\sum_j [x_j = y]

    Kink.  Elements that tie share the cotangent evenly.
    """

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "min", "min(x, axes)", "ct where x is the minimum, shared among ties"
    extreme = "minimum"

    def evaluate(self, x: Any) -> Any:
        reduce: Any = np.minimum.reduce
        return reduce(x, axis=self.axes, keepdims=self.keepdims)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        if self.axes == (0,):
            yield ([[1.0, 2.0, np.inf], [-3.0, 2.0, np.inf]],), ([[0.0, 0.5, 0.5], [1.0, 0.5, 0.5]],)


class _Place(Reduction):
    """The index of an element along one axis."""

    extreme: ClassVar[str]
    differentiable = False

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for axis, keepdims in ((0, False), (1, True), (2, False)):
            yield cls.of((axis,), keepdims)

    def check(self, x: ArrayType) -> None:
        if x.shape[self.axes[0]] == 0:
            raise ShapeError(f"{self.name} over axis {self.axes[0]} of shape {x.shape}: nothing has no {self.extreme}")

    def infer(self, *types: ArrayType) -> ArrayType:
        return ArrayType(super().infer(*types).shape, INT)


@dataclass(frozen=True)
class Argmax(_Place):
    r"""Index (int64) of the first largest element along one axis; of the first NaN, if there is one. No derivative."""

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "argmax", "argmax(x, axis)", "0"
    extreme = "maximum"

    def evaluate(self, x: Any) -> Any:
        return np.argmax(x, axis=self.axes[0], keepdims=self.keepdims)


@dataclass(frozen=True)
class Argmin(_Place):
    r"""Index (int64) of the first smallest element along one axis; of the first NaN, if there is one. No derivative."""

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "argmin", "argmin(x, axis)", "0"
    extreme = "minimum"

    def evaluate(self, x: Any) -> Any:
        return np.argmin(x, axis=self.axes[0], keepdims=self.keepdims)


class _Truth(Reduction):
    """Of booleans, joined by `joined_by`."""

    differentiable = False
    joined_by: ClassVar[Any]

    def evaluate(self, x: Any) -> Any:
        return self.joined_by.reduce(x, axis=self.axes, keepdims=self.keepdims)

    def check(self, x: ArrayType) -> None:
        if x.dtype.kind != "b":
            raise DTypeError(f"{self.name} needs booleans, got {x}; compare first")

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.integers(0, 2, size=(2, 3, 4)).astype(bool),)
        yield (rng.integers(0, 6, size=(2, 3, 4)) > 0,)
        yield (rng.integers(0, 6, size=(2, 3, 4)) == 0,)
        yield (np.zeros((2, 0, 3), bool),)


@dataclass(frozen=True)
class AnyTrue(_Truth):
    r"""Whether one of the elements over axes is true; of nothing False. No derivative."""

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "any", "any(x, axes)", "0"
    joined_by = np.logical_or


@dataclass(frozen=True)
class AllTrue(_Truth):
    r"""Whether all elements over axes are true; of nothing True. No derivative."""

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "all", "all(x, axes)", "0"
    joined_by = np.logical_and


@dataclass(frozen=True)
class Logsumexp(Reduction):
    r"""Logarithm of a sum of exponentials, without overflow.

    .. math:: y = \ln \sum_i e^{x_i}, \qquad \bar x_i = \bar y\, e^{x_i} / \textstyle\sum_j e^{x_j}

    Numerics.  The largest element is subtracted first. The weights are not :math:`e^{x_i - y}`, which would lose the
    digits that :math:`y` has before its point. They do not change with what is subtracted: it is a constant to them.
    """

    axes: tuple[int, ...]
    keepdims: bool = False
    name, formula, derivative = "logsumexp", "log(sum(exp(x)))", "ct * softmax(x)"

    def check(self, x: ArrayType) -> None:
        if not x.is_float:
            raise DTypeError(f"logsumexp needs floats, got {x}; convert with .astype first")

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return values, None

    def evaluate(self, x: Any) -> Any:
        top = np.maximum.reduce(x, axis=self.axes, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, np.zeros((), x.dtype))
        total = np.log(np.add.reduce(np.exp(x - top), axis=self.axes, keepdims=True)) + top
        return total if self.keepdims else total.reshape(reduced(x.shape, self.axes, False))

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        (x,) = args
        if 0 in x.shape:
            return (zeros_for(x),)
        top = apply1(STOP_GRADIENT, apply1(Max.of(self.axes, True), x))
        e = K.exp(x - K.where(K.equal(top, MINUS_INFINITY), 0.0, top))  # of nothing but -inf every weight is 0
        total = apply1(Sum.of(self.axes, True), e)
        weight = e / K.where(K.equal(total, 0.0), 1.0, total)
        return (weight * restore(ct, x.shape, self.axes),)

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        if self.axes == (0,):
            x = [[1e3, -np.inf, 0.0, 800.0], [1e3, -np.inf, -np.inf, -800.0]]
            yield (x,), ([[0.5, 0.0, 1.0, 1.0], [0.5, 0.0, 0.0, 0.0]],)
