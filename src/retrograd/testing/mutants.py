"""Mutants: every rule made wrong in every small way, to see whether a law notices.

A mutant is a primitive with one change. *Contribution* mutants change what the rule hands to one argument: multiplied
by 1.001, negated, dropped, summed over an axis that it should not be summed over. *Expression* mutants write the rule
down as a graph and leave out one term or factor: an addition becomes one of its operands, a `where` one of its
branches, a function its argument. A mutant is killed by the first law that fails; it is equivalent if all it gives is
equal, bit for bit, on all samples and twenty more; anything else has survived, and means that a law is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply, apply1
from retrograd.core.primitive import Primitive
from retrograd.core.types import type_of
from retrograd.graph.ir import Graph, Literal
from retrograd.graph.trace import trace_pure
from retrograd.primitives.families import Pointwise, broadcast_to, sum_to
from retrograd.primitives.reduction import Sum
from retrograd.primitives.vocabulary import BOXES
from retrograd.testing.cases import Case, cases_of, directions, plains, same_bits
from retrograd.testing.laws import LAWS, NEED_REVERSE
from retrograd.transforms.derivatives import jvp, vjp

JUDGES = ("inner product", "reverse", "forward", "kinks", "second order", "third order")
MORE = 20


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the law that killed it, "equivalent", or "survived"."""

    primitive: str
    change: str
    end: str


@dataclass
class Mutant:
    """One wrong version of a rule: the cases of the instances that follow the rule, with the altered primitive."""

    primitive: str
    change: str
    cases: list[tuple[Case, Primitive]]

    def verdict(self) -> Verdict:
        """Try it on the laws, then look whether it is wrong at all."""
        end = self.killer()
        if end is None:
            end = "equivalent" if self.equivalent() else "survived"
        return Verdict(self.primitive, self.change, end)

    def killer(self) -> str | None:
        """The first law that does not hold for some case."""
        for name in JUDGES:
            for case, mutant in self.cases:
                if name in NEED_REVERSE and not mutant.reverse:
                    continue
                try:
                    with np.errstate(all="ignore"):
                        LAWS[name](replace(case, prim=mutant))
                except Exception:  # noqa: BLE001 - a rule that does not even run is noticed too
                    return name
        return None

    def equivalent(self) -> bool:
        """Whether it gives the same bits on every sample, at kinks, and on `MORE` other samples."""
        for case, mutant in self.cases:
            at_kinks = [Case(case.prim, tuple(map(np.asarray, args))) for args, _ in case.prim.kinks()]
            if not all(_alike(c, mutant) for c in [case, *at_kinks, *[case.again(n) for n in range(1, MORE + 1)]]):
                return False
        return True


def _alike(case: Case, mutant: Primitive) -> bool:
    with np.errstate(all="ignore"):
        pairs = zip(_derivatives(case), _derivatives(replace(case, prim=mutant)), strict=True)
        return all(same_bits(a, b) for a, b in pairs)


def _derivatives(case: Case) -> list[np.ndarray]:
    """Cotangents and tangents in random directions."""
    f, xs = case.function(), case.inputs
    tangents = plains(jvp(f, xs, directions(xs, 1))[1])
    if not case.prim.reverse:
        return tangents
    outs, pull = vjp(f, *xs)
    return [*tangents, *plains(pull(directions(outs, 2)))]


def mutants_of(cls: type[Primitive]) -> list[Mutant]:
    """All mutants of a primitive: contributions for every instance, expressions for every form that its rule takes."""
    found: dict[Any, Mutant] = {}
    for prim in cls.instances():
        for case in cases_of(prim):
            if not prim.differentiable or not any(x.size for x in case.inputs):
                continue
            if not any(o.size for o in case.values(case.inputs)):
                continue
            for key, change, mutant in (*_contributions(case), *_expressions(case)):
                found.setdefault(key, Mutant(cls.name, change, [])).cases.append((case, mutant))
    return list(found.values())


def try_mutants(cls: type[Primitive]) -> list[Verdict]:
    """The verdict on every mutant of a primitive."""
    return [m.verdict() for m in mutants_of(cls)]


def _altered(prim: Primitive, **methods: Any) -> Primitive:
    """A copy of `prim` with other methods."""
    found: Primitive = object.__new__(type("Mutant", (type(prim),), methods))
    found.__dict__.update(prim.__dict__)
    return found


# Contributions --------------------------------------------------------------------------------------------------------


def _scale(c: Any) -> Any:
    return c * 1.001


def _negate(c: Any) -> Any:
    return -c


def _drop(c: Any) -> Any:
    return None


def _sum_over(axis: int) -> Callable[[Any], Any]:
    def summed(c: Any) -> Any:
        if axis >= len(c.shape):
            return c
        return broadcast_to(apply1(Sum.of((axis,), True), c), tuple(c.shape))

    return summed


