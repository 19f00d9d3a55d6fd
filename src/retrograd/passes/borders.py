"""Borders of loops: what goes in and comes out once, and as small as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retrograd.core.types import ArrayType
from retrograd.graph.ir import Equation, Graph, Literal, Operand, Var
from retrograd.graph.stage import with_axes
from retrograd.passes.common import literal_key
from retrograd.passes.rewrite import Writer, rewritten
from retrograd.primitives.arithmetic import Convert
from retrograd.primitives.movement import Broadcast, Reshape


def narrow_borders(graph: Graph) -> Graph:
    """Loops take and give nothing twice, and no stretched arrays.

    ========================================================  ======================================================
    a constant that is a literal, or a stretched number       is written in the body
    a sequence whose every step is the same                   is a constant
    a constant or a sequence that enters twice                enters once
    a stacked output that is a constant, or a literal         is stretched after the loop, where it is wanted at all
    a stacked output that is a sequence, or another output    is that
    ========================================================  ======================================================

    So what the reverse sweep keeps of each step is not the same weights once for each step.
    """
    return rewritten(graph, {"scan": _scan, "while": _while}, narrow_borders)


class Border:
    """The inputs of a new body, and the operands that come in by them."""

    def __init__(self, outer: Writer) -> None:
        self.outer = outer
        self.inner = Writer({})
        self.constants: list[tuple[Var, Operand]] = []
        self.sequences: list[tuple[Var, Operand]] = []
        self.changed = False
        self._entered: dict[Any, Var] = {}

    def constant(self, o: Operand, wanted: ArrayType, v: Var | None = None) -> Operand:
        """What the body calls the operand `o`, as a value of the type `wanted`; a new input is `v`."""
        number = with_axes(o)
        if type(number) is Literal and number.type == wanted:
            self.changed = True
            return number
        maker = self.outer.maker(o, "broadcast")
        if maker is not None and wanted.size > 1:
            number = with_axes(maker.operands[0])
            if number.type == ArrayType((), wanted.dtype):
                self.changed = True
                return self.inner.write(Broadcast.of(wanted.shape), self.constant(number, number.type))
        return self._enter(self.constants, o, wanted, v)

    def sequence(self, o: Operand, v: Var) -> Operand:
        """What the body calls a step of the operand `o`."""
        step = self._same_steps(o)
        if step is None:
            return self._enter(self.sequences, o, v.type, v)
        self.changed = True
        return self.constant(step, v.type)

    def _enter(self, kind: list[tuple[Var, Operand]], o: Operand, wanted: ArrayType, v: Var | None) -> Var:
        key = (kind is self.constants, o if type(o) is Var else literal_key(o), wanted)
        found = self._entered.get(key)
        if found is None:
            found = self._entered[key] = v or Var(wanted)
            kind.append((found, o))
        self.changed = self.changed or found is not v
        return found

    def _same_steps(self, o: Operand) -> Operand | None:
        """The step of a sequence that was stretched along its first axis."""
        maker = self.outer.maker(o, "broadcast")
        if maker is None:
            return None
        (source,), shape = map(with_axes, maker.operands), o.shape[1:]
        if source.type.weak:
            source = self.outer.write(Convert.of(source.dtype), source)
        if len(source.shape) == len(o.shape):
            if source.shape[0] != 1 or o.shape[0] == 1:
                return None
            source = self.outer.write(Reshape.of(source.shape[1:]), source)
        return source if source.shape == shape else self.outer.write(Broadcast.of(shape), source)

    def outside(self, o: Operand, known: dict[Operand, Operand]) -> Operand | None:
        """What the body's operand `o` is outside, before it is stretched, if it is the same in every step."""
        if type(o) is Literal:
            return o
        maker = self.inner.maker(o, "broadcast")
        return known.get(o) if maker is None else self.outside(maker.operands[0], known)


def _scan(w: Writer, e: Equation) -> Sequence[Operand] | None:
    prim: Any = e.prim
    body, k, n = prim.body, prim.n_consts, prim.n_consts + prim.n_carry
    border = Border(w)
    args = [border.constant(o, v.type, v) for o, v in zip(e.operands[:k], body.inputs[:k], strict=True)]
    args += body.inputs[k:n]
    args += [border.sequence(o, v) for o, v in zip(e.operands[n:], body.inputs[n:], strict=True)]
    results = border.inner.copy(body, args)
    known: dict[Operand, Operand] = {v: o for v, o in border.constants if v.dtype == o.dtype}
    sources: dict[Operand, Operand] = dict(border.sequences)
    stands: list[Operand] = list(e.outs[: n - k])
    kept: dict[Operand, Var] = {}
    for y, out in zip(results[n - k :], e.outs[n - k :], strict=True):
        same = border.outside(y, known)
        if same is not None:
            stands.append(w.write(Broadcast.of(out.shape), same))
        elif type(y) is Var and y in sources and sources[y].type == out.type:
            stands.append(sources[y])
        else:
            stands.append(kept.setdefault(y, out))
    if not border.changed and all(a is b for a, b in zip(stands, e.outs, strict=True)):
        return None
    first, last = border.constants, border.sequences
    inputs = (*[v for v, _ in first], *body.inputs[k:n], *[v for v, _ in last])
    inner = Graph(inputs, tuple(border.inner.equations), (*results[: n - k], *kept))
    operands = (*[o for _, o in first], *e.operands[k:n], *[o for _, o in last])
    small = replace(prim, body=inner, n_consts=len(first))
    w.append(Equation(small, operands, (*e.outs[: n - k], *kept.values()), e.line))
    return stands


def _while(w: Writer, e: Equation) -> Sequence[Operand] | None:
    prim: Any = e.prim
    a, b = prim.n_condition, prim.n_condition + prim.n_body
    graphs, operands, changed = [], [], False
    for graph, own in ((prim.condition, e.operands[:a]), (prim.body, e.operands[a:b])):
        border = Border(w)
        args = [border.constant(o, v.type, v) for o, v in zip(own, graph.inputs, strict=False)]
        carry = graph.inputs[len(own) :]
        outputs = tuple(border.inner.copy(graph, [*args, *carry]))
        changed = changed or border.changed
        graphs.append(Graph((*[v for v, _ in border.constants], *carry), tuple(border.inner.equations), outputs))
        operands.append([o for _, o in border.constants])
    if not changed:
        return None
    small = replace(prim, condition=graphs[0], body=graphs[1], n_condition=len(operands[0]), n_body=len(operands[1]))
    w.append(Equation(small, (*operands[0], *operands[1], *e.operands[b:]), e.outs, e.line))
    return e.outs
