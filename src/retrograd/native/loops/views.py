"""Moving without moving: what broadcast, transpose, slice and reshape make of a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retrograd.native.loops.ir import Constant, row_major

Place = Any  # View | Constant


def broadcast(place: Place, shape: Sequence[int]) -> Place:
    """Stretched as NumPy's rule allows."""
    shape = tuple(shape)
    if isinstance(place, Constant):
        return replace(place, shape=shape)
    missing = len(shape) - len(place.shape)
    strides = [0 if n == 1 else s for n, s in zip(place.shape, place.strides, strict=True)]
    return replace(place, shape=shape, strides=(*(0,) * missing, *strides))


def transpose(place: Place, axes: Sequence[int]) -> Place:
    """The axes in another order."""
    shape = tuple(place.shape[a] for a in axes)
    if isinstance(place, Constant):
        return replace(place, shape=shape)
    return replace(place, shape=shape, strides=tuple(place.strides[a] for a in axes))


def part(place: Place, starts: Sequence[int], lengths: Sequence[int], steps: Sequence[int]) -> Place:
    """A regular slice."""
    if isinstance(place, Constant):
        return replace(place, shape=tuple(lengths))
    empty = 0 in lengths
    offset = place.offset + (0 if empty else sum(s * d for s, d in zip(starts, place.strides, strict=True)))
    strides = tuple(d * t for d, t in zip(place.strides, steps, strict=True))
    return replace(place, shape=tuple(lengths), strides=strides, offset=offset)


def row(place: Place, counter: Any) -> Place:
    """Element `counter` of the first axis."""
    if isinstance(place, Constant):
        return replace(place, shape=place.shape[1:])
    stride = place.strides[0]
    terms = (*place.terms, (counter, stride)) if stride else place.terms
    return replace(place, shape=place.shape[1:], strides=place.strides[1:], terms=terms)


def reshape(place: Place, shape: Sequence[int]) -> Place | None:
    """The same elements in another shape, or None if they would have to be copied."""
    shape = tuple(shape)
    if isinstance(place, Constant):
        return replace(place, shape=shape)
    if place.size in (0, 1):
        return replace(place, shape=shape, strides=(0,) * len(shape))
    old = [(n, s) for n, s in zip(place.shape, place.strides, strict=True) if n != 1]
    new = [n for n in shape if n != 1]
    strides: list[int] = []
    i = j = 0
    while i < len(old) and j < len(new):
        end_i, end_j = i + 1, j + 1
        have, want = old[i][0], new[j]
        while have != want:  # the shortest runs of old and new axes with the same number of elements
            if have < want:
                have *= old[end_i][0]
                end_i += 1
            else:
                want *= new[end_j]
                end_j += 1
        if any(old[a][1] != old[a + 1][1] * old[a + 1][0] for a in range(i, end_i - 1)):
            return None
        inner = old[end_i - 1][1]
        strides += [inner * s for s in row_major(new[j:end_j])]
        i, j = end_i, end_j
    rest = iter(strides)
    return replace(place, shape=shape, strides=tuple(0 if n == 1 else next(rest) for n in shape))
