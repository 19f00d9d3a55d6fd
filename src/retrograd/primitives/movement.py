"""Moving elements without computing: broadcast, reshape, transpose, slice, pad, concatenate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply, apply1
from retrograd.core.forward import zeros_for
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.errors import ShapeError
from retrograd.primitives.families import ByShape, broadcast_shapes, lead, same_dtype, sum_to


@dataclass(frozen=True)
class Broadcast(ByShape):
    r"""Stretch to a larger shape, as NumPy's rule allows.

    .. math:: y_{ij} = x_j, \qquad \bar x_j = \sum_i \bar y_{ij}
    """

    shape: tuple[int, ...]
    name, formula, derivative = "broadcast", "broadcast_to(x, shape)", "sum of ct over the stretched axes"
    linear = (0,)

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for shape in ((4,), (4, 3), (2, 4, 3)):
            yield cls.of(shape)

    def evaluate(self, x: Any) -> Any:
        x = np.asarray(x)
        if x.flags.c_contiguous:  # np.broadcast_to takes ten times as long
            missing = len(self.shape) - x.ndim
            steps = [0 if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True)]
            view: np.ndarray = np.ndarray(self.shape, x.dtype, x, 0, (*(0,) * missing, *steps))
            view.flags.writeable = False
            return view
        return np.broadcast_to(x, self.shape)

    def infer(self, *types: ArrayType) -> ArrayType:
        if broadcast_shapes(types[0].shape, self.shape) != self.shape:
            raise ShapeError(f"shape {types[0].shape} does not broadcast to {self.shape}")
        return ArrayType(self.shape, types[0].dtype)

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        return sum_to(ct, args[0].shape)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        x = args[0]
        missing = len(self.shape) - (len(x.shape) - 1)
        if missing:
            x = apply1(Reshape.of((size, *(1,) * missing, *x.shape[1:])), x)
        return apply1(Broadcast.of((size, *self.shape)), x)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=()),)
        yield (rng.normal(size=self.shape),)
        if len(self.shape) > 1:
            yield (rng.normal(size=(self.shape[-2], 1)),)


@dataclass(frozen=True)
class Reshape(ByShape):
    r"""The same elements, row by row, in another shape.

    .. math:: y = \operatorname{reshape}(x), \qquad \bar x = \operatorname{reshape}^{-1}(\bar y)
    """

    shape: tuple[int, ...]
    name, formula, derivative = "reshape", "reshape(x, shape)", "reshape(ct, x.shape)"
    linear = (0,)

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for shape in ((6,), (3, 2), (2, 1, 3), (1,), ()):
            yield cls.of(shape)

    def evaluate(self, x: Any) -> Any:
        return np.asarray(x).reshape(self.shape)

    def infer(self, *types: ArrayType) -> ArrayType:
        out = types[0].strong().with_shape(self.shape)
        if out.size != types[0].size:
            raise ShapeError(f"cannot reshape {types[0].shape} ({types[0].size} elements) to {self.shape} ({out.size})")
        return out

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        return apply1(Reshape.of(tuple(args[0].shape)), ct)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(Reshape.of((size, *self.shape)), args[0])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=self.shape[::-1]),)


@dataclass(frozen=True)
class Transpose(ByShape):
    r"""Axes in another order: axis :math:`i` of the output is axis ``axes[i]`` of the input.

    .. math:: y = x^{T}, \qquad \bar x = \bar y^{T}
    """

    axes: tuple[int, ...]
    name, formula, derivative = "transpose", "transpose(x, axes)", "transpose(ct, inverse of axes)"
    linear = (0,)

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for axes in ((1, 0), (2, 0, 1), (0,), ()):
            yield cls.of(axes)

    def evaluate(self, x: Any) -> Any:
        return x.transpose(self.axes)

    def infer(self, *types: ArrayType) -> ArrayType:
        if sorted(self.axes) != list(range(types[0].ndim)):
            raise ShapeError(f"axes {self.axes} are no permutation of the axes of shape {types[0].shape}")
        return types[0].strong().with_shape(tuple(types[0].shape[a] for a in self.axes))

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        inverse = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return apply1(Transpose.of(tuple(inverse)), ct)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(Transpose.of((0, *(a + 1 for a in self.axes))), args[0])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=tuple(range(2, 2 + len(self.axes)))),)


@dataclass(frozen=True)
class Slice(ByShape):
    r"""A regular part: along each axis ``lengths`` elements from ``starts`` on, ``steps`` apart (negative: backwards).

    .. math:: y_j = x_{s + j d}, \qquad \bar x_{s + j d} = \bar y_j, \text{ zero elsewhere}
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    steps: tuple[int, ...]
    name, formula, derivative = "slice", "x[start : : step]", "ct at its place, zeros elsewhere"
    linear = (0,)

    @property
    def written_out(self) -> str:
        parts = map(_as_slice, self.starts, self.lengths, self.steps)
        return "x[" + ", ".join(_index_text(s) for s in parts) + "]"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for starts, lengths, steps in (
            ((1,), (3,), (1,)),
            ((0, 1), (2, 2), (2, 1)),
            ((3, 1), (2, 2), (-1, 2)),
            ((4,), (3,), (-2,)),
            ((1, 0), (0, 2), (1, 1)),
            ((), (), ()),
        ):
            yield cls.of(starts, lengths, steps)

    def evaluate(self, x: Any) -> Any:
        return x[tuple(map(_as_slice, self.starts, self.lengths, self.steps))]

    def infer(self, *types: ArrayType) -> ArrayType:
        x = types[0]
        for s, n, d, size in zip(self.starts, self.lengths, self.steps, x.shape, strict=True):
            if n and not (0 <= s < size and 0 <= s + (n - 1) * d < size):
                raise ShapeError(f"a slice of {n} elements from {s} in steps of {d} leaves an axis of {size}")
        return x.with_shape(self.lengths)

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        shape = args[0].shape
        if any(d < 0 for d in self.steps):
            ct = apply1(Slice.of(*zip(*map(_reversed_if, self.lengths, self.steps), strict=True)), ct)
        low, high, gaps = [], [], []
        for s, n, d, size in zip(self.starts, self.lengths, self.steps, shape, strict=True):
            first = min(s, s + (n - 1) * d) if n else 0
            last = first + max(n - 1, 0) * abs(d)
            low.append(first)
            high.append(size - last - 1 if n else size)
            gaps.append(abs(d) - 1)
        return apply1(Pad.of(tuple(low), tuple(high), tuple(gaps)), ct)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(Slice.of((0, *self.starts), (size, *self.lengths), (1, *self.steps)), args[0])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        ends = [max(s, s + (n - 1) * d) + 1 for s, n, d in zip(self.starts, self.lengths, self.steps, strict=True)]
        yield (rng.normal(size=[e + 1 for e in ends]),)


