"""Laws about derivatives: each is a function of a case that raises `LawBroken`.

Derivatives are compared with five-point stencils of what is one order lower: values for the first order, the analytic
gradient for the second, the analytic second derivative for the third. A tolerance is never raised: samples move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retrograd.primitives.families import Pointwise
from retrograd.testing.cases import Arrays, Case, LawBroken, directions, need_close, plain, plains
from retrograd.testing.differences import STEP, along, jacobian
from retrograd.testing.execution_laws import recorded
from retrograd.transforms.derivatives import jvp, vjp

FIRST, INNER, SECOND, THIRD = 1e-8, 1e-12, 1e-7, 1e-6
Law = Callable[[Case], None]


def dot(u: Any, v: Any) -> Any:
    """The inner product of two arrays, in double precision."""
    return np.vdot(np.asarray(u, np.float64), np.asarray(v, np.float64))


def _step(case: Case, i: int) -> float:
    """Differences of what is linear are exact at any step, and a large one keeps conversions exact."""
    return 1.0 if case.floats[i] in (case.prim.linear or ()) else STEP


def _units(x: Any) -> np.ndarray:
    """All unit arrays of the shape of `x`, stacked."""
    n = int(np.prod(x.shape, dtype=np.int64))
    return np.eye(n, dtype=x.dtype).reshape(n, *x.shape)


def is_constant(case: Case) -> bool:
    """Whether the primitive declares to have no derivative."""
    return not case.prim.differentiable


def reverse(case: Case) -> None:
    """Every row of the Jacobian, pulled back, is that of differences."""
    f, xs = case.function(), case.inputs
    outs, pull = vjp(f, *xs)
    for j, o in enumerate(outs):
        rows = [
            plains(pull(tuple(e if k == j else np.zeros(p.shape, p.dtype) for k, p in enumerate(outs))))
            for e in _units(o)
        ]
        for i, x in enumerate(xs):
            found = np.array([row[i] for row in rows]).reshape((*o.shape, *x.shape))
            if is_constant(case):
                need_close(found, np.zeros(found.shape), 0.0, f"the gradient of a constant, {case}")
                continue
            wanted = jacobian(case.values, xs, i, _step(case, i))[j]
            need_close(found, wanted, FIRST, f"reverse: output {j} by input {i} of {case}")
            if wanted.size and np.abs(wanted).max() > 100:
                raise LawBroken(f"{case}: a sample with a derivative above 100")


def forward(case: Case) -> None:
    """Every column of the Jacobian, pushed forward, is that of differences; so is a direction of all at once."""
    f, xs = case.function(), case.inputs
    zeros = [np.zeros_like(x) for x in xs]
    for i, x in enumerate(xs):
        wanted = jacobian(case.values, xs, i, _step(case, i))
        for e, unit in enumerate(_units(x)):
            _, tangents = jvp(f, xs, [unit if k == i else z for k, z in enumerate(zeros)])
            for j, (t, w) in enumerate(zip(tangents, wanted, strict=True)):
                column = w.reshape((*t.shape, x.size))[..., e]
                what = f"forward: output {j} by element {e} of input {i} of {case}"
                need_close(t, np.zeros(t.shape) if is_constant(case) else column, FIRST, what)
    if xs and not is_constant(case) and exact(case):
        vs = directions(xs, 1)
        for t, w in zip(jvp(f, xs, vs)[1], along(case.values, xs, vs), strict=True):
            need_close(t, w, FIRST, f"forward: a direction, {case}")


def inner_product(case: Case) -> None:
    r""":math:`\langle u, J v \rangle = \langle J^T u, v \rangle`: forward and reverse tell of the same Jacobian."""
    f, xs = case.function(), case.inputs
    vs = directions(xs, 2)
    outs, pull = vjp(f, *xs)
    us = directions(outs, 3)
    pulled, pushed = plains(pull(us)), plains(jvp(f, xs, vs)[1])
    left = sum(map(dot, us, pushed))
    right = sum(map(dot, pulled, vs))
    need_close(right, left, INNER, f"inner product, {case}")


def _gradient(case: Case) -> tuple[Callable[..., Arrays], Arrays]:
    """The pullback as a function of inputs and cotangents, and arguments for it."""
    f, xs, n = case.function(), case.inputs, len(case.inputs)
    cotangents = directions(case.values(xs), 4)

    def pulled(*both: Any) -> Arrays:
        return tuple(vjp(f, *both[:n])[1](tuple(both[n:])))

    return pulled, (*xs, *cotangents)


def _tangent(f: Callable[..., Arrays], xs: Sequence[Any], seed: int) -> tuple[Callable[..., Arrays], Arrays]:
    """The push-forward as a function of inputs and tangents, and arguments for it."""
    n = len(xs)

    def pushed(*both: Any) -> Arrays:
        return tuple(jvp(f, both[:n], both[n:])[1])

    return pushed, (*xs, *directions(xs, seed))


def _agrees(g: Callable[..., Arrays], xs: Arrays, tolerance: float, what: str, by: str = "both") -> None:
    """Reverse and forward derivatives of `g`, itself a derivative, against differences of it."""

    def values(points: Sequence[Any]) -> list[np.ndarray]:
        return plains(g(*points))

    us = directions(values(xs), 5)
    if by != "forward":
        pulled = vjp(g, *xs)[1](us)

        def weighed(points: Sequence[Any]) -> list[Any]:
            return [sum(map(dot, us, values(points)))]

        if tolerance == THIRD:  # one direction: every value of a second derivative is expensive
            ws = directions(xs, 13)
            found = sum(map(dot, pulled, ws))
            need_close(found, along(weighed, xs, ws)[0], tolerance, f"{what}: reverse, in a direction")
        else:
            for i, p in enumerate(pulled):
                need_close(p, jacobian(weighed, xs, i)[0], tolerance, f"{what}: reverse, by argument {i}")
    if by != "reverse":
        vs = directions(xs, 6)
        for j, (t, w) in enumerate(zip(jvp(g, xs, vs)[1], along(values, xs, vs), strict=True)):
            need_close(t, w, tolerance, f"{what}: forward, result {j}")


def exact(case: Case) -> bool:
    """Whether all numbers are double, so that differences say something."""
    return all(np.asarray(a).dtype == np.float64 for a in (*case.inputs, *case.values(case.inputs)))


def second(case: Case) -> None:
    """Derivatives of the gradient, in both modes, are its differences; so are those of the push-forward."""
    if exact(case):
        if case.prim.reverse:
            _agrees(*_gradient(case), SECOND, f"second order over reverse, {case}")
        by = "both" if case.prim.reverse else "forward"
        _agrees(*_tangent(case.function(), case.inputs, 7), SECOND, f"second order over forward, {case}", by)


def third(case: Case) -> None:
    """One order more: reverse over reverse over reverse, and mixtures."""
    if not exact(case):
        return
    if case.prim.reverse:
        g, xs = _gradient(case)
        us = directions(plains(g(*xs)), 8)

        def again(*points: Any) -> Arrays:
            return tuple(vjp(g, *points)[1](us))

        _agrees(again, xs, THIRD, f"third order over reverse over reverse, {case}", "reverse")
        _agrees(*_tangent(g, xs, 9), THIRD, f"third order over forward over reverse, {case}")
    f, ys = _tangent(case.function(), case.inputs, 10)
    by = "both" if case.prim.reverse else "forward"
    _agrees(*_tangent(f, ys, 11), THIRD, f"third order over forward over forward, {case}", by)


def repeated(case: Case) -> None:
    """One array in two places gets the sum of both cotangents: ``x * x``."""
    for a in range(len(case.floats)):
        for b in range(a):
            if np.shape(case.inputs[a]) != np.shape(case.inputs[b]) or is_constant(case):
                continue

            def twice(*xs: Any, a: int = a, b: int = b) -> Arrays:
                both = list(case.inputs)
                both[a] = both[b] = xs[0]
                return case.function()(*both)

            def values(points: Sequence[Any], f: Any = twice) -> list[np.ndarray]:
                return plains(f(*points))

            try:
                xs = (case.inputs[b],)
                values(xs)
            except (ValueError, IndexError):
                continue
            _agrees_first(twice, values, xs, f"argument {b} again as {a}, {case}", case)


def _agrees_first(f: Any, values: Any, xs: Arrays, what: str, case: Case) -> None:
    us = directions(values(xs), 12)
    weighed = jacobian(lambda points: [sum(map(dot, us, values(points)))], xs, 0)[0]
    if case.prim.reverse:
        need_close(vjp(f, *xs)[1](us)[0], weighed, FIRST, what)


def kinks(case: Case) -> None:
    """At kinks the cotangents are those declared: by `vjp`, on tape, and (of one element by itself) by `jvp`."""
    if case.number:
        return
    for args, declared in case.prim.kinks():
        at = Case(case.prim, tuple(map(np.asarray, args)))
        outs, pull = vjp(at.function(), *at.inputs)
        threes = [np.full(o.shape, 3.0, o.dtype) for o in outs]  # ones would not tell a factor from nothing
        wanted = [3 * np.asarray(d, x.dtype) for d, x in zip(declared, at.inputs, strict=True)]
        _declared(pull(tuple(threes)), wanted, f"the cotangents by vjp, {at} {args}")
        _declared(recorded(at, threes), wanted, f"the cotangents by backward, {at} {args}")
        if isinstance(case.prim, Pointwise):
            for i, x in enumerate(at.inputs):
                vs = [np.full_like(v, 3.0 * (j == i)) for j, v in enumerate(at.inputs)]
                tangents = jvp(at.function(), at.inputs, vs)[1]
                # zeros for the other arguments: undefined where their own derivative is
                good = np.isfinite([w for j, w in enumerate(wanted) if j != i]).all(0) & ~np.isnan(x)
                _declared([plain(tangents[0])[good]], [wanted[i][good]], f"the tangent by input {i}, {at} {args}")


def _declared(found: Sequence[Any], wanted: Sequence[Any], what: str) -> None:
    for i, (f, w) in enumerate(zip(found, wanted, strict=True)):
        if f is None or not np.array_equal(plain(f), w, equal_nan=True):
            raise LawBroken(f"{what}: input {i} gets {f}, declared is {w}")
