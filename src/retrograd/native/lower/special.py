"""Primitives that are statements of their own: padding, scatters, draws, loops, branches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from retrograd.core.types import ArrayType
from retrograd.graph.ir import Equation, Literal
from retrograd.native.loops import views
from retrograd.native.loops.costs import operations
from retrograd.native.loops.ir import (
    ArgMax,
    Constant,
    Draw,
    Expr,
    Host,
    If,
    Loop,
    Nest,
    Reduce,
    Scatter,
    View,
    While,
    load,
)
from retrograd.native.lower.coalescing import mark_final, settle
from retrograd.native.lower.lowering import LONG, Body, element
from retrograd.native.lower.running import running


def _fill(body: Body, view: View, value: Any = 0) -> None:
    body.copy(Constant(value, view.dtype, view.shape), view)


def _pad(body: Body, e: Equation) -> None:
    prim: Any = e.prim
    out = body.fresh(e.outs[0])
    x = body.place(e.operands[0])
    _fill(body, out)
    starts, lengths, steps = prim._place(x.shape)
    if 0 not in x.shape:
        body.copy(x, views.part(out, starts, lengths, steps))


def _concatenate(body: Body, e: Equation) -> None:
    prim: Any = e.prim
    out = body.fresh(e.outs[0])
    axis, start = prim.axis, 0
    for o in e.operands:
        x = body.place(o)
        starts = tuple(start if a == axis else 0 for a in range(len(out.shape)))
        start += x.shape[axis]
        if 0 not in x.shape:
            body.copy(x, views.part(out, starts, x.shape, (1,) * len(out.shape)))


def _matmul(body: Body, e: Equation) -> None:
    """A product of integers or booleans: a plain reduction."""
    a, b = (body.place(o) for o in e.operands)
    out = body.fresh(e.outs[0])
    *stack, m, n = out.shape
    k = a.shape[-1]
    space = (*stack, m, n, k)
    a = views.broadcast(a, (*stack, m, k))
    b = views.broadcast(b, (*stack, k, n))
    *sa, am, ak = a.strides
    *sb, bk, bn = b.strides
    left = load(replace(a, shape=space, strides=(*sa, am, 0, ak)))
    right = load(replace(b, shape=space, strides=(*sb, 0, bn, bk)))
    word = "logical_and" if out.dtype.kind == "b" else "multiply"
    value = Expr(word, out.dtype, (left, right))
    spread = replace(out, shape=space, strides=(*out.strides, 0))
    axes = (*(False,) * (len(space) - 1), True)
    body.statements.append(Nest(space, [], [Reduce(spread, "add", value, axes)]))


def _argmax(body: Body, e: Equation) -> None:
    prim: Any = e.prim
    x = body.in_memory(e.operands[0])
    out = body.fresh(e.outs[0])
    (axis,) = prim.axes
    order = (*[a for a in range(len(x.shape)) if a != axis], axis)
    moved = views.transpose(x, order)
    flat = replace(out, shape=moved.shape[:-1], strides=_without(out.strides, axis, prim.keepdims))
    body.statements.append(ArgMax(moved, flat, prim.name == "argmin"))


def _without(strides: tuple[int, ...], axis: int, keepdims: bool) -> tuple[int, ...]:
    return tuple(s for a, s in enumerate(strides) if a != axis) if keepdims else strides


def _scatter_add(body: Body, e: Equation) -> None:
    prim: Any = e.prim
    places = body.in_memory(e.operands[0])
    x = body.place(e.operands[1])
    out = body.fresh(e.outs[0])
    b, k = prim.batch_axes, places.shape[-1]
    _fill(body, out)
    rest = x.shape[len(places.shape) - 1 :]
    at, checks = body.offset(e, places, out.shape[b : b + k], out.strides[b : b + k], rest)
    between = len(places.shape) - 1 - b
    strides = (*out.strides[:b], *(0,) * between, *out.strides[b + k :])
    base = replace(out, shape=x.shape, strides=strides)
    body.statements.append(Scatter(x.shape, base, at, element(x, x.shape), checks))


def _random_bits(body: Body, e: Equation) -> None:
    prim: Any = e.prim
    state = body.dense(e.operands[0])
    out, following = (body.fresh(v) for v in e.outs)
    lanes = math.prod(prim.lanes)
    if not prim.lanes:
        body.statements.append(Draw(state, out, following))
    elif lanes and out.size:  # one generator after another
        counter = body.shared.counter()
        state, out, following = (
            views.row(views.reshape(v, (lanes, *v.shape[len(prim.lanes) :])), counter) for v in (state, out, following)
        )
        body.statements.append(Loop(counter, lanes, False, [Draw(state, out, following)], False))
    elif lanes:
        body.copy(state, following)


def host(body: Body, e: Equation) -> None:
    """NumPy computes it."""
    prim: Any = e.prim
    operands = [body.place(o) if isinstance(o, Literal) else body.dense(o) for o in e.operands]
    outs = [body.fresh(v) for v in e.outs]
    body.statements.append(Host(prim, operands, outs))


# Control flow ---------------------------------------------------------------------------------------------------------


def _inner(body: Body, graph: Any, inputs: list[Any], wanted: list[Any]) -> tuple[list[Any], list[Any], Body]:
    """The statements of a subgraph, and where its outputs are."""
    body.shared.depth += 1
    inner = Body(body.shared, graph, inputs, wanted)
    outs = inner.run()
    body.shared.depth -= 1
    found = [Constant(o.value, o.dtype) if isinstance(o, Literal) else o for o in outs]
    return inner.statements, found, inner


def _carried(body: Body, e: Equation, start: list[Any], n: int) -> list[View]:
    """Memory of what a loop carries, with its first values."""
    carry = []
    for first, v in zip(start, e.outs[:n], strict=True):
        view = body.fresh(v)
        place = body.place(first)
        body.copy(replace(place, dtype=view.dtype) if isinstance(place, Constant) else place, view)
        carry.append(view)
    return carry


def _scan(body: Body, e: Equation) -> None:
    prim: Any = e.prim
    k, c = prim.n_consts, prim.n_consts + prim.n_carry
    consts = [body.place(o) for o in e.operands[:k]]
    xs = [body.place(o) for o in e.operands[c:]]
    carry = _carried(body, e, list(e.operands[k:c]), prim.n_carry)
    stacks = [body.fresh(v) for v in e.outs[prim.n_carry :]]
    if not prim.length:
        return
    counter = body.shared.counter()
    top = body.shared.depth == 0
    temporary = [body.shared.buffer(v.type.strong()) for v in e.outs[: prim.n_carry]]
    inputs = [*consts, *carry, *[views.row(x, counter) for x in xs]]
    rows = [views.row(s, counter) for s in stacks]
    statements, outs, inner = _inner(body, prim.body, inputs, [*temporary, *rows])
    carried = {c.buffer for c in carry}
    for place, row in zip(outs[prim.n_carry :], rows, strict=True):
        if place != row:
            inner.copy(place, row)
            if isinstance(place, View) and place.buffer in carried:  # as it enters: it may be overwritten soon
                statements.insert(0, statements.pop())
    settle(inner, outs[: prim.n_carry], temporary, carry, top)
    loop = Loop(counter, prim.length, prim.backwards, statements, top)
    loop.polls = top or operations([loop]) > LONG
    if top:
        mark_final(statements, carry)
    body.statements.append(loop)


def _while(body: Body, e: Equation) -> None:
    prim: Any = e.prim
    a, b = prim.n_condition, prim.n_condition + prim.n_body
    first = [body.place(o) for o in e.operands[:a]]
    second = [body.place(o) for o in e.operands[a:b]]
    carry = _carried(body, e, list(e.operands[b:]), len(e.outs))
    top = body.shared.depth == 0
    flag = body.shared.buffer(ArrayType((), np.dtype("bool")))
    test, found, tester = _inner(body, prim.condition, [*first, *carry], [flag])
    if found[0] != flag:
        tester.copy(found[0], flag)
    temporary = [body.shared.buffer(v.type.strong()) for v in e.outs]
    statements, outs, inner = _inner(body, prim.body, [*second, *carry], list(temporary))
    settle(inner, outs, temporary, carry, top)
    body.statements.append(While(test, flag, statements, top))


def _cond(body: Body, e: Equation) -> None:
    prim: Any = e.prim
    flag = body.in_memory(e.operands[0])
    inputs = [body.place(o) for o in e.operands[1:]]
    outs = [body.fresh(v) for v in e.outs]
    arms = []
    for graph in (prim.true, prim.false):
        statements, found, inner = _inner(body, graph, inputs, list(outs))
        for place, view in zip(found, outs, strict=True):
            if place != view:
                inner.copy(replace(place, dtype=view.dtype) if isinstance(place, Constant) else place, view)
        arms.append(statements)
    body.statements.append(If(flag, *arms))


STATEMENTS: dict[str, Callable[[Body, Equation], None]] = {
    "pad": _pad, "concatenate": _concatenate, "matmul": _matmul, "argmax": _argmax, "argmin": _argmax,
    "scatter_add": _scatter_add, "random_bits": _random_bits, "scan": _scan, "while": _while, "cond": _cond,
    "cumulative_sum": running, "cumulative_product": running, "linear_recurrence": running,
}  # fmt: skip
