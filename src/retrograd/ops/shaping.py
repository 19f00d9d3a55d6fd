"""Shapes, joining, creation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.config import INT, default_float
from retrograd.core.box import box
from retrograd.core.dispatch import apply, apply1
from retrograd.core.types import check_dtype
from retrograd.errors import ShapeError
from retrograd.ops.inputs import array_of, converted, face, integers, normal_axes, one_axis, promote
from retrograd.primitives.creation import Iota
from retrograd.primitives.families import broadcast_to as _stretch
from retrograd.primitives.movement import Broadcast, Concatenate, Pad, Reshape, Slice, Transpose


def _shape_tuple(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)


def reshape(x: Any, /, shape: Any) -> Any:
    """The elements, row by row, in another shape; one length may be -1.

    >>> reshape([[1, 2], [3, 4]], -1)
    tensor([1, 2, 3, 4])
    """
    x = array_of(x)
    wanted = _shape_tuple(shape)
    size = math.prod(x.shape)
    if wanted.count(-1) == 1:
        rest = math.prod([n for n in wanted if n != -1])
        if rest == 0 or size % rest:
            raise ShapeError(f"cannot reshape {tuple(x.shape)} to {wanted}: {size} elements do not divide")
        wanted = tuple(size // rest if n == -1 else n for n in wanted)
    if min(wanted, default=0) < 0 or math.prod(wanted) != size:
        raise ShapeError(f"cannot reshape {tuple(x.shape)} ({size} elements) to {wanted}")
    return face(x) if wanted == tuple(x.shape) else face(apply1(Reshape.of(wanted), x))


def ravel(x: Any, /) -> Any:
    """All elements along one axis."""
    return reshape(x, -1)


def transpose(x: Any, /, axes: Sequence[int] | None = None) -> Any:
    """Axes in another order; reversed by default."""
    x = array_of(x)
    n = len(x.shape)
    order = tuple(range(n))[::-1] if axes is None else tuple(int(a) % n if -n <= a < n else n for a in axes)
    if sorted(order) != list(range(n)):
        raise ValueError(f"transpose: axes {axes} are no permutation of the {n} axes")
    return face(apply1(Transpose.of(order), x))


permute_dims = transpose


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


def swapaxes(x: Any, axis1: int, axis2: int, /) -> Any:
    """Two axes exchanged."""
    x = array_of(x)
    n = len(x.shape)
    a, b = one_axis(axis1, n, "swapaxes"), one_axis(axis2, n, "swapaxes")
    order = list(range(n))
    order[a], order[b] = b, a
    return face(apply1(Transpose.of(tuple(order)), x))


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int], /) -> Any:
    """Axes moved to other places; the others keep their order."""
    x = array_of(x)
    n = len(x.shape)
    sources, destinations = (
        [one_axis(a, n, "moveaxis") for a in integers(axes, "moveaxis", "axis")] for axes in (source, destination)
    )
    if len(set(sources)) != len(destinations) or len(set(destinations)) != len(sources):
        raise ValueError(f"moveaxis: {source} and {destination} must name the same number of different axes")
    order = [i for i in range(n) if i not in sources]
    for b, a in sorted(zip(destinations, sources, strict=True)):
        order.insert(b, a)
    return face(x) if order == list(range(n)) else face(apply1(Transpose.of(tuple(order)), x))


def expand_dims(x: Any, /, axis: int | Sequence[int]) -> Any:
    """New axes of length one at these places of the result."""
    x = array_of(x)
    count = len(integers(axis, "expand_dims", "axis"))
    places = normal_axes(axis, len(x.shape) + count, "expand_dims")
    rest = iter(x.shape)
    return reshape(x, tuple(1 if i in places else next(rest) for i in range(len(x.shape) + count)))


def squeeze(x: Any, /, axis: int | Sequence[int] | None = None) -> Any:
    """Axes of length one removed: all, or those named."""
    x = array_of(x)
    ones = tuple(i for i, n in enumerate(x.shape) if n == 1)
    places = ones if axis is None else normal_axes(axis, len(x.shape), "squeeze")
    if any(i not in ones for i in places):
        raise ShapeError(f"squeeze: axis {axis} of shape {tuple(x.shape)} is not of length one")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in places))


def broadcast_to(x: Any, /, shape: Any) -> Any:
    """Stretched to `shape` by NumPy's rule."""
    x = array_of(x)
    wanted = _shape_tuple(shape)
    try:
        fits = np.broadcast_shapes(tuple(x.shape), wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"shape {tuple(x.shape)} does not broadcast to {wanted}")
    return face(x) if tuple(x.shape) == wanted else face(apply1(Broadcast.of(wanted), x))


