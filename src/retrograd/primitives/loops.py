"""A loop of a known number of steps as a primitive: scan. What it shares with `while_loop` is here too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply, apply1
from retrograd.core.forward import zeros_for
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.errors import ShapeError
from retrograd.graph.interpret import WATCH, evaluate, interpret
from retrograd.graph.ir import Graph, Var
from retrograd.graph.trace import trace_pure
from retrograd.primitives import derive
from retrograd.primitives.control import Call, OfGraphs, drawn, example, filled
from retrograd.primitives.families import lead
from retrograd.primitives.movement import Transpose
from retrograd.primitives.segments import Segmented, bytes_of, plan_for
from retrograd.primitives.trigonometric import TANH


def _recurrence(w: Any, c: Any, n: Any, x: Any) -> list[Any]:
    after = apply(TANH, w * c + x)
    return [after, n + 1, after * c]


@contextmanager
def reporting() -> Any:
    """The outermost loop of a program reports each completed iteration; loops inside it do not."""
    watch = WATCH.get()

    def report(carry: Sequence[Any]) -> None:
        if watch is not None and watch.at in watch.wanted:
            watch.carries[watch.at] = carry

    try:
        WATCH.set(None)
        yield report
    finally:
        WATCH.set(watch)


def lanes_second(value: Any) -> Any:
    """(lanes, steps, ...) and (steps, lanes, ...) exchanged."""
    return apply1(Transpose.of((1, 0, *range(2, len(value.shape)))), value)


def check_carry(name: str, body: Graph, types: Sequence[ArrayType], outs: Sequence[ArrayType]) -> None:
    """What comes out of an iteration must go into the next."""
    for i, (before, after) in enumerate(zip(types, outs, strict=True)):
        if before.strong() != after.strong():
            raise ShapeError(f"{name}: carried value {i} enters as {before} and leaves as {after}")


@dataclass(frozen=True)
class Scan(OfGraphs):
    r"""A loop of ``length`` steps: ``body(consts, carry, x_t) -> (carry, y_t)``; the y are stacked.

    .. math:: (c_{t+1}, y_t) = f(k, c_t, x_t)

    The backward part is the same loop the other way round, with :math:`\bar c_t` carried. Residuals are stacked, except
    those that only repeat a constant.
    """

    body: Graph
    length: int
    n_consts: int
    n_carry: int
    backwards: bool = False  # from the last step to the first
    memory: int | str | None = None  # bytes that a reverse sweep may keep; None: as much as it needs; see `segments`
    name, formula, derivative = "scan", "carry, y[t] = f(carry, x[t])", "scan of the backward part, in reverse"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for length, backwards, shape in ((3, False, (2,)), (3, True, ()), (1, False, ()), (0, False, ())):
            yield cls(example(_recurrence, shape, shape, 1, shape), length, 1, 2, backwards)
        for length, backwards in ((5, False), (3, True)):
            yield cls(example(_recurrence, (), (), 1, ()), length, 1, 2, backwards, "sqrt")

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        types = self.body.in_types
        yield *drawn(rng, types[:-1]), rng.normal(size=(self.length, *types[-1].shape))

    def _parts(self, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        k, c = self.n_consts, self.n_consts + self.n_carry
        return list(values[:k]), list(values[k:c]), list(values[c:])

    def evaluate(self, *args: Any) -> Any:
        consts, carry, xs = self._parts(args)
        stacks = [np.empty((self.length, *t.shape), t.dtype) for t in self.body.out_types[self.n_carry :]]
        steps = range(self.length - 1, -1, -1) if self.backwards else range(self.length)
        with reporting() as report:
            for t in steps:
                outs = evaluate(self.body, [*consts, *carry, *[np.asarray(x[t]) for x in xs]])
                for stack, y in zip(stacks, outs[self.n_carry :], strict=True):
                    stack[t] = y
                carry = outs[: self.n_carry]
                report(carry)
        return (*map(np.asarray, carry), *stacks)

    def infer(self, *types: ArrayType) -> Any:
        _, carry, xs = self._parts(types)
        if any(not x.shape or x.shape[0] != self.length for x in xs):
            raise ShapeError(f"scan of {self.length} steps over {', '.join(map(str, xs))}")
        outs = derive.strong(self.body.out_types)
        check_carry(self.name, self.body, carry, outs[: self.n_carry])
        return (*outs[: self.n_carry], *[t.with_shape((self.length, *t.shape)) for t in outs[self.n_carry :]])

    @property
    def draws(self) -> bool:
        return derive.draws(self.body)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        consts, carry, xs = self._parts(args)
        f_consts, f_carry, f_xs = self._parts(batched)
        ys = (False,) * (len(self.body.outputs) - self.n_carry)
        while True:  # a carry has lanes if it enters with them, or leaves an iteration with them
            flags = (*f_consts, *f_carry, *f_xs)
            body, found = derive.batched(self.body, flags, size, (*f_carry, *ys))
            if list(found[: self.n_carry]) == f_carry:
                break
            f_carry = list(found[: self.n_carry])
        carry = [lead(v, b, size) if f else v for v, b, f in zip(carry, self._parts(batched)[1], f_carry, strict=True)]
        xs = [lanes_second(v) if b else v for v, b in zip(xs, f_xs, strict=True)]
        outs = apply(replace(self, body=body), *consts, *carry, *xs)
        stacked = [
            lanes_second(y) if f else y for y, f in zip(outs[self.n_carry :], found[self.n_carry :], strict=True)
        ]
        return (*outs[: self.n_carry], *stacked), found

    def _flags(self, needs: Sequence[bool]) -> derive.Flags:
        """Which inputs of the body take part: what is needed, and every floating carry."""
        k, c = self.n_consts, self.n_consts + self.n_carry
        return (*needs[:k], *derive.floats(self.body.in_types[k:c]), *needs[c:])

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        flags = self._flags([t is not None for t in tangents])
        pushed = derive.pushed_forward(self.body, flags)
        parts = [self._parts(v) for v in (args, tangents, flags)]
        tangent_carry = [
            zeros_for(v) if t is None else t for v, t, f in zip(parts[0][1], parts[1][1], parts[2][1], strict=True) if f
        ]
        n, t = [len(p) for p in parts[0]], [sum(p) for p in parts[2]]
        ys = len(self.body.outputs) - self.n_carry
        tangent_ys = sum(derive.floats(self.body.out_types[self.n_carry :]))
        body = reordered(
            pushed,
            [(n[0], 0), (t[0], 3), (n[1], 1), (t[1], 4), (n[2], 2), (t[2], 5)],
            [(self.n_carry, 0), (t[1], 2), (ys, 1), (tangent_ys, 3)],
        )
        outs = apply(
            replace(self, body=body, n_consts=n[0] + t[0], n_carry=n[1] + t[1]),
            *parts[0][0], *derive.chosen(parts[1][0], tuple(parts[2][0])),
            *parts[0][1], *tangent_carry,
            *parts[0][2], *derive.chosen(parts[1][2], tuple(parts[2][2])),
        )  # fmt: skip
        carried = derive.spread(outs[n[1] : n[1] + t[1]], derive.floats(self.body.out_types[: self.n_carry]))
        stacked = derive.spread(outs[n[1] + t[1] + ys :], derive.floats(self.body.out_types[self.n_carry :]))
        return [*carried, *stacked]

    def _split(self, needs: derive.Flags) -> tuple[derive.Split, list[bool]]:
        parts = derive.split(self.body, self._flags(needs))
        return parts, self._stacked(parts)

    def _keeping(self, parts: derive.Split, stacked: list[bool]) -> Scan:
        """The loop that also stacks the residuals, but for those that only repeat a constant."""

        def make() -> Graph:
            n = parts.n_outputs
            outs = parts.forward.outputs
            kept = tuple(r for r, s in zip(outs[n:], stacked, strict=True) if s)
            return Graph(parts.forward.inputs, parts.forward.equations, outs[:n] + kept)

        body = derive.remembered(parts.forward, "stacked", make)
        return Scan(body, self.length, self.n_consts, self.n_carry, self.backwards)

    def _linear_split(self, needs: Sequence[bool]) -> tuple[derive.Split, list[bool]]:
        parts = derive.linear_split(self.body, self._flags(needs))
        return parts, self._stacked(parts)

    def _stacked(self, parts: derive.Split) -> list[bool]:
        """Which residuals differ from step to step: those that depend on more than the constants."""

        def make() -> list[bool]:
            graph = parts.forward
            same = set(graph.inputs[: self.n_consts])
            for e in graph.equations:
                if not e.prim.draws and all(o in same for o in e.operands if isinstance(o, Var)):
                    same.update(e.outs)
            return [v not in same for v in graph.outputs[parts.n_outputs :]]

        found: list[bool] = derive.remembered(parts.forward, ("stacked residuals", self.n_consts), make)
        return found

    def _once(self, parts: derive.Split, stacked: list[bool], args: Sequence[Any]) -> list[Any]:
        """The residuals that are the same in every step, from the constants."""

        def make() -> Graph:
            graph, kept = parts.forward, parts.forward.outputs[parts.n_outputs :]
            once = tuple(v for v, s in zip(kept, stacked, strict=True) if not s)
            return derive.pruned(Graph(graph.inputs[: self.n_consts], graph.equations, once))

        return interpret(derive.remembered(parts.forward, ("once", self.n_consts), make), args[: self.n_consts])

    def linear_forward(self, needs: derive.Flags) -> tuple[Primitive, int | None]:
        if self.memory is not None:  # rather run it again with every tangent
            return self, None
        parts, stacked = self._linear_split(needs)
        return self._keeping(parts, stacked), parts.n_outputs

    def linear_part(self, residuals: Any, args: Sequence[Any], tangents: Sequence[Any], out: Sequence[Any]) -> Any:
        if self.memory is not None:
            return self.pushforward(None, args, tangents, out)
        needs = tuple(t is not None for t in tangents)
        parts, stacked = self._linear_split(needs)
        flags = self._flags(needs)
        consts = self._once(parts, stacked, args)
        starts = self._parts(args)[1]
        t_k, t_c, t_x = self._parts(tangents)
        f_k, f_c, f_x = map(tuple, self._parts(flags))
        first = [zeros_for(v) if t is None else t for t, v, f in zip(t_c, starts, f_c, strict=True) if f]
        n_k = sum(f_k)

        def make() -> Graph:
            inputs, m = parts.backward.inputs, len(stacked)
            once = [v for v, s in zip(inputs, stacked, strict=False) if not s]
            each = [v for v, s in zip(inputs, stacked, strict=False) if s]
            c, x = m + n_k, m + n_k + len(first)
            order = (*once, *inputs[m:c], *inputs[c:x], *each, *inputs[x:])
            return Graph(order, parts.backward.equations, parts.backward.outputs)

        body = derive.remembered(parts.backward, "linear body", make)
        outs = apply(
            Scan(body, self.length, len(consts) + n_k, len(first), self.backwards),
            *consts, *derive.chosen(t_k, f_k), *first, *residuals, *derive.chosen(t_x, f_x),
        )  # fmt: skip
        return derive.spread(outs, derive.floats(self.body.out_types))

    def forward_part(self, needs: derive.Flags) -> tuple[Primitive, int]:
        parts, stacked = self._split(needs)
        segmented = self._segmented(needs)
        if segmented is None:
            return self._keeping(parts, stacked), parts.n_outputs
        types = derive.strong(self.body.in_types)
        c = self.n_consts + self.n_carry
        types[c:] = [t.with_shape((self.length, *t.shape)) for t in types[c:]]

        def run(*xs: Any) -> list[Any]:
            outs, saved = segmented.forward(*self._parts(xs))
            return [*outs, *saved]

        key = ("in segments", self, needs)
        graph = derive.remembered(self.body, key, lambda: trace_pure(run, types, "a scan in segments"))
        return Call(graph, "scan in segments"), parts.n_outputs

    def _segmented(self, needs: derive.Flags) -> Segmented | None:
        """The derivative in segments, if the memory asks for that."""
        if self.memory is None:
            return None
        parts, stacked = self._split(needs)
        types = derive.chosen(parts.backward.in_types[: len(stacked)], tuple(stacked))
        carry = self.body.in_types[self.n_consts : self.n_consts + self.n_carry]
        plan = plan_for(self.length, bytes_of(types), bytes_of(carry), self.memory)
        if not plan:
            return None
        n_back = sum(derive.floats(self.body.out_types[: self.n_carry])) + sum(self._parts(parts.pulled)[0])
        return Segmented(self, self._keeping(parts, stacked), self._backward(needs), n_back, plan)

    def backward_part(self, residuals: Sequence[Any], args: Sequence[Any], cts: Any, needs: derive.Flags) -> Any:
        parts, stacked = self._split(needs)
        consts = self._once(parts, stacked, args)
        stacks = residuals
        types_c, types_y = self.body.out_types[: self.n_carry], self.body.out_types[self.n_carry :]
        ct_carry = filled(cts[: self.n_carry], types_c)
        full_ys = [t.with_shape((self.length, *t.shape)) for t in derive.strong(types_y)]
        ct_ys = filled(cts[self.n_carry :], full_ys)
        k = self.n_consts
        pulled_k, _, pulled_x = self._parts(parts.pulled)
        sums = [zeros_for(t) for t, p in zip(self.body.in_types[:k], pulled_k, strict=True) if p]
        segmented = self._segmented(needs)
        if segmented is not None:
            own = self._parts(args)
            outs = segmented.sweep(own[0], consts, residuals, own[2], [*ct_carry, *sums], ct_ys)
        else:
            outs = apply(
                Scan(self._backward(needs), self.length, len(consts), len(ct_carry) + len(sums), not self.backwards),
                *consts, *ct_carry, *sums, *stacks, *ct_ys,
            )  # fmt: skip
        n = len(ct_carry)
        ct_c = derive.spread(outs[:n], derive.floats(types_c))
        ct_k = derive.spread(outs[n : n + len(sums)], tuple(pulled_k))
        ct_x = derive.spread(outs[n + len(sums) :], tuple(pulled_x))
        return [*ct_k, *ct_c, *ct_x]

    def _backward(self, needs: derive.Flags) -> Graph:
        parts, stacked = self._split(needs)
        found: Graph = derive.remembered(self.body, ("backward", needs), lambda: self._backward_body(parts, stacked))
        return found

    def _backward_body(self, parts: derive.Split, stacked: list[bool]) -> Graph:
        """consts: repeated residuals; carry: cotangents of the carry, sums for constants; x: residuals, ct of y."""
        types = parts.backward.in_types
        r = len(stacked)
        repeated = [t for t, s in zip(types, stacked, strict=False) if not s]
        stacks = [t for t, s in zip(types, stacked, strict=False) if s]
        n_c = sum(derive.floats(self.body.out_types[: self.n_carry]))
        pulled_k = self._parts(parts.pulled)[0]
        types_k = [t.strong() for t, p in zip(self.body.in_types[: self.n_consts], pulled_k, strict=True) if p]
        ct_c, ct_y = list(types[r : r + n_c]), list(types[r + n_c :])
        float_c = derive.floats(self.body.out_types[: self.n_carry])

        def run(*xs: Any) -> list[Any]:
            a = len(repeated)
            b, c = a + n_c, a + n_c + len(types_k)
            d = c + len(stacks)
            once, each = iter(xs[:a]), iter(xs[c:d])
            residuals = [next(each) if s else next(once) for s in stacked]
            pulled = derive.spread(interpret(parts.backward, [*residuals, *xs[a:b], *xs[d:]]), parts.pulled)
            p_k, p_c, p_x = self._parts(pulled)
            carry = [
                zeros_for(t) if v is None else v
                for v, t, f in zip(p_c, self.body.out_types[: self.n_carry], float_c, strict=True)
                if f
            ]
            found = [v for v in p_k if v is not None]
            return [*carry, *[s + v for s, v in zip(xs[b:c], found, strict=True)], *[v for v in p_x if v is not None]]

        return trace_pure(run, [*repeated, *ct_c, *types_k, *stacks, *ct_y], "the backward part of a scan")


def reordered(graph: Graph, inputs: list[tuple[int, int]], outputs: list[tuple[int, int]]) -> Graph:
    """The graph with groups of inputs and outputs in another order: (size, which group it was) in the new order."""

    def pick(items: Sequence[Any], groups: list[tuple[int, int]]) -> list[Any]:
        sizes = {g: n for n, g in groups}
        starts = {g: sum(sizes[i] for i in range(g)) for g in sizes}
        return [v for n, g in groups for v in items[starts[g] : starts[g] + n]]

    def make() -> Graph:
        return Graph(tuple(pick(graph.inputs, inputs)), graph.equations, tuple(pick(graph.outputs, outputs)))

    key = ("reordered", tuple(inputs), tuple(outputs))
    return derive.remembered(graph, key, make)
