"""Trees: nested lists, tuples, named tuples, dicts and registered classes of leaves.

A structure is an immutable, hashable description; `flatten` and `unflatten` are inverse to each other. Dict keys are
visited in insertion order and matched by key, so that two dicts with equal keys have equal structures.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from typing import Any

from retrograd.errors import RetrogradError


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a tree. `kind` is a container type, `LEAF` or `NONE`; `aux` what it needs to be rebuilt."""

    kind: Any
    aux: Hashable = None
    children: tuple[Structure, ...] = ()

    @property
    def size(self) -> int:
        """The number of leaves."""
        return 1 if self.kind == "leaf" else sum(c.size for c in self.children)

    def __str__(self) -> str:
        if self.kind in ("leaf", "none"):
            return "*" if self.kind == "leaf" else "None"
        inner = ", ".join(map(str, self.children))
        if self.kind is dict:
            assert isinstance(self.aux, tuple)
            return "{" + ", ".join(f"{k!r}: {c}" for k, c in zip(self.aux, self.children, strict=True)) + "}"
        return f"[{inner}]" if self.kind is list else f"({inner})" if self.kind is tuple else f"{self.kind}({inner})"


LEAF = Structure("leaf")
NONE = Structure("none")
_registered: dict[type, tuple[Callable[[Any], tuple[Sequence[Any], Hashable]], Callable[[Hashable, Any], Any]]] = {}


def register(
    cls: type,
    flatten: Callable[[Any], tuple[Sequence[Any], Hashable]],
    unflatten: Callable[[Hashable, Sequence[Any]], Any],
) -> None:
    """Make `cls` a container: `flatten(x) -> (children, aux)` and `unflatten(aux, children) -> x`."""
    _registered[cls] = (flatten, unflatten)


def _is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Structure]:
    """The leaves of `tree` from left to right, and its structure. None is a structure without leaves."""
    leaves: list[Any] = []

    def walk(x: Any) -> Structure:
        cls = type(x)
        if is_leaf is not None and is_leaf(x):
            leaves.append(x)
            return LEAF
        if x is None:
            return NONE
        if cls is list or cls is tuple or _is_named_tuple(cls):
            return Structure(cls, None, tuple(walk(c) for c in x))
        if isinstance(x, dict):
            return Structure(dict, tuple(x), tuple(walk(c) for c in x.values()))
        if cls in _registered:
            children, aux = _registered[cls][0](x)
            return Structure(cls, aux, tuple(walk(c) for c in children))
        leaves.append(x)
        return LEAF

    return leaves, walk(tree)


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The tree of this structure with these leaves."""
    if len(leaves) != structure.size:
        raise RetrogradError(f"the structure {structure} has {structure.size} leaves, {len(leaves)} were given")
    rest = iter(leaves)

    def build(s: Structure) -> Any:
        if s.kind == "leaf":
            return next(rest)
        if s.kind == "none":
            return None
        children = [build(c) for c in s.children]
        if s.kind is dict:
            return dict(zip(s.aux, children, strict=True))  # type: ignore[call-overload]
        if s.kind in _registered:
            return _registered[s.kind][1](s.aux, children)
        return s.kind(*children) if _is_named_tuple(s.kind) else s.kind(children)

    return build(structure)


def flatten_like(structure: Structure, tree: Any, what: str) -> list[Any]:
    """The leaves of `tree`, which must have `structure`; where it has a leaf, `tree` may have anything."""
    leaves: list[Any] = []

    def walk(s: Structure, x: Any) -> None:
        if s.kind == "leaf":
            leaves.append(x)
            return
        here = flatten(x, is_leaf=lambda c: c is not x)[1]
        if s.kind is dict and here.kind is dict and set(here.aux) == set(s.aux):  # type: ignore[call-overload]
            for key, child in zip(s.aux, s.children, strict=True):  # type: ignore[call-overload]
                walk(child, x[key])
            return
        if (here.kind, here.aux, len(here.children)) != (s.kind, s.aux, len(s.children)):
            raise RetrogradError(f"{what} must have the structure {structure}; it has {flatten(tree)[1]}")
        for child, value in zip(s.children, flatten(x, is_leaf=lambda c: c is not x)[0], strict=True):
            walk(child, value)

    walk(structure, tree)
    return leaves


def pieces(vector: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """A vector cut into arrays of these shapes, one after the other; derivatives go through."""
    ends = list(accumulate((prod(shape) for shape in shapes), initial=0))
    return [vector[b:e].reshape(shape) for (b, e), shape in zip(pairwise(ends), shapes, strict=True)]