def concatenate(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    """Arrays one after another along an axis (None: all elements of all of them)."""
    if not len(arrays):
        raise ValueError("concatenate needs at least one array")
    if axis is None:
        return concatenate([ravel(a) for a in arrays], axis=0)
    values = [array_of(v) for v in promote(list(arrays))[0]]
    ndim = len(values[0].shape)
    if ndim == 0:
        raise ShapeError("concatenate of scalars: use stack")
    return face(apply(Concatenate.of(one_axis(axis, ndim, "concatenate")), *values))


concat = concatenate


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    """Arrays of one shape along a new axis."""
    if not len(arrays):
        raise ValueError("stack needs at least one array")
    values, weak = promote(list(arrays))
    values = [array_of(v) for v in values]
    dtype = next((v.dtype for v in values if not getattr(v, "weak", False)), values[0].dtype)
    if weak and dtype.kind == "f":
        dtype = default_float()
    shapes = {tuple(v.shape) for v in values}
    if len(shapes) > 1:
        raise ShapeError(f"stack needs arrays of one shape, got {', '.join(map(str, sorted(shapes)))}")
    return concatenate([expand_dims(converted(v, dtype), axis) for v in values], axis=axis)


def pad(x: Any, /, pad_width: Any, *, constant_values: float = 0.0) -> Any:
    """Constants before and after the elements of each axis: an int, (before, after), or a pair for every axis."""
    x = array_of(x)
    n = len(x.shape)
    widths = np.broadcast_to(np.asarray(pad_width, int), (n, 2))
    if widths.size and widths.min() < 0:
        raise ValueError(f"pad: widths must not be negative, got {pad_width}")
    low, high = (tuple(int(w) for w in widths[:, i]) for i in (0, 1))
    prim = Pad.of(low, high, (0,) * n)
    out = face(apply1(prim, x))
    if constant_values == 0:
        return out
    from retrograd.ops.arithmetic import where

    inside = apply1(prim, _stretch(np.asarray(True), tuple(x.shape)))
    return where(face(inside), out, constant_values)


def flip(x: Any, /, *, axis: int | Sequence[int] | None = None) -> Any:
    """The order along axes (all by default) reversed."""
    x = array_of(x)
    axes = normal_axes(axis, len(x.shape), "flip")
    shape = tuple(x.shape)
    flipped = [i in axes and n > 0 for i, n in enumerate(shape)]
    starts = tuple(n - 1 if f else 0 for n, f in zip(shape, flipped, strict=True))
    return face(apply1(Slice.of(starts, shape, tuple(-1 if f else 1 for f in flipped)), x))


def roll(x: Any, /, shift: int | Sequence[int], *, axis: int | Sequence[int] | None = None) -> Any:
    """Elements moved along axes by `shift` places; those that leave at one end come in at the other.

    Without `axis` all elements, row by row, are moved as if along one axis. Several shifts go with several axes, one
    with each; an axis that is named twice is moved twice.

    Raises:
        TypeError: if a shift is no integer.
        ValueError: if there are shifts for another number of axes.

    >>> roll([1, 2, 3, 4], 1)
    tensor([4, 1, 2, 3])
    """
    x = array_of(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, axis=0), tuple(x.shape))
    shifts, axes = integers(shift, "roll", "shift"), integers(axis, "roll", "axis")
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ValueError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    for s, a in np.broadcast(shifts, axes):
        x = _rolled(x, int(s), one_axis(int(a), len(x.shape), "roll"))
    return face(x)


def _rolled(x: Any, shift: int, axis: int) -> Any:
    shape = tuple(x.shape)
    start = -shift % shape[axis] if shape[axis] else 0
    if not start:
        return x
    parts = []
    for first, length in ((start, shape[axis] - start), (0, start)):
        starts = tuple(first if a == axis else 0 for a in range(len(shape)))
        lengths = tuple(length if a == axis else n for a, n in enumerate(shape))
        parts.append(apply1(Slice.of(starts, lengths, (1,) * len(shape)), x))
    return apply(Concatenate.of(axis), *parts)


def full(shape: Any, fill_value: Any, *, dtype: Any = None) -> Any:
    """An array of one value."""
    value = array_of(fill_value)
    if dtype is not None:
        value = converted(value, check_dtype(np.dtype(dtype)))
    elif getattr(value, "weak", False) and value.dtype.kind == "f":
        value = converted(value, default_float())
    wanted = _shape_tuple(shape)
    if min(wanted, default=0) < 0:
        raise ShapeError(f"an array cannot have the shape {wanted}: a length is negative")
    out = face(_stretch(value, wanted))
    return box(out.value, out.owner, out.node) if out.weak else out


def zeros(shape: Any, *, dtype: Any = None) -> Any:
    """An array of zeros, of the default float dtype."""
    return full(shape, np.zeros((), dtype or default_float()))


def ones(shape: Any, *, dtype: Any = None) -> Any:
    """An array of ones, of the default float dtype."""
    return full(shape, np.ones((), dtype or default_float()))


def zeros_like(x: Any, /, *, dtype: Any = None) -> Any:
    """Zeros with the shape and dtype of `x`."""
    x = array_of(x)
    return zeros(x.shape, dtype=dtype or x.dtype)


def ones_like(x: Any, /, *, dtype: Any = None) -> Any:
    """Ones with the shape and dtype of `x`."""
    x = array_of(x)
    return ones(x.shape, dtype=dtype or x.dtype)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None) -> Any:
    """One value with the shape and dtype of `x`."""
    x = array_of(x)
    return full(x.shape, fill_value, dtype=dtype or x.dtype)


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None) -> Any:
    """Evenly spaced numbers from `start` (0 if only one is given) up to `stop`, excluded."""
    if stop is None:
        start, stop = 0, start
    whole = all(isinstance(v, (int, np.integer)) for v in (start, stop, step))
    wanted = np.dtype(dtype) if dtype is not None else INT if whole else default_float()
    if whole and start == 0 and step == 1:
        return face(apply(Iota.of(max(int(stop), 0), check_dtype(wanted))))
    return face(np.arange(start, stop, step, dtype=check_dtype(wanted)))


def linspace(start: float, stop: float, /, num: int = 50, *, endpoint: bool = True, dtype: Any = None) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`."""
    wanted = check_dtype(np.dtype(dtype or default_float()))
    return face(np.linspace(float(start), float(stop), num, endpoint=endpoint).astype(wanted))


def eye(n: int, m: int | None = None, /, *, k: int = 0, dtype: Any = None) -> Any:
    """Ones on the `k`-th diagonal, zeros elsewhere."""
    return face(np.eye(n, m, k, dtype=check_dtype(np.dtype(dtype or default_float()))))
