"""What transforms do with the arguments and results of the functions they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retrograd.core.box import Box, box
from retrograd.core.cells import Cell
from retrograd.core.tree import Structure, flatten, flatten_like, unflatten
from retrograd.errors import DTypeError, RetrogradError
from retrograd.ops.inputs import array_of, face, is_weak


def is_number_like(x: Any) -> bool:
    """Whether `x` can be an array."""
    return isinstance(x, (Box, Cell, int, float, bool)) or hasattr(x, "__array__")


def flat_arrays(tree: Any, what: str) -> tuple[list[Any], Structure]:
    """The leaves of `tree` as values, and its structure.

    Raises:
        RetrogradError: for a leaf that is no array.
    """
    leaves, structure = flatten(tree)
    for leaf in leaves:
        if not is_number_like(leaf):
            raise RetrogradError(f"{what} must be arrays or trees of arrays; it has a {type(leaf).__name__}")
    return [array_of(leaf) for leaf in leaves], structure


def name_of(f: Any) -> str:
    """What messages call a function."""
    return getattr(f, "__name__", None) or type(f).__name__


def selected(argnums: int | Sequence[int], args: Sequence[Any], f: Any) -> list[int]:
    """The places of the arguments to differentiate with respect to."""
    listed: list[Any] = list(argnums) if isinstance(argnums, (tuple, list)) else [argnums]
    for i in listed:
        if type(i) is not int:
            raise RetrogradError(f"argnums of {name_of(f)} must be an int or a tuple of them, not {argnums!r}")
        if not -len(args) <= i < len(args):
            raise RetrogradError(f"argnums {argnums} of {name_of(f)}, which was called with {len(args)} arguments")
    places = [i % len(args) for i in listed]
    if len(set(places)) < len(places):
        raise RetrogradError(f"argnums {argnums} of {name_of(f)} names an argument twice")
    return places


def need_floats(values: Sequence[Any], transform: str, f: Any) -> None:
    """Refuse to differentiate with respect to integers."""
    for v in values:
        if v.dtype.kind != "f":
            instead = (
                "leave them out of argnums" if transform in ("grad", "jacobian") else "let the function capture them"
            )
            raise DTypeError(
                f"{transform} of {name_of(f)} with respect to {v.dtype} values: convert them to floats, or {instead}"
            )


def mapped(tree: Any, function: Callable[[Any], Any]) -> Any:
    """`function` on every array of a result; other leaves as they are."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(x) if is_number_like(x) else x for x in leaves])


def face_like(value: Any, like: Any) -> Any:
    """The public face of a value that has the type of `like`: a derivative is as weak as what it belongs to."""
    out, weak = face(value), is_weak(like)
    return out if out.weak == weak else box(out.value, out.owner, out.node, weak)


def users_of(f: Any) -> tuple[Callable[..., Any], ...]:
    """The functions of the user's that `f` calls: itself, unless it is made here and says otherwise."""
    return getattr(f, "users", (f,))


def holds(dtype: np.dtype, weak: np.dtype) -> bool:
    """Whether a weak scalar keeps its value in `dtype`: a float does not become an integer, nor that a boolean."""
    kinds = "biuf"
    return weak.kind == dtype.kind or kinds.index(dtype.kind) > kinds.index(weak.kind)


def in_order(structure: Structure, tree: Any) -> Any:
    """`tree` with the keys of its dicts in the order of `structure`, if that is all in which it differs."""
    if flatten(tree)[1] == structure:
        return tree
    try:
        ordered = unflatten(structure, flatten_like(structure, tree, "the carry"))
    except RetrogradError:
        return tree
    return ordered if flatten(ordered)[1] == structure else tree
