"""Reading parts of arrays, and making arrays with parts replaced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from retrograd.config import BOOL, INT
from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import apply1, apply2
from retrograd.core.source import at_user_line
from retrograd.errors import DTypeError, ShapeError, TracingError
from retrograd.ops import arithmetic as a
from retrograd.ops.inputs import array_of, converted, face, one_axis
from retrograd.ops.shaping import arange, broadcast_to, concatenate, expand_dims, moveaxis, ravel, reshape, transpose
from retrograd.primitives.indexing import Gather, ScatterAdd
from retrograd.primitives.movement import Slice
from retrograd.primitives.sorting import Argsort


def concrete(x: Any, why: str) -> np.ndarray:
    """The ndarray of a value that is being traced by nothing.

    Raises:
        TracingError: if it is.
    """
    x = array_of(x)
    owner = _hiding(x)
    if owner is not None:
        raise TracingError(f"{why}{at_user_line()}, but the value is being traced by {owner.describe()}")
    while isinstance(x, Box):
        x = x.value
    return x


def is_concrete(x: Any) -> bool:
    """Whether Python can see the value of `x`, because nothing that traces it hides it."""
    return _hiding(array_of(x)) is None


def _hiding(x: Any) -> Any:
    """The interpreter that hides a value from Python, or None."""
    while isinstance(x, Box):
        if x.owner is not None and not x.owner.shows_values:
            return x.owner
        x = x.value
    return None


def _is_array(key: Any) -> bool:
    return isinstance(key, (Box, Cell, np.ndarray, list, np.bool_)) or type(key) is bool


class _OfMask(NamedTuple):
    """The places of a mask along one of its axes; of a mask without axes, along a new axis of length one."""

    places: np.ndarray
    length: int | None


def _of_mask(mask: np.ndarray) -> list[_OfMask]:
    if not mask.ndim:
        return [_OfMask(np.nonzero(mask.reshape(1))[0], None)]
    return [_OfMask(places, n) for places, n in zip(mask.nonzero(), mask.shape, strict=True)]


def _expanded(key: Any, ndim: int) -> list[Any]:
    """One entry per axis and per None; the ellipsis and missing axes written out, masks as index arrays."""
    keys = list(key) if isinstance(key, tuple) else [key]
    flat: list[Any] = []
    for k in keys:
        if _is_array(k) and array_of(k).dtype == BOOL:
            mask = concrete(k, "a boolean mask as an index has a shape that depends on its values; use where")
            flat += _of_mask(mask)
        elif isinstance(k, np.integer):
            flat.append(int(k))
        elif isinstance(k, (list, np.ndarray)):
            flat.append(array_of(np.asarray(k, INT) if isinstance(k, list) and not k else k))
        elif isinstance(k, (Box, Cell)):
            flat.append(array_of(k))
        elif isinstance(k, (int, slice)) or k is None or k is Ellipsis:
            flat.append(k)
        else:
            raise TypeError(f"an index must be integers, slices, None, ... or integer arrays, not {type(k).__name__}")
    taken = sum(1 for k in flat if k is not None and k is not Ellipsis and not _is_new_axis(k))
    if taken > ndim:
        raise IndexError(f"{taken} indices for {ndim} axes{at_user_line()}")
    if sum(1 for k in flat if k is Ellipsis) > 1:
        raise IndexError("an index can hold only one ...")
    at = next((i for i, k in enumerate(flat) if k is Ellipsis), len(flat))
    return [*flat[:at], *[slice(None)] * (ndim - taken), *flat[at + 1 :]]


def _is_new_axis(k: Any) -> bool:
    return k is None or (type(k) is _OfMask and k.length is None)


def getitem(x: Any, key: Any) -> Any:
    """``x[key]`` as NumPy reads it: integers, slices, None, ..., integer arrays and (concrete) masks."""
    x = array_of(x)
    keys = _expanded(key, len(x.shape))
    advanced = any(isinstance(k, (Box, np.ndarray, _OfMask)) for k in keys)
    shape = list(x.shape)
    starts, lengths, steps, result, arrays = [], [], [], [], []
    axis = 0
    for place, k in enumerate(keys):
        if _is_new_axis(k):
            result.append(1)
            if k is not None:
                arrays.append((place, k.places))
            continue
        size = shape[axis]
        if type(k) is _OfMask:
            if k.length != size:
                raise IndexError(f"a mask of length {k.length} for axis {axis} of length {size}{at_user_line()}")
            k = k.places
        start, length, step = 0, size, 1
        if isinstance(k, slice):
            start, stop, step = _indices(k, size)
            length = len(range(start, stop, step))
            start = start if length else 0
            result.append(length)
        elif isinstance(k, int):
            if not -size <= k < size:
                raise IndexError(f"index {k} is out of range for axis {axis} of length {size}{at_user_line()}")
            start, length = k % size, 1
            if advanced:
                result.append(1)
                arrays.append((place, np.zeros((), INT)))
        else:
            if k.dtype.kind not in "iu":
                raise DTypeError(f"index arrays must be integers or booleans, not {k.dtype}")
            result.append(size)
            arrays.append((place, k))
        starts.append(start)
        lengths.append(length)
        steps.append(step if length else 1)
        axis += 1
    part = x
    if lengths != shape or any(s != 1 for s in steps):
        part = apply1(Slice.of(tuple(starts), tuple(lengths), tuple(steps)), x)
    part = reshape(part, tuple(result))
    return _gathered(part, arrays) if arrays else face(part)


def _indices(k: slice, size: int) -> tuple[int, int, int]:
    try:
        return k.indices(size)
    except TypeError:
        raise TypeError("slice bounds must be integers known before tracing; use an index array") from None


def _gathered(x: Any, arrays: Sequence[tuple[int, Any]]) -> Any:
    """Index arrays at some axes: their common shape comes where they stood, or first if they stood apart."""
    axes = [i for i, _ in arrays]
    rest = [i for i in range(len(x.shape)) if i not in axes]
    shape = np.broadcast_shapes(*[tuple(k.shape) for _, k in arrays])
    columns = [expand_dims(broadcast_to(converted(k, INT), shape), -1) for _, k in arrays]
    indices = concatenate(columns, axis=-1) if len(columns) > 1 else columns[0]
    moved = x if axes == list(range(len(axes))) else transpose(x, (*axes, *rest))
    out = face(apply2(Gather.of(0), moved, indices))
    first = axes[0]
    if axes != list(range(first, first + len(axes))) or first == 0:
        return out
    n = len(shape)
    total = len(out.shape)
    before = sum(1 for i in rest if i < first)
    return transpose(out, (*range(n, n + before), *range(n), *range(n + before, total)))


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """Elements, or rows along an axis, at integer places."""
    x = array_of(x)
    if axis is None:
        return getitem(ravel(x), array_of(indices))
    place = one_axis(axis, len(x.shape), "take")
    return getitem(x, (*(slice(None),) * place, array_of(indices)))


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """For every place along an axis the element that `indices` names there; other axes match."""
    x, indices = array_of(x), array_of(indices)
    n = len(x.shape)
    if len(indices.shape) != n:
        raise ShapeError(f"take_along_axis: {n} axes and indices with {len(indices.shape)}")
    place = one_axis(axis, n, "take_along_axis")
    last_x, last_i = moveaxis(x, place, -1), moveaxis(indices, place, -1)
    lanes = np.broadcast_shapes(tuple(last_x.shape[:-1]), tuple(last_i.shape[:-1]))
    last_x = broadcast_to(last_x, (*lanes, last_x.shape[-1]))
    last_i = converted(broadcast_to(last_i, (*lanes, last_i.shape[-1])), INT)
    return moveaxis(face(apply2(Gather.of(n - 1), last_x, expand_dims(last_i, -1))), -1, place)


class At:
    """``x.at[key]``: new arrays with a part replaced."""

    __slots__ = ("key", "x")

    def __init__(self, x: Any, key: Any = None) -> None:
        self.x = x
        self.key = key

    def __getitem__(self, key: Any) -> At:
        return At(self.x, key)

    def _places(self, value: Any) -> tuple[Any, Any, Any]:
        """(x, flat indices of the places, the values for them)."""
        x = array_of(self.x)
        size = math.prod(x.shape)
        places = getitem(reshape(arange(size), tuple(x.shape)), self.key)
        value = converted(array_of(value), x.dtype)
        return x, ravel(places), ravel(broadcast_to(value, tuple(places.shape)))

    def add(self, value: Any) -> Any:
        """`value` added at the places; repeated places add up."""
        x, places, values = self._places(value)
        size = math.prod(x.shape)
        extra = apply2(ScatterAdd.of((size,), 0), expand_dims(places, -1), values)
        return a.add(x, reshape(extra, tuple(x.shape)))

    def set(self, value: Any) -> Any:
        """`value` at the places; of repeated places the last one counts."""
        x, places, values = self._places(value)
        n, size = places.shape[0], math.prod(x.shape)
        if n == 0:
            return face(x)
        order = apply1(Argsort.of(), places)  # equal places side by side, in order: the last of each run counts
        ranked = getitem(places, order)
        last = concatenate([a.not_equal(ranked[1:], ranked[:-1]), np.ones(1, bool)])
        scatter = ScatterAdd.of((size,), 0)
        indices = expand_dims(ranked, -1)
        values = getitem(values, order)
        fresh = apply2(scatter, indices, a.where(last, values, np.zeros((), x.dtype)))
        hit = a.greater(apply2(scatter, indices, np.ones(n, INT)), 0)
        return a.where(reshape(hit, tuple(x.shape)), reshape(fresh, tuple(x.shape)), x)
