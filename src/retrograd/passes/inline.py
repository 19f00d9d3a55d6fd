"""Inline calls: ``call`` and functions with declared derivatives become the equations of their graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.core.types import ArrayType
from retrograd.errors import RetrogradError
from retrograd.graph.ir import Equation, Graph, Literal, Operand
from retrograd.graph.stage import with_axes
from retrograd.passes.rewrite import Writer, rewritten
from retrograd.primitives.arithmetic import Convert


def inline_calls(graph: Graph) -> Graph:
    """Every call is replaced by what it calls, with fresh variables.

    ::

        b: f32 = call[graph=graph(x: f32) { y: f32 = tanh(x) return y }, ...](a)   ->   b: f32 = tanh(a)

    What a checkpoint runs again is written again; where common subexpressions find the first run, they join the two.
    """
    rules = {"call": _call, "custom_vjp": _custom, "custom_jvp": _custom, "fixed_point": _solution}
    return rewritten(graph, rules, inline_calls)


def _call(w: Writer, e: Equation) -> Sequence[Operand] | None:
    prim: Any = e.prim
    return _inlined(w, e, prim.graph)


def _custom(w: Writer, e: Equation) -> Sequence[Operand] | None:
    prim: Any = e.prim
    return _inlined(w, e, prim.primal)


def _solution(w: Writer, e: Equation) -> Sequence[Operand] | None:
    prim: Any = e.prim
    return _inlined(w, e, prim.solution)


def _inlined(w: Writer, e: Equation, graph: Graph) -> Sequence[Operand] | None:
    """The outputs of `graph` written out; None if it cannot be, because it relies on a weak argument that is strong."""
    start = len(w.equations)
    try:
        args = [fitted(w, o, v.type) for o, v in zip(e.operands, graph.inputs, strict=True)]
        outs = [fitted(w, o, v.type) for o, v in zip(w.copy(graph, args), e.outs, strict=True)]
    except RetrogradError:
        outs = []
    if len(outs) == len(e.outs) and all(o.type == v.type for o, v in zip(outs, e.outs, strict=True)):
        return outs
    del w.equations[start:]
    return None


def fitted(w: Writer, o: Operand, wanted: ArrayType) -> Operand:
    """`o` as weak or strong as `wanted`, where that can be said."""
    if o.type == wanted:
        return o
    if isinstance(o, Literal):
        return Literal(o.value.item(), wanted) if wanted.weak else with_axes(o)
    return o if wanted.weak else w.write(Convert.of(wanted.dtype), o)
