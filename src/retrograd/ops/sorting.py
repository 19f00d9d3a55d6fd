"""Elements in order.

What is sorted is gathered by a permutation, and its gradient goes back by the same permutation. Where elements tie,
another permutation would do as well: the values are not differentiable there as a function of all elements, and the
gradient is that of the stable order, in which equal elements stay as they came.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from retrograd.core.dispatch import apply1
from retrograd.ops.indexing import take_along_axis
from retrograd.ops.inputs import array_of, face, integer, one_axis
from retrograd.ops.shaping import moveaxis, ravel
from retrograd.primitives.movement import Slice
from retrograd.primitives.sorting import Argsort


class TopK(NamedTuple):
    """What `top_k` finds: the largest elements, and where they are."""

    values: Any
    indices: Any


def argsort(x: Any, /, *, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Any:
    """Indices (int64) that sort along an axis (None: all elements, row by row).

    Equal elements stay in their order, also with `descending`, and whatever `stable` asks for: ``stable=False`` allows
    any order among them, so this one too. NaN counts as larger than everything: it comes last, or first if descending.

    >>> argsort([2.0, 1.0, 2.0], descending=True)
    tensor([0, 2, 1])
    """
    x = array_of(x)
    if axis is None:
        x, axis = ravel(x), -1
    return _order(x, one_axis(axis, len(x.shape), "argsort"), descending)


def _order(x: Any, place: int, descending: bool) -> Any:
    if place == len(x.shape) - 1:
        return face(apply1(Argsort.of(bool(descending)), x))
    return moveaxis(face(apply1(Argsort.of(bool(descending)), moveaxis(x, place, -1))), -1, place)


def sort(x: Any, /, *, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Any:
    """The elements in order along an axis (None: all elements, row by row, along one).

    Equal elements and NaN are treated as `argsort` does. The gradient of each sorted element goes to where it came
    from; ties are points where the function is not differentiable, and there the stable order decides.

    >>> import retrograd as rg
    >>> sort([3.0, 1.0, 2.0])
    tensor([1., 2., 3.], dtype=float32)
    >>> rg.grad(lambda x: rg.sum(sort(x) * rg.tensor([10.0, 20.0, 30.0])))(rg.tensor([3.0, 1.0, 2.0]))
    tensor([30., 10., 20.], dtype=float32)
    """
    x = array_of(x)
    if axis is None:
        x, axis = ravel(x), -1
    place = one_axis(axis, len(x.shape), "sort")
    return take_along_axis(x, _order(x, place, descending), axis=place)


def top_k(x: Any, /, k: int, *, axis: int = -1, largest: bool = True) -> TopK:
    """The `k` largest elements along an axis, largest first, and their indices (int64): ``(values, indices)``.

    Of equal elements the first ones are taken. NaN counts as larger than everything. With ``largest=False`` it is the
    `k` smallest, smallest first. The gradient goes to the elements that were taken.

    Raises:
        TypeError: if `k` is no integer.
        ValueError: unless 0 <= k <= the length of the axis.

    >>> values, indices = top_k([1.0, 4.0, 2.0, 4.0], 2)
    >>> values, indices
    (tensor([4., 4.], dtype=float32), tensor([1, 3]))
    """
    x = array_of(x)
    place = one_axis(axis, len(x.shape), "top_k")
    n = x.shape[place]
    k = integer(k, "top_k", "k")
    if not 0 <= k <= n:
        raise ValueError(f"top_k: k = {k} of an axis of length {n}; it must be from 0 to {n}")
    order = _order(x, place, largest)
    zeros, ones = (0,) * len(x.shape), (1,) * len(x.shape)
    lengths = tuple(k if a == place else m for a, m in enumerate(x.shape))
    indices = face(apply1(Slice.of(zeros, lengths, ones), order))
    return TopK(take_along_axis(x, indices, axis=place), indices)
