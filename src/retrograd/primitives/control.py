"""Primitives made of graphs: call, custom_vjp, cond."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.dispatch import apply, apply1
from retrograd.core.forward import reverse_of_reverse, zeros_for
from retrograd.core.primitive import Primitive
from retrograd.core.source import tentatively
from retrograd.core.types import ArrayType, type_of
from retrograd.errors import DTypeError, MissingRule, ShapeError
from retrograd.graph.interpret import WATCH, execute
from retrograd.graph.ir import Graph
from retrograd.graph.trace import trace_pure
from retrograd.primitives import derive
from retrograd.primitives.comparison import LOGICAL_NOT, WHERE
from retrograd.primitives.families import behind_lanes, lead
from retrograd.primitives.lanes import meant_for
from retrograd.primitives.trigonometric import COS, SIN


@cache
def example(function: Callable[..., Any], *like: Any) -> Graph:
    """A small graph for the laws; `like` are Python scalars, or shapes of float64 arrays."""
    types = [ArrayType(x, np.dtype("float64")) if isinstance(x, tuple) else type_of(x).strong() for x in like]
    return trace_pure(function, types, "an example")


def drawn(rng: Any, types: Sequence[ArrayType]) -> tuple[Any, ...]:
    """Arguments of these types."""
    return tuple(rng.normal(size=t.shape) if t.is_float else np.asarray(rng.integers(0, 2), t.dtype) for t in types)


def _wave(x: Any, y: Any) -> list[Any]:
    return [apply(SIN, x) * y]


def _wave_and_more(x: Any, y: Any, n: Any) -> list[Any]:
    wave = apply(SIN, x) * y
    return [wave, n + 1, x, wave * wave, y * y]  # an integer, an input as it is, an output the rest depends on


def _wave_kept(x: Any, y: Any) -> list[Any]:
    sine = apply(SIN, x)
    return [sine * y, sine, apply(COS, x), y]


def _wave_pulled(sine: Any, cosine: Any, y: Any, ct: Any) -> list[Any]:
    return [ct * y * cosine, ct * sine]


def _square_sum(x: Any, y: Any) -> list[Any]:
    return [x * x + y * y * y]


def check_inputs(name: str, graph: Graph, types: Sequence[ArrayType]) -> None:
    """Refuse operands that are not what a graph takes."""
    wanted = graph.in_types
    if len(wanted) != len(types) or any(w.strong() != t.strong() for w, t in zip(wanted, types, strict=True)):
        raise ShapeError(f"{name} takes ({', '.join(map(str, wanted))}), got ({', '.join(map(str, types))})")


def filled(cts: Sequence[Any], types: Sequence[ArrayType]) -> list[Any]:
    """The cotangents of the floating outputs, zeros where none arrived."""
    return [zeros_for(t) if c is None else c for c, t in zip(cts, types, strict=True) if t.is_float]


def run_inner(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """Evaluate a graph inside another: its loops are not the outermost, so they do not report progress."""
    watch = WATCH.get()
    try:
        WATCH.set(None)
        return execute(graph, args)
    finally:
        WATCH.set(watch)


class OfGraphs(Primitive):
    """Several outputs, and a derivative in two parts that goes by residuals.

    A tape node of such a primitive keeps the inputs and, as `out`, the residuals. Where the sweep itself is to be
    differentiated (`create_graph`), `out` is None and the residuals are computed again from the inputs.
    """

    multi = True

    def residuals(self, level: Any, values: list[Any], parents: list[Any]) -> tuple[Any, Any]:
        needs = tuple(p is not None for p in parents)
        try:
            forward, n = self.forward_part(needs)
        except MissingRule:  # it says so where somebody asks for the derivative
            return level.perform(self, values), None
        outs = level.perform(forward, values)
        return outs[:n], outs[n:]

    def forward_part(self, needs: derive.Flags) -> tuple[Primitive, int]:
        """The primitive that also gives the residuals, and how many outputs come before them."""
        raise NotImplementedError

    def backward_part(self, residuals: Sequence[Any], args: Sequence[Any], cts: Any, needs: derive.Flags) -> Any:
        """The cotangents of the arguments."""
        raise NotImplementedError

    def pullback(self, k: Any, ct: Any, args: Sequence[Any], out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        flags = tuple(n is not None for n in needs)
        if out is None:
            forward, n = self.forward_part(flags)
            out = apply(forward, *args)[n:]
        return self.backward_part(out, args, ct, flags)

    # Forward mode in two parts (`derive.Apart`); by default the second part is all of it.

    def linear_forward(self, needs: derive.Flags) -> tuple[Primitive, int | None]:
        """The primitive that also gives what the linear part needs, and how many outputs come before that."""
        return self, None

    def linear_part(self, residuals: Any, args: Sequence[Any], tangents: Sequence[Any], out: Sequence[Any]) -> Any:
        """The tangents of the outputs."""
        return self.pushforward(None, args, tangents, out)


@dataclass(frozen=True)
class Call(OfGraphs):
    r"""Run a graph: a jitted function, or a checkpointed one.

    .. math:: y = f(x), \qquad \bar x = (\partial f / \partial x)^{T} \bar y

    With ``recompute`` nothing but the inputs is kept, and the backward part runs the forward part again.
    """

    graph: Graph
    label: str = ""
    recompute: bool = False
    live: tuple[bool, ...] | None = None  # which outputs have derivatives
    name, formula, derivative = "call", "f(x)", "backward part of f, from residuals"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        yield cls(example(_wave, (3,), (3,)), "wave")
        yield cls(example(_wave_and_more, (2,), (2,), 1))
        yield cls(example(_wave_and_more, (), (), 1), "again", recompute=True)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield drawn(rng, self.graph.in_types)

    @property
    def draws(self) -> bool:
        return derive.draws(self.graph)

    @property
    def differentiable(self) -> bool:
        return self.live is None or any(self.live)

    @property
    def differentiable_outputs(self) -> Any:
        return self.live

    def evaluate(self, *args: Any) -> Any:
        return tuple(run_inner(self.graph, args))

    def infer(self, *types: ArrayType) -> Any:
        check_inputs(f"call of {self.label or 'a graph'}", self.graph, types)
        return self.graph.out_types

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        graph, flags = derive.batched(self.graph, tuple(batched), size)
        return apply(Call(graph, self.label, self.recompute, self.live), *args), flags

    def forward_part(self, needs: derive.Flags) -> tuple[Primitive, int]:
        parts = derive.split(self.graph, needs)
        return Call(parts.forward, self.label), parts.n_outputs

    def residuals(self, level: Any, values: list[Any], parents: list[Any]) -> tuple[Any, Any]:
        if self.recompute:
            return level.perform(self, values), None
        return super().residuals(level, values, parents)

    def backward_part(self, residuals: Sequence[Any], args: Sequence[Any], cts: Any, needs: derive.Flags) -> Any:
        parts = derive.split(self.graph, needs)
        pulled = apply(
            Call(parts.backward, f"backward of {self.label}"), *residuals, *filled(cts, self.graph.out_types)
        )
        return derive.spread(pulled, parts.pulled)

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        flags = tuple(t is not None for t in tangents)
        graph = derive.pushed_forward(self.graph, flags)
        outs = apply(Call(graph, self.label, self.recompute), *args, *derive.chosen(tangents, flags))
        return derive.spread(outs[len(self.graph.outputs) :], derive.floats(self.graph.out_types))

    def linear_forward(self, needs: derive.Flags) -> tuple[Primitive, int | None]:
        if self.recompute:
            return self, None
        parts = derive.linear_split(self.graph, needs)
        return Call(parts.forward, self.label), parts.n_outputs

    def linear_part(self, residuals: Any, args: Sequence[Any], tangents: Sequence[Any], out: Sequence[Any]) -> Any:
        if self.recompute:
            return super().linear_part(residuals, args, tangents, out)
        flags = tuple(t is not None for t in tangents)
        linear = Call(derive.linear_split(self.graph, flags).backward, f"linear part of {self.label}")
        pushed = apply(linear, *residuals, *derive.chosen(tangents, flags))
        return derive.spread(pushed, derive.floats(self.graph.out_types))


class Declared(OfGraphs):
    """A function whose derivative is declared: `primal` says what it computes."""

    primal: Graph
    label: str

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield drawn(rng, self.primal.in_types)

    def evaluate(self, *args: Any) -> Any:
        return tuple(run_inner(self.primal, args))

    def infer(self, *types: ArrayType) -> Any:
        check_inputs(self.label or self.name, self.primal, types)
        return tuple(derive.strong(self.primal.out_types))

    def residuals(self, level: Any, values: list[Any], parents: list[Any]) -> tuple[Any, Any]:
        if any(isinstance(v, Box) for v in values):  # whoever differentiates below must meet this rule too
            return level.perform(self, values), None
        return super().residuals(level, values, parents)


@dataclass(frozen=True)
class CustomVJP(Declared):
    r"""A function with a derivative of its own.

    ``forward`` gives the outputs of ``primal`` and residuals; ``backward`` takes residuals and cotangents.

    .. math:: y = f(x), \qquad \bar x = \operatorname{backward}(\text{residuals}, \bar y)
    """

    primal: Graph
    forward: Graph
    backward: Graph
    label: str = ""
    name, formula, derivative = "custom_vjp", "f(x)", "as declared"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for shape in ((2,), ()):
            graphs = (
                example(_wave, shape, shape),
                example(_wave_kept, shape, shape),
                example(_wave_pulled, *[shape] * 4),
            )
            yield cls(*graphs, "wave")

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        everything = [lead(a, b, size) for a, b in zip(args, batched, strict=True)]
        primal, forward, backward = (
            derive.batched(g, (True,) * len(g.inputs), size, (True,) * len(g.outputs))[0]
            for g in (self.primal, self.forward, self.backward)
        )
        prim = CustomVJP(primal, forward, backward, self.label)
        return apply(prim, *everything), (True,) * len(self.primal.outputs)

    def forward_part(self, needs: derive.Flags) -> tuple[Primitive, int]:
        return Call(self.forward, self.label), len(self.primal.outputs)

    def backward_part(self, residuals: Sequence[Any], args: Sequence[Any], cts: Any, needs: derive.Flags) -> Any:
        pulled = apply(
            Call(self.backward, f"backward of {self.label}"), *residuals, *filled(cts, self.primal.out_types)
        )
        return derive.spread(pulled, derive.floats(self.primal.in_types))

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        return reverse_of_reverse(self, args, tangents, out)


@dataclass(frozen=True)
class Cond(OfGraphs):
    r"""One of two graphs, chosen by a boolean scalar. Only the chosen one runs, forward and backward.

    .. math:: y = c \;?\; f(x) : g(x)
    """

    true: Graph
    false: Graph
    name, formula, derivative = "cond", "f(x) if c else g(x)", "backward part of the arm that ran"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        yield cls(example(_wave, (2,), (2,)), example(_square_sum, (2,), (2,)))

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        for chosen in (True, False):
            yield np.asarray(chosen), *drawn(rng, self.true.in_types)

    @property
    def draws(self) -> bool:
        return derive.draws(self.true, self.false)

    def evaluate(self, predicate: Any, *args: Any) -> Any:
        return tuple(run_inner(self.true if bool(predicate) else self.false, args))

    def infer(self, *types: ArrayType) -> Any:
        if types[0].shape or types[0].dtype.kind != "b":
            raise DTypeError(f"cond needs a boolean scalar, got {types[0]}")
        check_inputs(self.name, self.true, types[1:])
        check_inputs(self.name, self.false, types[1:])
        outs = derive.strong(self.true.out_types)
        if outs != derive.strong(self.false.out_types):
            raise ShapeError(
                f"the arms of cond differ: ({', '.join(map(str, outs))}) and "
                f"({', '.join(map(str, self.false.out_types))})"
            )
        return tuple(outs)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        flags = tuple(batched[1:])
        everything = (True,) * len(self.true.outputs)
        found = [derive.batched(g, flags, size)[1] for g in (self.true, self.false)]
        wanted = everything if batched[0] else tuple(a or b for a, b in zip(*found, strict=True))
        true, false = (derive.batched(g, flags, size, wanted)[0] for g in (self.true, self.false))
        if not batched[0]:
            return apply(Cond(true, false), *args), wanted
        with tentatively():  # each lane takes one of them
            yes = self._for_lanes(true, args[0], args[1:], flags, size)
            no = self._for_lanes(false, apply1(LOGICAL_NOT, args[0]), args[1:], flags, size)
        outs = [apply(WHERE, behind_lanes(args[0], len(a.shape)), a, b) for a, b in zip(yes, no, strict=True)]
        return outs, wanted

    def _for_lanes(self, arm: Graph, takes: Any, args: Sequence[Any], flags: derive.Flags, size: int) -> Any:
        """The results of an arm for all lanes; it runs only if some lane takes it, and on arguments of such lanes."""
        if not size:
            return apply(Call(arm), *args)
        some, given = meant_for(takes, args, flags)
        idle = derive.remembered(arm, "idle", lambda: derive.zeros_like_outputs(arm))
        return apply(Cond(arm, idle), some, *given)

    def _parts(self, needs: derive.Flags) -> tuple[Cond, Cond, derive.Flags]:
        """Forward, backward, and which operands the backward part gives a cotangent for.

        Both arms must have the same outputs, so each gives the other's residuals as zeros.
        """

        def make() -> Any:
            yes, no = (derive.split(g, needs) for g in (self.true, self.false))
            n, n_yes, n_no = yes.n_outputs, yes.n_residuals, no.n_residuals
            res_yes, res_no = yes.backward.in_types[:n_yes], no.backward.in_types[:n_no]
            forward = Cond(
                derive.with_outputs(yes.forward, n, [], res_no), derive.with_outputs(no.forward, n, res_yes, [])
            )
            wanted = tuple(a or b for a, b in zip(yes.pulled, no.pulled, strict=True))
            types = self.true.in_types
            backward = Cond(
                derive.backward_arm(yes, [], res_no, types, wanted), derive.backward_arm(no, res_yes, [], types, wanted)
            )
            return forward, backward, wanted

        return derive.remembered(self.true, ("cond", self.false, needs), make)

    def forward_part(self, needs: derive.Flags) -> tuple[Primitive, int]:
        forward, _, _ = self._parts(needs[1:])
        return forward, len(self.true.outputs)

    def backward_part(self, residuals: Sequence[Any], args: Sequence[Any], cts: Any, needs: derive.Flags) -> Any:
        _, backward, wanted = self._parts(needs[1:])
        pulled = apply(backward, args[0], *residuals, *filled(cts, self.true.out_types))
        return [None, *derive.spread(pulled, wanted)]

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        flags = tuple(t is not None for t in tangents[1:])
        true, false = (derive.pushed_forward(g, flags) for g in (self.true, self.false))
        outs = apply(Cond(true, false), *args, *derive.chosen(tangents[1:], flags))
        return derive.spread(outs[len(self.true.outputs) :], derive.floats(self.true.out_types))

    def _linear_parts(self, needs: derive.Flags) -> tuple[Cond, Cond]:
        def make() -> Any:
            yes, no = (derive.linear_split(g, needs) for g in (self.true, self.false))
            n, n_yes, n_no = yes.n_outputs, yes.n_residuals, no.n_residuals
            res_yes, res_no = yes.backward.in_types[:n_yes], no.backward.in_types[:n_no]
            forward = Cond(
                derive.with_outputs(yes.forward, n, [], res_no), derive.with_outputs(no.forward, n, res_yes, [])
            )
            return forward, Cond(derive.linear_arm(yes, [], res_no), derive.linear_arm(no, res_yes, []))

        return derive.remembered(self.true, ("linear cond", self.false, needs), make)

    def linear_forward(self, needs: derive.Flags) -> tuple[Primitive, int | None]:
        return self._linear_parts(needs[1:])[0], len(self.true.outputs)

    def linear_part(self, residuals: Any, args: Sequence[Any], tangents: Sequence[Any], out: Sequence[Any]) -> Any:
        flags = tuple(t is not None for t in tangents[1:])
        linear = self._linear_parts(flags)[1]
        pushed = apply(linear, args[0], *residuals, *derive.chosen(tangents[1:], flags))
        return derive.spread(pushed, derive.floats(self.true.out_types))
