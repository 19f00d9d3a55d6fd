"""A Box is a value that an interpreter has wrapped; `owner` says which one.

| owner | value | node |
| --- | --- | --- |
| None (evaluate) | an ndarray | its tape node, or None |
| a stage | a graph variable | its tape node, or None |
| a reverse level (`grad`, `vjp`) | the value of the level below | its tape node |
| a forward level (`jvp`) | the primal, a value of the level below | the tangent, likewise |
| a batch level (`vmap`) | the lanes, stacked along a new first axis | None |

Inside the engine a concrete value that nobody follows is a bare ndarray: no box at all. `retrograd.tensor.Tensor` is
the Box with a public face; core only knows that such a class exists (`set_face`).
"""

from __future__ import annotations

from typing import Any


class Box:
    """A wrapped value: see the table above."""

    __slots__ = ("__weakref__", "node", "owner", "value", "weak")

    def __init__(self, value: Any, owner: Any = None, node: Any = None, weak: bool = False) -> None:
        self.value = value
        self.owner = owner
        self.node = node
        self.weak = weak

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        owner = self.owner
        return self.value.shape if owner is None else owner.shape(self.value)


FACES: list[type[Box]] = [Box]  # the last one is what boxes are made as


def set_face(cls: type[Box]) -> None:
    """Make `cls` the class of every box made from now on (called once, by `retrograd.tensor`)."""
    FACES.append(cls)


def box(value: Any, owner: Any = None, node: Any = None, weak: bool = False) -> Box:
    """A new box, with the public face."""
    return FACES[-1](value, owner, node, weak)
