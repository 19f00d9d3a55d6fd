"""`vmap`: one function on many inputs at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from retrograd.core.batching import Batch
from retrograd.core.dispatch import current, interpreter
from retrograd.core.tree import flatten, unflatten
from retrograd.errors import RetrogradError, ShapeError
from retrograd.ops.inputs import array_of, face, normal_axes
from retrograd.ops.shaping import moveaxis
from retrograd.primitives.families import lead
from retrograd.transforms.arguments import flat_arrays, name_of


def _spread(axes: Any, tree: Any, what: str) -> list[Any]:
    """One axis (or None) for every leaf of `tree`; `axes` may be a tree prefix."""
    leaves, structure = flatten(tree)
    if axes is None or isinstance(axes, int):
        return [axes] * len(leaves)
    if isinstance(axes, (tuple, list)) and isinstance(tree, (tuple, list)) and len(axes) == len(tree):
        return [a for part, sub in zip(axes, tree, strict=True) for a in _spread(part, sub, what)]
    if isinstance(axes, dict) and isinstance(tree, dict) and set(axes) == set(tree):
        return [a for key in tree for a in _spread(axes[key], tree[key], what)]
    raise RetrogradError(f"vmap: {what} {axes!r} does not fit the structure {structure}")


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """`f` applied to every lane of its arguments at once.

    Args:
        f: a function of arrays or trees of arrays.
        in_axes: along which axis the lanes of each argument lie; None for an argument that all lanes share. One value
            for all, or a tuple with one (or a tree of them) for each.
        out_axes: where the lanes go in the results, likewise.

    Raises:
        ShapeError: if lengths along the mapped axes differ.

    >>> vmap(lambda a, b: a @ b)(np.ones((3, 2)), np.ones((3, 2)))
    tensor([2., 2., 2.], dtype=float64)
    """

    @wraps(f)
    def vmap_f(*args: Any, **kwargs: Any) -> Any:
        values, structure = flat_arrays(list(args), f"the arguments of {name_of(f)}")
        axes = _spread(in_axes if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args), list(args), "in_axes")
        size = _lanes(values, axes, f)
        level = Batch(current(), size)
        boxes = [face(v) if a is None else level.lanes(_first(v, a)) for v, a in zip(values, axes, strict=True)]
        try:
            with interpreter(level):
                result = f(*unflatten(structure, boxes), **kwargs)
        finally:
            level.closed = True
        outputs, out_structure = flat_arrays(result, f"the result of {name_of(f)}")
        places = _spread(out_axes, result, "out_axes")
        return unflatten(out_structure, [_placed(level, o, p) for o, p in zip(outputs, places, strict=True)])

    return vmap_f


def _lanes(values: list[Any], axes: list[Any], f: Any) -> int:
    sizes = set()
    for v, a in zip(values, axes, strict=True):
        if a is not None:
            if not v.shape:
                raise ShapeError(f"vmap of {name_of(f)}: a scalar has no axis to map; give None in in_axes for it")
            sizes.add(v.shape[normal_axes(a, len(v.shape), "vmap")[0]])
    if len(sizes) != 1:
        found = ", ".join(map(str, sorted(sizes))) or "none"
        raise ShapeError(f"vmap of {name_of(f)}: the mapped axes must have one length; theirs are {found}")
    return int(sizes.pop())


def _first(value: Any, axis: int) -> Any:
    return moveaxis(value, axis, 0) if normal_axes(axis, len(value.shape), "vmap")[0] else value


def _placed(level: Batch, out: Any, axis: Any) -> Any:
    value = array_of(out)
    owned = level.owns(value)
    if axis is None:
        if owned:
            raise RetrogradError("vmap: out_axes is None for a result that differs from lane to lane")
        return face(value)
    stacked = face(value.value if owned else lead(value, False, level.size))
    return moveaxis(stacked, 0, axis) if axis else stacked
