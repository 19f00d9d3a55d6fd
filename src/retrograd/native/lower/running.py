"""Running sums, products and linear recurrences: a loop along the axis that carries a row.

::

    y = cumulative_sum[axis=0](x: f32[9,4])   ->   c = x[0];  y[0] = c
                                                   loop k from 0 to 7:  c = c + x[k+1];  y[k+1] = c

What is carried has memory of its own, so a short row stays in registers while the loop runs. The operations follow
each other as `evaluate` says, so the results have the same bits.
"""

from __future__ import annotations

from typing import Any

from retrograd.core.types import ArrayType
from retrograd.graph.ir import Equation
from retrograd.native.loops import views
from retrograd.native.loops.costs import operations
from retrograd.native.loops.ir import Expr, Loop, Nest, Store, load
from retrograd.native.lower.lowering import LONG, Body, Place, element


def running(body: Body, e: Equation) -> None:
    """The first row as it is, and a loop over the others."""
    prim: Any = e.prim
    out = body.fresh(e.outs[0])
    if not out.size:
        return
    *factors, x = (_rows(body.place(o), prim.axis, prim.backwards) for o in e.operands)
    rows = _rows(out, prim.axis, prim.backwards)
    space = rows.shape[1:]
    carry = body.shared.buffer(ArrayType(space, out.dtype))
    first = element(_row(x, 0), space)
    body.statements.append(Nest(space, [Store(carry, first), Store(_row(rows, 0), first)]))
    if rows.shape[0] == 1:
        return
    counter = body.shared.counter()
    before, step = load(carry), element(views.row(_after(x), counter), space)
    if prim.name == "cumulative_product":
        value = Expr("multiply", out.dtype, (before, step))
    else:
        for a in factors:
            before = Expr("multiply", out.dtype, (element(views.row(_after(a), counter), space), before))
        value = Expr("add", out.dtype, (step, before))
    nest = Nest(space, [Store(carry, value), Store(views.row(_after(rows), counter), value)])
    loop = Loop(counter, rows.shape[0] - 1, False, [nest])
    loop.polls = operations([loop]) > LONG
    body.statements.append(loop)


def _rows(place: Place, axis: int, backwards: bool) -> Place:
    """The axis first, in the direction in which it is gone through."""
    rank = len(place.shape)
    moved = views.transpose(place, (axis, *[a for a in range(rank) if a != axis]))
    if not backwards:
        return moved
    starts = (moved.shape[0] - 1, *(0,) * (rank - 1))
    return views.part(moved, starts, moved.shape, (-1, *(1,) * (rank - 1)))


def _row(place: Place, number: int) -> Place:
    one = views.part(place, (number, *(0,) * (len(place.shape) - 1)), (1, *place.shape[1:]), (1,) * len(place.shape))
    return views.reshape(one, place.shape[1:])


def _after(place: Place) -> Place:
    """All rows but the first."""
    n, *rest = place.shape
    return views.part(place, (1, *(0,) * len(rest)), (n - 1, *rest), (1,) * len(place.shape))
