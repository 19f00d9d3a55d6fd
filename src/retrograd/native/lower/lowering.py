"""A graph as statements over loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from retrograd.core.source import at_user_line
from retrograd.core.types import ArrayType
from retrograd.graph.ir import Equation, Graph, Literal, Var
from retrograd.native.loops import views
from retrograd.native.loops.ir import (
    INT64,
    Buffer,
    Check,
    Constant,
    Counter,
    Expr,
    LoopProgram,
    Matrices,
    Nest,
    Reduce,
    Store,
    View,
    constant,
    load,
    row_major,
)
from retrograd.native.loops.words import WORDS, Value, convert, literal
from retrograd.native.lower.grouping import REDUCTIONS, Group, Grouping, needed_in_memory

Place = Any  # View | Constant

LONG = 1_000_000  # operations of a loop within another: from here on it may be interrupted


class Lowering:
    """What the parts of one program share: buffers, counters, the errors it can raise."""

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []
        self.counters: list[Counter] = []
        self.errors: list[Callable[[int], Exception]] = []
        self.depth = 0

    def buffer(self, type: ArrayType, name: str = "") -> View:
        """New memory of the arena."""
        b = Buffer(type.dtype, max(type.size, 1), "arena", name=name)
        self.buffers.append(b)
        return View(b, type.dtype, type.shape, row_major(type.shape))

    def counter(self) -> Counter:
        c = Counter(len(self.counters))
        self.counters.append(c)
        return c

    def error(self, make: Callable[[int], Exception]) -> int:
        """A site at which the program can fail; `make` gives the exception for the value found there."""
        self.errors.append(make)
        return len(self.errors) - 1


class Body:
    """The statements of one graph: a whole program, or the body of a loop."""

    def __init__(self, shared: Lowering, graph: Graph, inputs: Sequence[Place], wanted: Sequence[View | None]) -> None:
        self.shared, self.graph = shared, graph
        self.statements: list[Any] = []
        self.places: dict[Var, Place] = dict(zip(graph.inputs, inputs, strict=True))
        self.destinations: dict[Var, View] = {}
        for o, view in zip(graph.outputs, wanted, strict=True):
            if isinstance(o, Var) and view is not None and o not in self.places:
                self.destinations.setdefault(o, view)
        self.grouping = Grouping(graph)
        self.needed = needed_in_memory(graph, self.grouping)

    def run(self) -> list[Any]:
        """Write the statements; where the outputs are (a `Literal` stays one)."""
        for group in self.grouping.ordered():
            if group.space is None:
                self._alone(group.equations[0])
            else:
                self._nest(group)
        return [o if isinstance(o, Literal) else self.place(o) for o in self.graph.outputs]

    # Places -----------------------------------------------------------------------------------------------------------

    def place(self, operand: Any) -> Place:
        """Where a value is: memory, or a constant."""
        if isinstance(operand, Literal):
            return Constant(operand.value, operand.dtype)
        found = self.places.get(operand)
        if found is None:
            found = self.places[operand] = self._view(self.grouping.views[operand])
        return found

    def _view(self, e: Equation) -> Place:
        prim: Any = e.prim
        out = e.outs[0]
        if prim.name == "iota":
            return View(None, prim.dtype, (prim.length,), (1,))
        x = self.place(e.operands[0])
        if isinstance(x, Constant):
            x = replace(x, dtype=out.dtype)
        if prim.name == "broadcast":
            return views.broadcast(x, prim.shape)
        if prim.name == "transpose":
            return views.transpose(x, prim.axes)
        if prim.name == "slice":
            return views.part(x, prim.starts, prim.lengths, prim.steps)
        found = views.reshape(x, prim.shape)
        if found is None:
            dense = self.copied(x, ArrayType(x.shape, out.dtype))
            found = views.reshape(dense, prim.shape)
            assert found is not None
        return found

    def fresh(self, var: Var) -> View:
        """Memory for a value: where it is wanted, or new."""
        view = self.destinations.get(var) or self.shared.buffer(var.type.strong())
        self.places[var] = view
        return view

    def copied(self, place: Place, type: ArrayType) -> View:
        """The same values in new memory, row by row."""
        view = self.shared.buffer(type)
        self.copy(place, view)
        return view

    def in_memory(self, operand: Any) -> View:
        """A view of memory, for those who cannot do with less."""
        place = self.place(operand)
        if isinstance(place, Constant) or place.buffer is None:
            return self.copied(place, ArrayType(place.shape, place.dtype))
        return place

    def dense(self, operand: Any) -> View:
        """As `in_memory`, row by row."""
        view = self.in_memory(operand)
        if view.strides != row_major(view.shape) and view.size > 1:
            return self.copied(view, ArrayType(view.shape, view.dtype))
        return view

    def copy(self, place: Place, view: View) -> None:
        """Write the values of a place where the view is."""
        value = element(place, view.shape)
        self.statements.append(Nest(view.shape, [Store(view, convert(value, view.dtype))]))

    # Nests ------------------------------------------------------------------------------------------------------------

    def _nest(self, group: Group) -> None:
        assert group.space is not None
        nest = Nest(group.space, [])
        values: dict[Var, Value] = {}
        local = [v for e in group.equations for v in e.outs]
        for e in group.equations:
            if e.prim.name in REDUCTIONS:
                self._reduce(nest, e, self._operand(e.operands[0], values, group.space))
                continue
            out = e.outs[0]
            if e.prim.name == "matmul":
                nest.product = self._matrices(e)
                values[out] = Value(Expr("product", out.dtype))
            elif e.prim.name == "gather":
                values[out] = self._gather(nest, e)
            elif e.prim.name in ("check_labels", "check_converged"):
                values[out] = self._checked(nest, e, self._operand(e.operands[0], values, group.space))
            else:
                operands = [self._operand(o, values, group.space) for o in e.operands]
                values[out] = compute(e.prim, operands, out)
        for v in local:
            if v in values and v in self.needed:
                nest.stores.append(Store(self.fresh(v), convert(values[v].expr, v.dtype)))
        self.statements.append(nest)

    def _operand(self, operand: Any, values: dict[Var, Value], space: tuple[int, ...]) -> Value:
        if isinstance(operand, Literal):
            return Value(literal(operand.value, operand.type.weak))
        if operand in values:
            return values[operand]
        e = element(self.place(operand), space)
        if operand.type.weak:
            e = Expr(e.op, e.dtype, e.args, e.attr, weak=True)
        return Value(e)

    def _reduce(self, nest: Nest, e: Equation, x: Value) -> None:
        out = self.fresh(e.outs[0])
        prim: Any = e.prim
        axes = tuple(i in prim.axes for i in range(len(nest.space)))
        kept = list(out.strides)
        if prim.keepdims:
            strides = tuple(0 if a else s for s, a in zip(kept, axes, strict=True))
        else:
            rest = iter(kept)
            strides = tuple(0 if a else next(rest) for a in axes)
        spread = replace(out, shape=nest.space, strides=strides)
        nest.reduces.append(Reduce(spread, REDUCTIONS[e.prim.name], convert(x.expr, out.dtype), axes))

    def _matrices(self, e: Equation) -> Matrices:
        a, b = (self.in_memory(o) for o in e.operands)
        stack = e.outs[0].shape[:-2]
        a, b = views.broadcast(a, (*stack, *a.shape[-2:])), views.broadcast(b, (*stack, *b.shape[-2:]))
        return Matrices(a, b, a.shape[-1])

    def _gather(self, nest: Nest, e: Equation) -> Value:
        x, places = (self.in_memory(o) for o in e.operands)
        prim: Any = e.prim
        b, k = prim.batch_axes, places.shape[-1]
        out = e.outs[0]
        rest = out.shape[len(places.shape) - 1 :]
        at, checks = self.offset(e, places, x.shape[b : b + k], x.strides[b : b + k], rest)
        nest.checks += checks
        between = len(places.shape) - 1 - b
        strides = (*x.strides[:b], *(0,) * between, *x.strides[b + k :])
        return Value(Expr("fetch", out.dtype, (at,), replace(x, shape=out.shape, strides=strides)))

    def offset(
        self, e: Equation, places: View, lengths: Sequence[int], strides: Sequence[int], rest: tuple[int, ...]
    ) -> tuple[Expr, list[Check]]:
        """How far from the beginning the element lies that the indices name, and the checks that it exists."""
        at: Any = None
        checks = []
        lanes = places.shape[:-1]
        for j in range(len(lengths)):
            one = replace(
                places,
                shape=(*lanes, *rest),
                strides=(*places.strides[:-1], *(0,) * len(rest)),
                offset=places.offset + j * places.strides[-1],
            )
            given = load(one)
            wide = Value(convert(given, INT64))
            n = lengths[j]
            index = wide if given.dtype.kind == "u" else WORDS.where(wide < 0, wide + n, wide)
            bad = WORDS.logical_or(index < 0, index >= n)
            site = self.shared.error(partial(_raised, e, f"index {{}} is out of bounds for axis {j} with size {n}"))
            checks.append(Check(bad.expr, wide.expr, site))
            safe = WORDS.where(bad, Value(constant(0, INT64)), index)
            step = safe * int(strides[j])
            at = step if at is None else at + step
        return (constant(0, INT64) if at is None else at.expr), checks

    def _checked(self, nest: Nest, e: Equation, x: Value) -> Value:
        prim: Any = e.prim
        if prim.name == "check_converged":
            nest.checks.append(Check((x < 0).expr, convert(x.expr, INT64), self.shared.error(prim.failure)))
            return x
        n = prim.classes
        problem = f"label {{}} with {n} classes; labels are 0 to {n - 1}"
        site = self.shared.error(partial(_raised, e, problem))
        bad = WORDS.logical_or(x < 0, x >= n) if x.dtype.kind == "i" else x >= n
        nest.checks.append(Check(bad.expr, convert(x.expr, INT64), site))
        return x

    # Statements of their own ------------------------------------------------------------------------------------------

    def _alone(self, e: Equation) -> None:
        from retrograd.native.lower.special import STATEMENTS, host

        STATEMENTS.get(e.prim.name, host)(self, e)


def _raised(e: Equation, problem: str, value: int) -> Exception:
    """What eager code would have raised: the operation, what it was given, the user's line."""
    name = {"check_labels": "softmax_cross_entropy"}.get(e.prim.name, e.prim.name)
    given = ", ".join(f"{o.dtype}{list(o.shape)}" for o in e.operands)
    where = f" (at {e.line})" if e.line else at_user_line()
    return IndexError(f"{name}({given}){where}: {problem.format(value)}")


