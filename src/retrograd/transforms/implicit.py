"""`fixed_point`: solutions of equations, differentiated as what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from retrograd.config import debugging
from retrograd.core.box import Box
from retrograd.core.dispatch import apply
from retrograd.core.tree import Structure, flatten, flatten_like, unflatten
from retrograd.core.types import ArrayType, type_of
from retrograd.errors import CellError, DTypeError, NotConverged, RetrogradError
from retrograd.graph.trace import Traced
from retrograd.ops.arithmetic import stop_gradient
from retrograd.ops.inputs import array_of, face
from retrograd.primitives.implicit import FixedPoint
from retrograd.transforms.arguments import flat_arrays, in_order, name_of, users_of
from retrograd.transforms.captures import CONSTANT, LIVE, SPENT, apply_traced, rearranged, tape_state, trace_tree
from retrograd.transforms.control_flow import settled
from retrograd.transforms.gradients import no_grad


def fixed_point(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    tolerance: float | None = None,
    max_iterations: int = 1000,
    derivative_tolerance: float | None = None,
) -> Any:
    r"""The solution of ``x = f(x, *args)``, by iterating from `x0`.

    Its derivative is that of the solution, not of the iterations: nothing is kept of them, and how many there were and
    from where they began makes no difference. With :math:`A = \partial f / \partial x` and
    :math:`B = \partial f / \partial a` at the solution, :math:`\dot x = A \dot x + B \dot a` and
    :math:`\bar a = B^T w,\; w = A^T w + \bar x`, each found by iterating in its turn (Almeida 1987; Pineda 1987;
    Christianson 1994), to any order. `x0` gets no gradient; parameters and other values that `f` captures do.

    Args:
        f: takes x and `args`, trees of arrays, and gives the next x, of the structure, shapes and dtypes of `x0`. It
            has to be a contraction near the solution, as it has to be for the iteration to get there at all. It may
            read cells and assigns none.
        tolerance: the iteration ends where no element changes by more than this times the largest element (or 1, if
            that is larger). By default eps to the 3/4: 6e-6 in float32, 2e-12 in float64. The error of the solution
            is about the last change times rho / (1 - rho), if each iteration leaves a share of rho.
        max_iterations: for the solution, and for each derivative.
        derivative_tolerance: the same for derivatives, relative to their own largest element; `tolerance` by default.

    Raises:
        NotConverged: after `max_iterations`, or at an infinite or NaN element; the compiled program raises it, too, and
            commits nothing. Under `vmap` each lane ends for itself, and one that does not end raises for all.

    >>> import retrograd as rg
    >>> root = lambda a: rg.fixed_point(lambda x, a: 0.5 * (x + a / x), 1.0, a)  # Newton's square root
    >>> root(2.0), rg.grad(root)(2.0)
    (tensor(1.41421356, dtype=float64), tensor(0.35355339, dtype=float64, weak))
    >>> rg.grad(rg.grad(root))(2.0)
    tensor(-0.08838835, dtype=float64, weak)
    """
    _check_limits(tolerance, derivative_tolerance, max_iterations)
    start, structure = flat_arrays(x0, "the x0 of fixed_point")
    name = f"fixed_point of {name_of(f)}"
    for v in start:
        if v.dtype.kind != "f":
            raise DTypeError(f"{name} from {v.dtype} values: convert them to floats")
    if not start:
        raise RetrogradError(f"{name}: x0 has no arrays")
    start = [array_of(stop_gradient(v)) if isinstance(v, Box) and v.node is not None else v for v in start]
    values, arguments = flat_arrays(list(args), f"the arguments of {name}")
    both = Structure(tuple, None, (structure, *arguments.children))

    def trace_with(types: list[ArrayType]) -> tuple[Traced, Structure]:
        def following(x: Any, *rest: Any) -> Any:
            return in_order(structure, f(x, *rest))

        given = [*types, *map(type_of, values)]
        return trace_tree(following, both, [*start, *values], given, name, users=users_of(f))

    traced, _, start = settled(trace_with, start, structure, name)
    for cell in (*traced.written, *traced.cleared):
        raise CellError(f"{name}: it assigns {cell.name}, and how often it runs is not to matter; return the value")
    eps = max(np.finfo(v.dtype).eps for v in start)
    close = float(eps**0.75) if tolerance is None else float(tolerance)
    if debugging():
        start = _in_python(f, unflatten(structure, start), args, close, max_iterations, name)
    outs = _solve(traced, start, values, close, derivative_tolerance, max_iterations, name)
    return unflatten(structure, [face(o) for o in outs])


def _check_limits(tolerance: Any, derivative_tolerance: Any, max_iterations: Any) -> None:
    if not isinstance(max_iterations, (int, np.integer)) or max_iterations < 1:
        raise RetrogradError(f"fixed_point: max_iterations={max_iterations}, an integer of at least 1 is needed")
    for name, value in (("tolerance", tolerance), ("derivative_tolerance", derivative_tolerance)):
        if value is not None and not float(value) >= 0:  # a NaN neither
            raise RetrogradError(f"fixed_point: {name}={value}, at least 0 is needed")


def _solve(
    traced: Traced, start: list[Any], values: list[Any], close: float, of_derivative: float | None, limit: int,
    name: str,
) -> list[Any]:  # fmt: skip
    n, total = len(start), len(traced.graph.inputs)
    types = [t.strong() for t in traced.graph.in_types]
    order = [*range(n, total), *range(n)]
    body = rearranged(traced, order, [types[i] for i in order], traced.graph.outputs[:n])
    prim = FixedPoint(body, total - n, close, close if of_derivative is None else float(of_derivative), limit, name)
    found = {tape_state(r) for r in traced.results}  # what one element of x depends on, all do in the end
    state = LIVE if LIVE in found else SPENT if SPENT in found else CONSTANT
    return apply_traced(lambda vs: apply(prim, *vs), [*values, *traced.extra_values(), *start], [state] * n)


def _in_python(f: Any, x: Any, args: Any, close: float, limit: int, name: str) -> list[Any]:
    """The iteration as plain Python, for `rg.debug()`: the solution is then found at once."""
    structure = flatten(x)[1]
    old = [face(array_of(v)) for v in flatten(x)[0]]
    with no_grad():
        for _ in range(limit):
            found = flatten_like(structure, f(unflatten(structure, old), *args), name)
            new = [face(array_of(v)) for v in found]
            change = max(float(abs(a - b).max()) if a.size else 0.0 for a, b in zip(new, old, strict=True))
            size = max(float(abs(a).max()) if a.size else 0.0 for a in new)
            old = new
            if change <= close * max(size, 1.0):
                return [array_of(v) for v in old]
    raise NotConverged(f"{name} did not converge in {limit} iterations")
