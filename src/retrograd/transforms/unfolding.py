"""Primitives made of graphs, run equation by equation at the current interpreter.

For who looks at every operation: the derivative of a loop that ran so is the sweep over its operations, by the one rule
of each, and not that of a second graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.primitive import Primitive
from retrograd.core.source import in_round
from retrograd.core.types import ArrayType
from retrograd.graph.interpret import interpret
from retrograd.graph.ir import Graph
from retrograd.ops.indexing import getitem
from retrograd.ops.inputs import array_of
from retrograd.ops.shaping import stack
from retrograd.primitives.control import Call, Cond
from retrograd.primitives.loops import Scan, reporting
from retrograd.primitives.while_loop import While


def unfold(prim: Primitive, args: Sequence[Any]) -> tuple[Any, ...] | None:
    """The outputs of `prim`; None if it has to run as a whole: a declared derivative, lanes that differ."""
    if isinstance(prim, Call):
        return _run(prim.graph, args)
    if isinstance(prim, Cond):
        chosen = known(args[0])
        return None if chosen is None else _run(prim.true if bool(chosen) else prim.false, args[1:])
    if isinstance(prim, Scan):
        return _scan(prim, args)
    if isinstance(prim, While):
        return _while(prim, args)
    return None


def known(value: Any) -> Any:
    """A value that Python may look at, or None for one of a transform."""
    if isinstance(value, Box):
        return value.value if value.owner is None else None
    return value


def _run(graph: Graph, args: Sequence[Any]) -> tuple[Any, ...]:
    outs = interpret(graph, args)
    return tuple(
        o if hasattr(o, "dtype") else np.asarray(o, t.dtype) for o, t in zip(outs, graph.out_types, strict=True)
    )


def _scan(prim: Scan, args: Sequence[Any]) -> tuple[Any, ...]:
    k, n = prim.n_consts, prim.n_consts + prim.n_carry
    consts, carry, columns = args[:k], tuple(args[k:n]), args[n:]
    rows: list[tuple[Any, ...]] = [()] * prim.length
    with reporting() as report:
        for t in reversed(range(prim.length)) if prim.backwards else range(prim.length):
            with in_round(t):
                outs = _run(prim.body, [*consts, *carry, *[_row(x, t) for x in columns]])
            carry, rows[t] = outs[: prim.n_carry], outs[prim.n_carry :]
            report([_bare(c) for c in carry])
    kinds = prim.body.out_types[prim.n_carry :]
    return (*carry, *[_stacked([row[i] for row in rows], kind) for i, kind in enumerate(kinds)])


def _row(column: Any, t: int) -> Any:
    return array_of(getitem(column, t)) if isinstance(column, Box) else np.asarray(column[t])


def _stacked(values: list[Any], kind: ArrayType) -> Any:
    if not values:
        return np.zeros((0, *kind.shape), kind.dtype)
    return array_of(stack(values)) if any(isinstance(v, Box) for v in values) else np.stack(values)


def _while(prim: While, args: Sequence[Any]) -> tuple[Any, ...] | None:
    a, b = prim.n_condition, prim.n_condition + prim.n_body
    first, second, carry = args[:a], args[a:b], tuple(args[b:])
    done = 0
    with reporting() as report:
        while True:
            going = known(interpret(prim.condition, [*first, *carry])[0])
            if going is None:
                return None
            if not bool(going):
                return carry
            with in_round(done):
                carry = _run(prim.body, [*second, *carry])
            done += 1
            report([_bare(c) for c in carry])


def _bare(value: Any) -> Any:
    while isinstance(value, Box):
        value = value.value
    return value
