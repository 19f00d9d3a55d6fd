"""Solutions of equations: the fixed point of a graph, with the derivative of the implicit function theorem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retrograd.config import INT
from retrograd.core.dispatch import apply, apply1, apply2
from retrograd.core.forward import zeros_for
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.errors import NotConverged
from retrograd.graph.interpret import interpret
from retrograd.graph.ir import Graph
from retrograd.graph.trace import trace_pure
from retrograd.primitives import derive
from retrograd.primitives.arithmetic import ABSOLUTE, MAXIMUM, Convert
from retrograd.primitives.comparison import LOGICAL_AND, WHERE
from retrograd.primitives.control import Call, OfGraphs, check_inputs, drawn, example, filled, run_inner
from retrograd.primitives.families import Pointwise, broadcast_to, lead
from retrograd.primitives.loops import check_carry
from retrograd.primitives.movement import Reshape
from retrograd.primitives.reduction import AnyTrue, Max
from retrograd.primitives.trigonometric import SIN
from retrograd.primitives.while_loop import While

UNFINISHED, NOT_FINITE = -1, -2


@dataclass(frozen=True)
class CheckConverged(Pointwise):
    r"""How an iteration ended, as it is; its limit (-1) or what is not finite (-2) raises. :math:`y = x`."""

    label: str
    limit: int
    name, formula, derivative, differentiable, takes = "check_converged", "x", "0", False, "i"
    raises = True

    @classmethod
    def instances(cls) -> Sequence[Primitive]:
        return [CheckConverged("a solution", 10)]

    def evaluate(self, states: Any) -> Any:
        bad = states[states < 0]
        if bad.size:
            raise self.failure(int(bad[0]), f" in {bad.size} of {states.size} lanes" if states.shape else "")
        return states

    def failure(self, state: int, where: str = "") -> NotConverged:
        """The error for a state."""
        if state == NOT_FINITE:
            return NotConverged(f"{self.label} met an infinite or NaN value{where}: the iteration diverges")
        return NotConverged(
            f"{self.label} did not converge in {self.limit} iterations{where}: it may diverge, or converge slowly "
            "(max_iterations=), or not as far as asked (tolerance=)"
        )

    def kernel(self, k: Any, x: Any) -> Any:
        return x

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (np.array([0, 0]),)
        yield (np.array(0),)


def _damped(w: Any, b: Any, x: Any, y: Any) -> list[Any]:
    return [apply(SIN, w * y) * 0.1 + b * b, x * 0.05 + b]


@dataclass(frozen=True)
class FixedPoint(OfGraphs):
    r"""The solution of ``x = body(consts, x)``, found by iterating from a first guess.

    .. math:: x = f(a, x) \;\Rightarrow\; \dot x = A \dot x + B \dot a, \quad A = \partial f / \partial x, \;
        B = \partial f / \partial a

    so tangents are a fixed point of a linear function, and cotangents of its transpose (Pineda 1987; Almeida 1987):

    .. math:: w = A^T w + \bar x, \qquad \bar a = B^T w

    Both are found by the same iteration, which converges as the first does near its end, and are differentiated again
    as what they are (Christianson 1994). The guess has no derivative. An iteration ends where the largest change is at
    most ``tolerance`` times the larger of ``floor`` and the largest element; that of a derivative goes by
    ``derivative_tolerance`` and is relative alone. The first ``lanes`` axes are solutions of their own, each
    kept once it is found.
    """

    body: Graph
    n_consts: int
    tolerance: float
    derivative_tolerance: float
    limit: int
    label: str = "fixed_point"
    floor: float = 1.0
    lanes: int = 0
    name, formula, derivative = "fixed_point", "x = f(x)", "fixed points of the linear part of f, and of its transpose"
    raises = True

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for shape in ((2,), ()):
            yield cls(example(_damped, shape, shape, shape, shape), 2, 1e-15, 1e-15, 100)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield drawn(rng, self.body.in_types)

    def evaluate(self, *args: Any) -> Any:
        return tuple(run_inner(self.solution, args))

    def infer(self, *types: ArrayType) -> Any:
        check_inputs(self.label, self.body, types)
        check_carry(self.label, self.body, types[self.n_consts :], self.body.out_types)
        return tuple(derive.strong(self.body.out_types))

    @property
    def draws(self) -> bool:
        return derive.draws(self.body)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        everything = [lead(a, b, size) for a, b in zip(args, batched, strict=True)]
        flags = (True,) * len(self.body.outputs)
        body, _ = derive.batched(self.body, (True,) * len(args), size, flags)
        return apply(replace(self, body=body, lanes=self.lanes + 1), *everything), flags

    @property
    def solution(self) -> Graph:
        """The same, written out as a loop."""
        return derive.remembered(self.body, ("solution", self), self._written_out)

    def _written_out(self) -> Graph:
        types = derive.strong(self.body.in_types)
        consts, carry = types[: self.n_consts], types[self.n_consts :]
        k, n = len(consts), len(carry)
        shape = carry[0].shape[: self.lanes]
        scale = ArrayType(shape, np.result_type(*[t.dtype for t in carry]))
        count = ArrayType((), INT)

        def goes_on(*xs: Any) -> list[Any]:
            some = apply1(AnyTrue.of(tuple(range(self.lanes)), False), xs[n] > 0)
            return [apply2(LOGICAL_AND, some, xs[n + 1] < self.limit)]

        def step(*xs: Any) -> list[Any]:
            old, excess = xs[k : k + n], xs[k + n]
            active = excess > 0
            found = interpret(self.body, [*xs[:k], *old])
            kept = [self._where(active, new, x) for new, x in zip(found, old, strict=True)]
            return [*kept, apply(WHERE, active, self._excess(found, old, scale), excess), xs[k + n + 1] + 1]

        condition = trace_pure(goes_on, [*carry, scale, count], f"whether {self.label} goes on")
        body = trace_pure(step, [*types, scale, count], f"a step of {self.label}")
        loop = While(condition, body, 0, k)

        def solve(*xs: Any) -> list[Any]:
            start = broadcast_to(np.asarray(np.inf, scale.dtype), shape)
            *found, excess, _ = apply(loop, *xs, start, np.asarray(0, INT))
            unfinished = apply(WHERE, excess > 0, np.asarray(UNFINISHED, INT), np.asarray(NOT_FINITE, INT))
            state = apply(WHERE, excess <= 0, np.asarray(0, INT), unfinished)
            apply1(CheckConverged.of(self.label, self.limit), state)
            return list(found)

        return trace_pure(solve, types, self.label)

    def _where(self, active: Any, new: Any, old: Any) -> Any:
        rank = len(old.shape)
        if self.lanes and rank > self.lanes:
            active = apply1(Reshape.of((*active.shape, *(1,) * (rank - self.lanes))), active)
        return apply(WHERE, active, new, old)

    def _excess(self, found: Sequence[Any], old: Sequence[Any], scale: ArrayType) -> Any:
        """By how much the largest change is too large, for each lane; NaN where something is not finite."""

        def largest(xs: Sequence[Any]) -> Any:
            total = None
            for x in xs:
                axes = tuple(range(self.lanes, len(x.shape)))
                if all(x.shape[a] for a in axes):
                    size = apply1(ABSOLUTE, x)
                    size = apply1(Convert.of(scale.dtype), apply1(Max.of(axes, False), size) if axes else size)
                    total = size if total is None else apply2(MAXIMUM, total, size)
            return broadcast_to(np.asarray(0, scale.dtype), scale.shape) if total is None else total

        change = largest([new - x for new, x in zip(found, old, strict=True)])
        size = apply2(MAXIMUM, largest(found), np.asarray(self.floor, scale.dtype))
        return change - size * np.asarray(self.tolerance, scale.dtype)

    # The derivative ---------------------------------------------------------------------------------------------------

    def _of_derivative(self, body: Graph, n_consts: int) -> FixedPoint:
        """The fixed point of a linear body."""
        label = self.label if self.floor == 0 else f"the derivative of {self.label}"
        return replace(self, body=body, n_consts=n_consts, tolerance=self.derivative_tolerance, label=label, floor=0.0)

    def residuals(self, level: Any, values: list[Any], parents: list[Any]) -> tuple[Any, Any]:
        outs = level.perform(self, values)
        return outs, outs

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        k = self.n_consts
        flags = tuple(t is not None for t in tangents[:k])
        if not any(flags):
            return [None] * len(out)
        parts = derive.linear_split(self.body, (*flags, *(True,) * len(out)))
        kept = apply(Call(parts.forward, self.label), *args[:k], *out)[parts.n_outputs :]
        consts = [*kept, *derive.chosen(tangents[:k], flags)]
        return apply(self._of_derivative(parts.backward, len(consts)), *consts, *[zeros_for(o) for o in out])

    def pullback(self, k: Any, ct: Any, args: Sequence[Any], out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        k = self.n_consts
        solution = apply(self, *args) if out is None else out
        flags = tuple(n is not None for n in needs[:k])
        nothing = [None] * len(solution)
        if not any(flags):
            return [None] * k + nothing
        parts, adjoint, last, pulled = self._transposed(flags)
        kept = apply(Call(parts.forward, self.label), *args[:k], *solution)[parts.n_outputs :]
        cts = filled(ct, self.body.out_types)
        found = apply(self._of_derivative(adjoint, len(kept) + len(cts)), *kept, *cts, *cts)
        cotangents = apply(Call(last, f"transpose of {self.label}"), *kept, *found)
        return [*derive.spread(cotangents, pulled), *nothing]

    def _transposed(self, flags: derive.Flags) -> tuple[derive.Split, Graph, Graph, derive.Flags]:
        """The split of the body; ``(kept, ct, w) -> A^T w + ct``; ``(kept, w) -> B^T w``; what that pulls on."""
        k, n = self.n_consts, len(self.body.outputs)

        def make() -> Any:
            parts = derive.split(self.body, (*flags, *(True,) * n))
            m = parts.n_residuals
            of_kept, of_w = parts.backward.in_types[:m], parts.backward.in_types[m:]

            def adjoint(*xs: Any) -> list[Any]:
                pulled = derive.spread(interpret(parts.backward, [*xs[:m], *xs[m + n :]]), parts.pulled)[k:]
                return [ct if p is None else p + ct for p, ct in zip(pulled, xs[m : m + n], strict=True)]

            def last(*xs: Any) -> list[Any]:
                pulled = derive.spread(interpret(parts.backward, xs), parts.pulled)[:k]
                return [p for p in pulled if p is not None]

            return (
                parts,
                derive.pruned(trace_pure(adjoint, [*of_kept, *of_w, *of_w], f"the adjoint of {self.label}")),
                derive.pruned(trace_pure(last, [*of_kept, *of_w], f"the transpose of {self.label}")),
                tuple(parts.pulled[:k]),
            )

        return derive.remembered(self.body, ("transposed", flags), make)
