"""A loop whose number of steps only shows as it runs, as a primitive: while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.config import INT
from retrograd.core.dispatch import apply, apply1
from retrograd.core.forward import zeros_for
from retrograd.core.primitive import Primitive
from retrograd.core.source import tentatively
from retrograd.core.types import ArrayType
from retrograd.errors import DTypeError, MissingRule
from retrograd.graph.interpret import evaluate, interpret
from retrograd.graph.ir import Graph
from retrograd.graph.trace import trace_pure
from retrograd.primitives import derive
from retrograd.primitives.arithmetic import Convert
from retrograd.primitives.comparison import WHERE
from retrograd.primitives.control import OfGraphs, drawn, example
from retrograd.primitives.families import behind_lanes, lead
from retrograd.primitives.loops import check_carry, reordered, reporting
from retrograd.primitives.reduction import Sum
from retrograd.primitives.trigonometric import SIN


def _few_times(limit: Any, n: Any, v: Any) -> list[Any]:
    return [n < limit]


def _shrink(w: Any, n: Any, v: Any) -> list[Any]:
    return [n + 1, apply(SIN, v) * w]


@dataclass(frozen=True)
class While(OfGraphs):
    r"""Repeat ``body`` while ``condition`` holds: ``condition(a, carry)``, ``body(b, carry) -> carry``.

    .. math:: c_{t+1} = f(b, c_t) \quad \text{while } p(a, c_t)

    Forward mode only: how many residuals a reverse sweep would need is not known before the loop has run.
    """

    condition: Graph
    body: Graph
    n_condition: int
    n_body: int
    name, formula, derivative, reverse = "while", "carry = f(carry) while p(carry)", "forward mode only", False

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for shape in ((2,), ()):
            yield cls(example(_few_times, 1, 1, shape), example(_shrink, shape, 1, shape), 1, 1)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        for times in (0, 3):
            w, _, v = drawn(rng, self.body.in_types)
            yield np.asarray(times), w, np.asarray(0), v

    def _parts(self, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        a, b = self.n_condition, self.n_condition + self.n_body
        return list(values[:a]), list(values[a:b]), list(values[b:])

    def evaluate(self, *args: Any) -> Any:
        first, second, carry = self._parts(args)
        with reporting() as report:
            while bool(evaluate(self.condition, [*first, *carry])[0]):
                carry = evaluate(self.body, [*second, *carry])
                report(carry)
        return tuple(carry)

    def infer(self, *types: ArrayType) -> Any:
        carry = self._parts(types)[2]
        (test,) = self.condition.out_types
        if test.shape or test.dtype.kind != "b":
            raise DTypeError(f"the condition of a while loop must be a boolean scalar, got {test}")
        check_carry(self.name, self.body, carry, self.body.out_types)
        return tuple(derive.strong(self.body.out_types))

    @property
    def draws(self) -> bool:
        return derive.draws(self.body, self.condition)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        """Until every lane is done; a lane that is done keeps its values."""
        first, second, carry = self._parts(args)
        f1, f2, f3 = self._parts(batched)
        enters = f3
        while True:
            test, (differs,) = derive.batched(self.condition, (*f1, *f3), size)
            step, found = derive.batched(self.body, (*f2, *f3), size, tuple(f3))
            following = [True] * len(f3) if differs else list(found)
            if following == f3:
                break
            f3 = following
        carry = [lead(v, b, size) if f else v for v, b, f in zip(carry, enters, f3, strict=True)]
        if not differs:
            return apply(While(test, step, len(first), len(second)), *first, *second, *carry), tuple(f3)
        n, m = len(first), len(second)

        def any_lane(*xs: Any) -> list[Any]:
            lanes = apply1(Convert.of(INT), interpret(test, xs)[0])  # not their max: there may be no lanes
            return [apply1(Sum.of((0,), False), lanes) > 0]

        def one_step(*xs: Any) -> list[Any]:
            a, b, c = xs[:n], xs[n : n + m], xs[n + m :]
            active = interpret(test, [*a, *c])[0]
            with tentatively():  # a lane that is done keeps what it has
                after = interpret(step, [*b, *c])
            return [apply(WHERE, behind_lanes(active, len(v.shape)), v, old) for v, old in zip(after, c, strict=True)]

        types = [*test.in_types[:n], *step.in_types]
        condition = trace_pure(any_lane, test.in_types, "vmap of a while condition")
        body = trace_pure(one_step, types, "vmap of a while body")
        return apply(While(condition, body, n, n + m), *first, *first, *second, *carry), tuple(f3)

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        first, second, carry = self._parts(args)
        _, t_second, t_carry = self._parts(tangents)
        float_c = derive.floats(derive.strong(self.body.out_types))
        flags = tuple(t is not None for t in t_second)
        pushed = derive.pushed_forward(self.body, flags + float_c)
        n2, nc, t2, tc = len(second), len(carry), sum(flags), sum(float_c)
        body = reordered(pushed, [(n2, 0), (t2, 2), (nc, 1), (tc, 3)], [(nc, 0), (tc, 1)])
        extra = tuple(derive.strong(derive.chosen(list(self.body.out_types), float_c)))
        condition = derive.remembered(self.condition, ("more inputs", extra), lambda: _ignoring(self.condition, extra))
        start = [zeros_for(v) if t is None else t for v, t, f in zip(carry, t_carry, float_c, strict=True) if f]
        outs = apply(
            While(condition, body, len(first), n2 + t2),
            *first, *second, *derive.chosen(t_second, flags), *carry, *start,
        )  # fmt: skip
        return derive.spread(outs[nc:], float_c)

    def residuals(self, level: Any, values: list[Any], parents: list[Any]) -> tuple[Any, Any]:
        return level.perform(self, values), ()

    def pullback(self, k: Any, ct: Any, args: Sequence[Any], out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        raise MissingRule(
            "reverse mode cannot go through while_loop, or fori_loop with a count that is not a Python int: give "
            "max_iterations=, use rg.scan with a static length, or fixed_point where the loop converges to a solution"
        )


def _ignoring(graph: Graph, extra: Sequence[ArrayType]) -> Graph:
    """`graph` with further inputs that it does not use."""
    n = len(graph.inputs)
    return trace_pure(lambda *xs: interpret(graph, xs[:n]), [*graph.in_types, *extra], "a while condition")
