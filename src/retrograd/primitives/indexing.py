"""Reading and adding at places given by index arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply2
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType, Outline
from retrograd.errors import DTypeError, ShapeError
from retrograd.primitives.families import lead


def _places(indices: Any, batch: int) -> tuple[Any, ...]:
    """The NumPy index of the places: one array per batch axis, then one per indexed axis."""
    lanes = indices.shape[:batch]
    shape = indices.shape[:-1]
    grid = [np.arange(n).reshape(n, *(1,) * (len(shape) - i - 1)) for i, n in enumerate(lanes)]
    return (*grid, *np.moveaxis(indices, -1, 0))


@dataclass(frozen=True)
class Gather(Primitive):
    r"""Elements or rows at given places.

    Of an array of shape ``(*lanes, *indexed, *rest)`` and integers of shape ``(*lanes, *places, k)``, where the last
    axis indexes ``k`` axes, the result is ``(*lanes, *places, *rest)``; ``batch`` says how many axes are lanes.

    .. math:: y_p = x_{i(p)}, \qquad \bar x_q = \sum_{p:\, i(p) = q} \bar y_p

    Negative indices count from the end; others outside the axis raise IndexError.
    """

    batch_axes: int = 0
    name, formula, derivative = "gather", "x[i]", "ct added at the places i (scatter_add)"
    operands = ("x", "i")
    linear = (0,)
    raises = True

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for batch_axes in (0, 1):
            yield cls.of(batch_axes)

    def evaluate(self, x: Any, indices: Any) -> Any:
        return x[_places(indices, self.batch_axes)]

    def infer(self, *types: ArrayType) -> ArrayType:
        x, i = types
        b = self.batch_axes
        if i.dtype.kind not in "iu":
            raise DTypeError(f"indices must be integers, got {i}")
        if i.ndim <= b or x.shape[:b] != i.shape[:b] or x.ndim < b + i.shape[-1]:
            raise ShapeError(f"gather with {b} batch axes: {x} at {i}")
        return ArrayType((*i.shape[:-1], *x.shape[b + i.shape[-1] :]), x.dtype)

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return [Outline(values[0]), values[1]], None

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        return apply2(ScatterAdd.of(tuple(args[0].shape), self.batch_axes), args[1], ct)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        x, i = (lead(a, b, size) for a, b in zip(args, batched, strict=True))
        return apply2(Gather.of(self.batch_axes + 1), x, i)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        if self.batch_axes == 0:
            yield rng.normal(size=(4, 3)), np.array([[0], [2], [2], [-1]])
            yield rng.normal(size=(4, 3)), np.array([[[0, 1], [3, 2]], [[0, 1], [1, 1]]])
            yield rng.normal(size=(4, 3)), np.zeros((0, 1), np.int64)
        else:
            yield rng.normal(size=(2, 4, 3)), np.array([[[0], [2], [2]], [[3], [3], [-2]]])


@dataclass(frozen=True)
class ScatterAdd(Primitive):
    r"""Zeros of ``shape`` with values added at given places: the transpose of `Gather`.

    .. math:: y_q = \sum_{p:\, i(p) = q} x_p, \qquad \bar x_p = \bar y_{i(p)}
    """

    shape: tuple[int, ...]
    batch_axes: int = 0
    name, formula, derivative = "scatter_add", "zeros(shape) with x added at i", "ct[i] (gather)"
    operands = ("i", "x")
    linear = (1,)
    raises = True

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for shape, batch_axes in (((4, 3), 0), ((5,), 0), ((2, 3), 1), ((2, 3, 2), 1)):
            yield cls.of(shape, batch_axes)

    def evaluate(self, indices: Any, x: Any) -> Any:
        out = np.zeros(self.shape, x.dtype)
        np.add.at(out, _places(indices, self.batch_axes), x)
        return out

    def infer(self, *types: ArrayType) -> ArrayType:
        i, x = types
        wanted = Gather(self.batch_axes).infer(ArrayType(self.shape, x.dtype), i)
        if wanted.shape != x.shape:
            raise ShapeError(f"scatter_add into {self.shape} at {i}: values of shape {wanted.shape}, not {x.shape}")
        return ArrayType(self.shape, x.dtype)

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return [values[0], Outline(values[1])], None

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        return apply2(Gather.of(self.batch_axes), ct, args[0])

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        i, x = (lead(a, b, size) for a, b in zip(args, batched, strict=True))
        return apply2(ScatterAdd.of((size, *self.shape), self.batch_axes + 1), i, x)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        if self.batch_axes == 0:
            yield np.array([[0], [2], [2], [-1]]), rng.normal(size=(4, *self.shape[1:]))
            yield np.zeros((0, 1), np.int32), np.zeros((0, *self.shape[1:]))
        else:
            yield np.array([[[0], [2]], [[1], [1]]]), rng.normal(size=(2, 2, *self.shape[2:]))
