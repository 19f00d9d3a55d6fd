"""Primitives made of graphs, opened: the steps inside a jitted function, a loop or a branch, one by one.

The same code serves a replay, which wants values alone, and the recorder, which makes a block of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.core.primitive import Primitive
from retrograd.graph.interpret import evaluate
from retrograd.graph.ir import Graph, Literal, Var, subgraphs
from retrograd.primitives.control import Call, Cond, CustomVJP
from retrograd.primitives.custom import CustomJVP
from retrograd.primitives.loops import Scan
from retrograd.primitives.while_loop import While

LIMIT = 20_000  # a loop with more steps than this stays closed


def run(level: Any, prim: Primitive, args: Sequence[Any]) -> Any:
    """The outputs of `prim`, run step by step at `level`; None if it does not open."""
    if isinstance(prim, Call):
        title = f"{'checkpoint' if prim.recompute else 'call'} of {prim.label or 'a function'}"
        return level.block(prim, title, args, lambda xs: equations(level, prim.graph, xs))
    if isinstance(prim, Cond):
        taken = bool(level.array(args[0]))
        graph = prim.true if taken else prim.false
        title = f"cond: the condition is {taken}, so the {'first' if taken else 'second'} function runs"
        return level.block(prim, title, args, lambda xs: equations(level, graph, xs[1:]))
    if isinstance(prim, Scan):
        if prim.length * size(prim.body) > LIMIT:
            return None
        return level.block(prim, f"loop of {prim.length} iterations", args, lambda xs: _scan(level, prim, xs))
    if isinstance(prim, While):
        rounds = _count(prim, [level.array(a) for a in args])
        if rounds is None:
            return None
        title = f"while loop that ran {rounds} iterations"
        return level.block(prim, title, args, lambda xs: _while(level, prim, xs, rounds))
    if isinstance(prim, CustomVJP | CustomJVP) and not level.keeps_declared_derivatives:
        return level.block(prim, f"call of {prim.label}", args, lambda xs: equations(level, prim.primal, xs))
    return None


def equations(level: Any, graph: Graph, args: Sequence[Any]) -> list[Any]:
    """The outputs of a graph, equation by equation."""
    values: dict[Var, Any] = dict(zip(graph.inputs, args, strict=True))

    def look_up(o: Any) -> Any:
        return o.value if isinstance(o, Literal) else values[o]

    for e in graph.equations:
        out = level.equation(e.prim, [look_up(o) for o in e.operands], e.line)
        values.update(zip(e.outs, out if e.prim.multi else (out,), strict=True))
    return [look_up(o) for o in graph.outputs]


def size(graph: Graph) -> int:
    """How many steps a run of the graph takes, loops included."""
    total = 0
    for e in graph.equations:
        inner = [size(g) for g in subgraphs(e.prim)]
        total += max(inner, default=1) * (e.prim.length if isinstance(e.prim, Scan) else 1)
    return max(total, 1)


def _scan(level: Any, prim: Scan, args: list[Any]) -> list[Any]:
    k, n = prim.n_consts, prim.n_consts + prim.n_carry
    consts, carry = args[:k], args[k:n]
    columns = [level.unstacked(x, prim.length) for x in args[n:]]
    rows: dict[int, list[Any]] = {}
    for t in range(prim.length - 1, -1, -1) if prim.backwards else range(prim.length):
        title = f"iteration {t + 1} of {prim.length}"
        inputs = [*consts, *carry, *[c[t] for c in columns]]
        outs = level.block(None, title, inputs, lambda xs: equations(level, prim.body, xs))
        carry, rows[t] = list(outs[: prim.n_carry]), list(outs[prim.n_carry :])
    kinds = prim.body.out_types[prim.n_carry :]
    stacks = [level.stacked([rows[t][i] for t in range(prim.length)], kind) for i, kind in enumerate(kinds)]
    return [*carry, *stacks]


def _while(level: Any, prim: While, args: list[Any], rounds: int) -> list[Any]:
    a, b = prim.n_condition, prim.n_condition + prim.n_body
    carry = args[b:]
    for t in range(rounds):
        title = f"iteration {t + 1} of {rounds}"
        outs = level.block(None, title, [*args[a:b], *carry], lambda xs: equations(level, prim.body, xs))
        carry = list(outs)
    return carry


def _count(prim: While, args: list[np.ndarray]) -> int | None:
    """How many iterations the loop makes; None if they are too many to open."""
    a, b = prim.n_condition, prim.n_condition + prim.n_body
    carry = args[b:]
    most = LIMIT // size(prim.body)
    for rounds in range(most + 1):
        if not bool(evaluate(prim.condition, [*args[:a], *carry])[0]):
            return rounds
        carry = evaluate(prim.body, [*args[a:b], *carry])
    return None
