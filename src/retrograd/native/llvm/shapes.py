"""The shape of a nest's loops: dimensions that can be one are merged, and the best one for vectors goes last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from retrograd.native.loops.ir import Check, Expr, Nest, Reduce, Scatter, Store, View, expressions, roots


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
        [Store(change(s.view), known[id(s.value)]) for s in statement.stores],
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
    if nest.product is not None:
        return nest
    return merged(ordered(merged(nest)))
