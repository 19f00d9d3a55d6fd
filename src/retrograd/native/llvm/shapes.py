"""The shape of a nest's loops: dimensions that can be one are merged, and the best one for vectors goes last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from retrograd.native.loops.ir import Check, Expr, Matrices, Nest, Reduce, Scatter, Store, View, expressions, roots


def views_of(statement: Nest | Scatter) -> list[View]:
    """Every view over the space of a statement."""
    found = [e.attr for e in expressions(roots(statement)) if e.op in ("load", "fetch")]
    if isinstance(statement, Scatter):
        return [*found, statement.out]
    return found + [s.view for s in statement.stores] + [r.view for r in statement.reduces]


def rebuilt(
    statement: Nest, change: Callable[[View], View], space: tuple[int, ...], axes: Callable[[Any], Any]
) -> Nest:
    """The nest over another space, each view changed."""
    known: dict[int, Expr] = {}
    for e in expressions(roots(statement)):
        attr = change(e.attr) if e.op in ("load", "fetch") else e.attr
        known[id(e)] = Expr(e.op, e.dtype, tuple(known[id(a)] for a in e.args), attr, e.weak)
    return Nest(
        space,
        [Store(change(s.view), known[id(s.value)], s.final) for s in statement.stores],
        [Reduce(change(r.view), r.op, known[id(r.value)], axes(r.axes)) for r in statement.reduces],
        [Check(known[id(c.bad)], known[id(c.value)], c.site) for c in statement.checks],
        statement.product,
    )


def merged(nest: Nest) -> Nest:
    """Neighbouring dimensions as one where every view moves through them evenly; those of length one are gone."""
    views = views_of(nest)
    groups: list[list[int]] = []
    for d, n in enumerate(nest.space):
        if n == 1:
            continue
        if (
            groups
            and _even(views, groups[-1][-1], d, n)
            and all(r.axes[groups[-1][-1]] == r.axes[d] for r in nest.reduces)
        ):
            groups[-1].append(d)
        else:
            groups.append([d])
    if len(groups) == len(nest.space):
        return nest
    return _regrouped(nest, groups)


def _even(views: Sequence[View], outer: int, inner: int, n: int) -> bool:
    return all(v.strides[outer] == v.strides[inner] * n for v in views)


def _regrouped(nest: Nest, groups: Sequence[Sequence[int]]) -> Nest:
    space = []
    for g in groups:
        n = 1
        for d in g:
            n *= nest.space[d]
        space.append(n)
    last = [g[-1] for g in groups]

    def change(view: View) -> View:
        return replace(view, shape=tuple(space), strides=tuple(view.strides[d] for d in last))

    return rebuilt(nest, change, tuple(space), lambda axes: tuple(axes[d] for d in last))


def ordered(nest: Nest) -> Nest:
    """The dimension along which most views are contiguous last; the others keep their order."""
    rank = len(nest.space)
    if rank < 2 or nest.product is not None:
        return nest
    weights = [0.0] * rank
    stored = {id(s.view) for s in nest.stores}
    for view in views_of(nest):
        if view.buffer is None:
            continue
        for d, s in enumerate(view.strides):
            if s == 1:
                weights[d] += 2.0 if id(view) in stored else 1.0
            elif s == 0:
                weights[d] += 0.4
    for d, n in enumerate(nest.space):
        if n < 8:  # too short to fill a register
            weights[d] *= 0.5
    best = max(range(rank), key=lambda d: (weights[d], d))
    if best == rank - 1:
        return nest
    order = [*[d for d in range(rank) if d != best], best]
    return _permuted(nest, order)


def _permuted(nest: Nest, order: Sequence[int]) -> Nest:
    def change(view: View) -> View:
        return replace(view, shape=tuple(view.shape[d] for d in order), strides=tuple(view.strides[d] for d in order))

    return rebuilt(nest, change, tuple(nest.space[d] for d in order), lambda axes: tuple(axes[d] for d in order))


def arranged(nest: Nest) -> Nest:
    """The nest as its loops are written."""
    return merged(ordered(merged(nest))) if nest.product is None else arranged_product(nest)


# Products -------------------------------------------------------------------------------------------------------------


def arranged_product(nest: Nest) -> Nest:
    """A product of stacks of matrices as one of larger matrices where it is one, and columns as rows."""
    assert nest.product is not None
    a, b, k = nest.product.a, nest.product.b, nest.product.k
    *stack, m, n = nest.space
    d = len(stack) - 1
    if d >= 0:
        if b.strides[d] == 0 and (m == 1 or a.strides[d] == a.strides[-2] * m):
            # the second matrix serves the whole stack: the rows of all first ones are rows of one
            rows = a.strides[d] if m == 1 else a.strides[-2]
            first = replace(a, shape=(*stack[:-1], stack[-1] * m, k), strides=(*a.strides[:d], rows, a.strides[-1]))
            second = replace(b, shape=(*stack[:-1], k, n), strides=(*b.strides[:d], *b.strides[-2:]))
            keep = d if m == 1 else d + 1
            if m == 1 or all(v.strides[d] == v.strides[d + 1] * m for v in views_of(nest)):
                return arranged_product(_without(nest, d, keep, stack[-1] * m, Matrices(first, second, k)))
        if n == 1 and a.strides[d] == 0:
            # one matrix, many vectors: the vectors are the rows of the first operand
            first = replace(b, shape=(*stack, k), strides=(*b.strides[:d], b.strides[d], b.strides[-2]))
            second = replace(a, shape=(*stack[:-1], k, m), strides=(*a.strides[:d], a.strides[-1], a.strides[-2]))
            space = (*stack, m)
            return arranged_product(_projected(nest, [*range(d + 1), d + 1], space, Matrices(first, second, k)))
    if n == 1 and m > 1:
        first = replace(b, shape=(*stack, 1, k), strides=(*b.strides[:-2], b.strides[-1], b.strides[-2]))
        second = replace(a, shape=(*stack, k, m), strides=(*a.strides[:-2], a.strides[-1], a.strides[-2]))
        order = [*range(len(stack)), len(stack) + 1, len(stack)]
        return _projected(nest, order, (*stack, 1, m), Matrices(first, second, k))
    return nest


def _without(nest: Nest, gone: int, kept: int, length: int, product: Matrices) -> Nest:
    """The stack's last dimension and the rows as one; `kept` is the one whose strides it has."""
    order = [d for d in range(len(nest.space)) if d not in (gone, gone + 1)]
    order.insert(gone, kept)
    space = [nest.space[d] for d in order]
    space[gone] = length
    return _projected(nest, order, tuple(space), product)


def _projected(nest: Nest, order: Sequence[int], space: tuple[int, ...], product: Matrices) -> Nest:
    """The nest over other dimensions: each is one of the old ones."""

    def change(view: View) -> View:
        return replace(view, shape=space, strides=tuple(view.strides[d] for d in order))

    found = rebuilt(nest, change, space, lambda axes: tuple(axes[d] for d in order))
    found.product = product
    return found