def _as_slice(start: int, length: int, step: int) -> slice:
    stop = start + length * step
    return slice(start, None if stop < 0 else stop, step) if length else slice(0, 0)


def _index_text(s: slice) -> str:
    """A slice as it is written; one element is an index."""
    if s.stop is not None and s.stop - s.start == s.step:
        return str(s.start)
    return f"{s.start or ''}:{'' if s.stop is None else s.stop}{'' if s.step == 1 else f':{s.step}'}"


def _reversed_if(length: int, step: int) -> tuple[int, int, int]:
    return (length - 1, length, -1) if step < 0 and length else (0, length, 1)


@dataclass(frozen=True)
class Pad(ByShape):
    r"""Zeros before (``low``), after (``high``) and between (``gaps``) the elements of each axis.

    .. math:: y_{l + j (g + 1)} = x_j, \text{ zero elsewhere}, \qquad \bar x_j = \bar y_{l + j (g + 1)}
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    gaps: tuple[int, ...]
    name, formula, derivative = "pad", "pad(x, low, high)", "the part of ct where x lies"
    linear = (0,)

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for low, high, gaps in (((1,), (2,), (0,)), ((0, 1), (1, 0), (1, 2)), ((0,), (0,), (3,)), ((), (), ())):
            yield cls.of(low, high, gaps)

    def _shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(
            lo + hi + (n + (n - 1) * g if n else 0)
            for lo, hi, g, n in zip(self.low, self.high, self.gaps, shape, strict=True)
        )

    def _place(self, shape: tuple[int, ...]) -> Any:
        return self.low, tuple(shape), tuple(g + 1 for g in self.gaps)

    def evaluate(self, x: Any) -> Any:
        out = np.zeros(self._shape(x.shape), x.dtype)
        out[tuple(map(_as_slice, *self._place(x.shape)))] = x
        return out

    def infer(self, *types: ArrayType) -> ArrayType:
        if min((*self.low, *self.high, *self.gaps, 0)) < 0 or len(self.low) != types[0].ndim:
            raise ShapeError(f"cannot pad shape {types[0].shape} by {self.low} and {self.high}")
        return types[0].strong().with_shape(self._shape(types[0].shape))

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        return apply1(Slice.of(*self._place(args[0].shape)), ct)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(Pad.of((0, *self.low), (0, *self.high), (0, *self.gaps)), args[0])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.normal(size=tuple(range(2, 2 + len(self.low)))),)


@dataclass(frozen=True)
class Concatenate(ByShape):
    r"""Several arrays one after another along an axis.

    .. math:: y = [x_1, x_2, \dots], \qquad \bar x_i = \text{the part of } \bar y \text{ where } x_i \text{ lies}
    """

    axis: int
    name, formula, derivative = "concatenate", "concatenate(xs, axis)", "the part of ct where each x lies"
    operands = ("xs",)

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for axis in (0, 1):
            yield cls.of(axis)

    @property
    def linear(self) -> Any:
        return _Everything()

    def evaluate(self, *xs: Any) -> Any:
        return np.concatenate(xs, self.axis)

    def infer(self, *types: ArrayType) -> ArrayType:
        dtype, _ = same_dtype(self.name, types)
        rest = {(*t.shape[: self.axis], *t.shape[self.axis + 1 :]) for t in types}
        if len(rest) > 1 or any(t.ndim <= self.axis for t in types):
            shapes = ", ".join(str(t.shape) for t in types)
            raise ShapeError(f"concatenate along axis {self.axis}: shapes {shapes} differ elsewhere")
        shape = list(types[0].shape)
        shape[self.axis] = sum(t.shape[self.axis] for t in types)
        return ArrayType(tuple(shape), dtype)

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        start = sum(a.shape[self.axis] for a in args[:i])
        shape = tuple(args[i].shape)
        starts = tuple(start if a == self.axis else 0 for a in range(len(shape)))
        return apply1(Slice.of(starts, shape, (1,) * len(shape)), ct)

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        # linear in all arguments together, so one concatenation of tangents does, with zeros where there is none
        return apply(self, *[zeros_for(a) if t is None else t for a, t in zip(args, tangents, strict=True)])

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply(Concatenate.of(self.axis + 1), *[lead(a, b, size) for a, b in zip(args, batched, strict=True)])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        shapes = [[2, 3], [2, 3], [2, 3]]
        for n, shape in enumerate(shapes):
            shape[self.axis] = n
        yield tuple(rng.normal(size=s) for s in shapes)
        yield (rng.normal(size=(2, 3)),)


class _Everything:
    """Linear in every argument, however many there are."""

    def __contains__(self, i: int) -> bool:
        return True