def element(place: Place, space: Sequence[int]) -> Expr:
    """The element of a place at a point of the space, to which it is stretched."""
    if isinstance(place, Constant):
        return constant(place.value, place.dtype)
    return load(views.broadcast(place, space) if place.shape != tuple(space) else place)


def compute(prim: Any, operands: Sequence[Value], out: Var) -> Value:
    """An element of the output of a pointwise primitive or a conversion."""
    if prim.name == "convert":
        x = operands[0].expr
        return Value(convert(x, prim.dtype))
    value = prim.kernel(WORDS, *operands)
    value = value if isinstance(value, Value) else Value(literal(value))
    expr = value.expr
    if not out.type.weak and (expr.weak or expr.dtype != out.dtype):
        expr = convert(expr, out.dtype)
    return Value(expr)


def lower(graph: Graph) -> LoopProgram:
    """The program of a graph that has been optimised and expanded."""
    shared = Lowering()
    inputs = [Buffer(t.dtype, max(t.size, 1), "input", i) for i, t in enumerate(graph.in_types)]
    places = [View(b, t.dtype, t.shape, row_major(t.shape)) for b, t in zip(inputs, graph.in_types, strict=True)]
    outputs: list[Buffer] = []
    results: list[int] = []
    wanted: list[View | None] = []
    seen: dict[Any, int] = {}
    for o in graph.outputs:
        if isinstance(o, Var) and o in seen:
            results.append(seen[o])
            wanted.append(None)
            continue
        t = o.type.strong()
        b = Buffer(t.dtype, max(t.size, 1), "output", len(outputs))
        if isinstance(o, Var):
            seen[o] = len(outputs)
        results.append(len(outputs))
        outputs.append(b)
        wanted.append(View(b, t.dtype, t.shape, row_major(t.shape)))
    body = Body(shared, graph, places, wanted)
    found = body.run()
    for place, view, o in zip(found, wanted, graph.outputs, strict=True):
        if view is None:
            continue
        if isinstance(place, Literal):
            place = Constant(place.value, place.dtype)
        if place != view:
            body.copy(replace(place, dtype=o.dtype) if isinstance(place, Constant) else place, view)
    return LoopProgram(inputs, outputs, body.statements, shared.buffers, shared.counters, shared.errors, 0, results)
