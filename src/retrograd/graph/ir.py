"""The graph language.

::

    graph      ::=  "graph(" inputs ") {" equation* "return" operands "}"
    inputs     ::=  [ variable ":" type  { "," variable ":" type } ]
    equation   ::=  variable ":" type { "," variable ":" type } "=" primitive "(" operands ")"
    primitive  ::=  name [ "[" parameter "=" value { "," parameter "=" value } "]" ]
    operands   ::=  [ operand { "," operand } ]
    operand    ::=  variable | literal
    literal    ::=  number | number ":" type          a bare number is weak (a Python scalar), a typed one is not
    type       ::=  dtype [ "[" dim { "," dim } "]" ] [ "*" ]        * marks weakness; f32[64,10]
    value      ::=  number | string | None | True | False | dtype | graph | "(" value { "," value } ")"

Every variable is assigned once, before it is used (A-normal form). Arrays are never written into a graph: what a
traced function closes over becomes an input.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType


class Var:
    """A variable: its type, and nothing but its identity otherwise."""

    __slots__ = ("type",)

    def __init__(self, type: ArrayType) -> None:
        self.type = type

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def dtype(self) -> np.dtype:
        return self.type.dtype

    def __repr__(self) -> str:
        return f"<variable {self.type}>"


@dataclass(frozen=True, slots=True)
class Literal:
    """A scalar constant: a Python scalar (weak) or a 0-d ndarray."""

    value: Any
    type: ArrayType

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def dtype(self) -> np.dtype:
        return self.type.dtype


Operand = Var | Literal


@dataclass(frozen=True, slots=True)
class Equation:
    """``outs = prim(operands)``; `line` is the user's source line, for messages."""

    prim: Primitive
    operands: tuple[Operand, ...]
    outs: tuple[Var, ...]
    line: Any = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Graph:
    """A closed program. Compared by identity; `graph.text.print_graph` gives the content."""

    inputs: tuple[Var, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Operand, ...]
    derived: dict[Any, Any] = field(default_factory=dict, repr=False)  # what was computed from it, by (what, ...)

    @property
    def in_types(self) -> tuple[ArrayType, ...]:
        return tuple(v.type for v in self.inputs)

    @property
    def out_types(self) -> tuple[ArrayType, ...]:
        return tuple(o.type for o in self.outputs)

    def __str__(self) -> str:
        from retrograd.graph.text import print_graph

        return print_graph(self)

    def __repr__(self) -> str:
        return f"<graph {len(self.inputs)} -> {len(self.outputs)}, {len(self.equations)} equations>"


def subgraphs(prim: Primitive) -> list[Graph]:
    """The graphs among the parameters of a primitive."""
    found: list[Graph] = []
    for name in getattr(prim, "__dataclass_fields__", ()):
        value = getattr(prim, name)
        values = value if isinstance(value, tuple) else (value,)
        found += [v for v in values if isinstance(v, Graph)]
    return found


def dependence(graph: Graph) -> list[frozenset[int]]:
    """For each output, the places of the inputs that it is computed from by operations that have derivatives."""
    known = graph.derived.get("dependence")
    if known is None:
        nothing: frozenset[int] = frozenset()
        found: dict[Any, frozenset[int]] = {v: frozenset((i,)) for i, v in enumerate(graph.inputs)}
        for e in graph.equations:
            sources = [found[o] for o in e.operands if isinstance(o, Var)] if e.prim.differentiable else []
            found.update(dict.fromkeys(e.outs, nothing.union(*sources)))
        known = [found[o] if isinstance(o, Var) else nothing for o in graph.outputs]
        graph.derived["dependence"] = known
    return known