def _contributions(case: Case) -> Iterator[tuple[Any, str, Primitive]]:
    prim = case.prim
    parts = by_argument(case)
    for i in case.floats:
        changes: dict[str, Callable[[Any], Any]] = {"times 1.001": _scale, "negated": _negate, "dropped": _drop}
        changes |= {f"summed over axis {a}": _sum_over(a) for a, n in enumerate(np.shape(case.args[i])) if n > 1}
        for what, change in changes.items():
            if prim.reverse and parts[i]:
                text = f"{prim!r}: the cotangent of argument {i} {what}"
                yield text, text, _altered(prim, pullback=_pulling(prim, i, change))
            if own_pushforward(prim) and parts[i]:
                text = f"{prim!r}: the tangent by argument {i} {what}"
                yield text, text, _altered(prim, pushforward=_pushing(prim, i, change))


def by_argument(case: Case) -> dict[int, bool]:
    """Whether the derivative by each floating argument is anything but zero here: zero cannot be got wrong."""
    found = {}
    for i, x in zip(case.floats, case.inputs, strict=True):
        vs = [np.ones_like(y) if y is x else np.zeros_like(y) for y in case.inputs]
        found[i] = any(t.any() for t in plains(jvp(case.function(), case.inputs, vs)[1]))
    return found


def own_pushforward(prim: Primitive) -> bool:
    """Whether its forward derivative is not the reverse of the reverse, which is mutated with it."""
    inherited = type(prim).pushforward is Primitive.pushforward
    return bool(prim.linear) if inherited else prim.name != "custom_vjp"


def _pulling(prim: Primitive, i: int, change: Callable[[Any], Any]) -> Any:
    def pullback(self: Any, k: Any, ct: Any, args: Any, out: Any, needs: Any) -> Any:
        pulled = list(type(prim).pullback(self, k, ct, args, out, needs))
        pulled[i] = None if pulled[i] is None else change(pulled[i])
        return pulled

    return pullback


def _pushing(prim: Primitive, i: int, change: Callable[[Any], Any]) -> Any:
    def pushforward(self: Any, k: Any, args: Any, tangents: Any, out: Any) -> Any:
        changed = [change(t) if j == i and t is not None else t for j, t in enumerate(tangents)]
        if all(t is None for t in changed):
            return [None] * len(out) if self.multi else None
        return type(prim).pushforward(self, k, args, changed, out)

    return pushforward


# Expressions ----------------------------------------------------------------------------------------------------------


def _expressions(case: Case) -> Iterator[tuple[Any, str, Primitive]]:
    """One change of one equation of the rule. An equation is known by its primitive and how many of those precede it.

    (That is the same for all shapes, where broadcasting only adds sums and reshapes in between.)
    """
    prim = case.prim
    if prim.residuals is not None:
        return  # its rule is made from the rules of what is in its graphs
    out = apply(prim, *case.args)
    for rule in (_Pullback, _Pushforward):
        if rule is _Pushforward and not own_pushforward(prim):
            continue
        graph = rule(prim).graph(case.args, out)
        form = " ".join(e.prim.name for e in graph.equations if e.prim.name not in SHAPING)
        useful = needed(graph)
        for place, e in places(graph):
            for what in changes_of(e) if e in useful else ():
                changed = rule(prim, place, what)
                text = f"{prim.name}: {rule.name} rule [{form}]: {place[0]} number {place[1]} {what}"
                yield text, text, _altered(prim, **changed.method())


SHAPING = {"broadcast", "reshape", "sum", "convert", "transpose"}


def places(graph: Graph) -> Iterator[tuple[tuple[str, int], Any]]:
    """Each equation and its place: the name of its primitive, and how many of that name precede it."""
    seen: dict[str, int] = {}
    for e in graph.equations:
        n = seen.get(e.prim.name, 0)
        seen[e.prim.name] = n + 1
        yield (e.prim.name, n), e


def needed(graph: Graph) -> list[Any]:
    """The equations that the outputs depend on."""
    wanted, found = set(map(id, graph.outputs)), []
    for e in reversed(graph.equations):
        if any(id(v) in wanted for v in e.outs):
            found.append(e)
            wanted.update(map(id, e.operands))
    return found


def changes_of(e: Any) -> Iterator[str]:
    """What may be done to an equation: its terms, its factors, its branches, its axes."""
    name, arity = e.prim.name, len(e.operands)
    if name == "sum":
        shape, axes = e.operands[0].type.shape, e.prim.axes
        yield from (
            f"over axis {a}"
            for a in range(len(shape))
            if len(axes) == 1 and a not in axes and shape[a] == shape[axes[0]]
        )
    elif not isinstance(e.prim, Pointwise) or name == "stop_gradient":
        return
    elif e.prim.returns == "bool":
        yield "is true"
        yield "is false"
    else:
        for i in range(name == "where", arity):
            if not (name == "divide" and i == 1 and getattr(e.operands[0], "value", None) == 1.0):
                yield f"becomes operand {i}"


class _Rule:
    """A rule as a graph, with the equation at `place` changed."""

    name = ""

    def __init__(self, prim: Primitive, place: tuple[str, int] = ("", 0), what: str = "") -> None:
        self.prim, self.place, self.what = prim, place, what
        self.graphs: dict[Any, tuple[Graph, Any]] = {}

    def perform(self, graph: Graph, args: Sequence[Any]) -> list[Any]:
        values: dict[Any, Any] = dict(zip(graph.inputs, args, strict=True))

        def value(o: Any) -> Any:
            return o.value if isinstance(o, Literal) else values[o]

        for place, e in places(graph):
            operands = [value(o) for o in e.operands]
            out = self.change(e, operands) if place == self.place else apply(e.prim, *operands)
            values.update(zip(e.outs, out if e.prim.multi else (out,), strict=True))
        return [value(o) for o in graph.outputs]

    def change(self, e: Any, operands: list[Any]) -> Any:
        shape, dtype = e.outs[0].type.shape, e.outs[0].type.dtype
        if self.what in ("is true", "is false"):
            return broadcast_to(np.asarray(self.what == "is true"), shape)
        if self.what.startswith("over axis"):
            return apply1(Sum.of((int(self.what.split()[-1]),), e.prim.keepdims), operands[0])
        i = int(self.what.split()[-1])
        left = operands[i] if hasattr(operands[i], "shape") else np.asarray(operands[i], dtype)
        if e.prim.name == "subtract" and i == 1:
            left = -left
        if e.prim.name == "divide" and i == 1:
            left = 1.0 / left
        return broadcast_to(left, shape) if len(left.shape) <= len(shape) else sum_to(left, shape)


class _Pullback(_Rule):
    name = "reverse"

    def _written(self, ct: Any, args: Sequence[Any], out: Any) -> tuple[Graph, list[bool], bool, list[bool]]:
        """(graph, which arguments and whether the output it takes, which arguments it gives cotangents for)."""
        kept, kept_out = self.prim.keep(args, out)
        takes = [hasattr(k, "dtype") and not hasattr(k, "strong") and k is not None for k in kept]
        takes_out = kept_out is not None
        key = (str([type_of(v) for v in [ct, *args]]), takes_out)
        if key not in self.graphs:
            gives: list[bool] = []

            def pulled(*xs: Any) -> list[Any]:
                rest = iter(xs[1:])
                values = [next(rest) if t else k for t, k in zip(takes, kept, strict=True)]
                needs = [a.dtype.kind == "f" or None for a in args]
                cts = self.prim.pullback(BOXES, xs[0], values, next(rest) if takes_out else None, needs)
                gives[:] = [c is not None for c in cts]
                return [c for c in cts if c is not None]

            chosen = [a for a, t in zip(args, takes, strict=True) if t]
            types = [type_of(v).strong() for v in (ct, *chosen, *([out] if takes_out else []))]
            self.graphs[key] = trace_pure(pulled, types, "a rule"), (takes, takes_out, gives)
        graph, (takes, takes_out, gives) = self.graphs[key]
        return graph, takes, takes_out, gives

    def graph(self, args: Sequence[Any], out: Any) -> Graph:
        return self._written(np.ones(out.shape, out.dtype), args, out)[0]

    def method(self) -> dict[str, Any]:
        def pullback(self_: Any, k: Any, ct: Any, args: Any, out: Any, needs: Any) -> Any:
            shown = out if out is not None else np.zeros(ct.shape, ct.dtype)
            shaped = [np.zeros(ct.shape, ct.dtype) if a is None else a for a in args]
            full = [np.zeros(a.shape, a.dtype) if hasattr(a, "strong") else a for a in shaped]
            graph, takes, takes_out, gives = self._written(ct, full, shown)
            chosen = [a for a, t in zip(args, takes, strict=True) if t]
            found = iter(self.perform(graph, [ct, *chosen, *([out] if takes_out else [])]))
            pulled = [next(found) if g else None for g in gives]
            return [None if n is None else p for p, n in zip(pulled, needs, strict=True)]

        return {"pullback": pullback}


class _Pushforward(_Rule):
    name = "forward"

    def _written(self, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Graph:
        has = [t is not None for t in tangents]
        key = (str([type_of(a) for a in args]), str(has))
        if key not in self.graphs:
            n = len(args)

            def pushed(*xs: Any) -> list[Any]:
                rest = iter(xs[n:-1])
                found = self.prim.pushforward(BOXES, xs[:n], [next(rest) if h else None for h in has], xs[-1])
                return [broadcast_to(np.zeros((), out.dtype), tuple(out.shape)) if found is None else found]

            given = [t for t in tangents if t is not None]
            types = [type_of(v).strong() for v in (*args, *given, out)]
            self.graphs[key] = trace_pure(pushed, types, "a rule"), None
        return self.graphs[key][0]

    def graph(self, args: Sequence[Any], out: Any) -> Graph:
        return self._written(args, [a if a.dtype.kind == "f" else None for a in args], out)

    def method(self) -> dict[str, Any]:
        def pushforward(self_: Any, k: Any, args: Any, tangents: Any, out: Any) -> Any:
            graph = self._written(args, tangents, out)
            return self.perform(graph, [*args, *[t for t in tangents if t is not None], out])[0]

        return {"pushforward": pushforward}
