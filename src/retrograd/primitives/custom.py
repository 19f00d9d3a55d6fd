"""The primitive of `custom_jvp`: a forward derivative is declared, the reverse one is transposed from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from retrograd.core.dispatch import apply
from retrograd.core.forward import zeros_for
from retrograd.core.primitive import Primitive
from retrograd.errors import DifferentiationError, MissingRule
from retrograd.graph.interpret import interpret
from retrograd.graph.ir import Equation, Graph
from retrograd.graph.trace import trace_pure
from retrograd.primitives import derive
from retrograd.primitives.control import Call, Declared, example, filled
from retrograd.primitives.exponential import EXP
from retrograd.primitives.families import lead
from retrograd.primitives.linearity import AFFINE, CUT, FREE, LINEAR, depends, roles
from retrograd.primitives.trigonometric import COS, SIN


def _wave(x: Any, y: Any) -> list[Any]:
    return [apply(SIN, x) * y, y * y]


def _wave_pushed(x: Any, y: Any, t: Any, u: Any) -> list[Any]:
    sine = apply(SIN, x)
    return [sine * y, y * y, apply(COS, x) * y * t + sine * u, 2.0 * y * u]


def _exponential(x: Any, y: Any) -> list[Any]:
    return [apply(EXP, apply(SIN, x) * apply(COS, y))]


def _by_itself(x: Any, y: Any, t: Any, u: Any) -> list[Any]:
    """The rule of `_exponential`, which calls the function whose rule it is."""
    (out,) = apply(CustomJVP(example(_exponential, (), ()), None, "by itself"), x, y)
    return [out, out * (apply(COS, x) * apply(COS, y) * t - apply(SIN, x) * apply(SIN, y) * u)]


@dataclass(frozen=True)
class CustomJVP(Declared):
    r"""A function with a forward derivative of its own.

    ``rule`` takes the arguments and the tangents of the floating ones, and gives the outputs and the tangents of the
    floating ones. It is linear in the tangents, so the reverse derivative is its transpose: the reverse derivative of
    the rule by the tangents.

    .. math:: \dot y = \operatorname{rule}(x, \dot x), \qquad
        \bar x = (\partial \operatorname{rule} / \partial \dot x)^{T} \bar y

    Without a rule it stands, inside the rule of a function, for that function itself; `depth` says of which one, where
    rules call functions with rules. ``primal`` is for the `lanes` of every `vmap` around the call, the first the
    innermost; ``rule`` stays as it was declared, since a rule may put the function whose rule it is into a `vmap`.
    """

    primal: Graph
    rule: Graph | None
    label: str = ""
    depth: int = 0
    lanes: tuple[int, ...] = ()
    name, formula, derivative = "custom_jvp", "f(x)", "as declared"

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        for shape in ((2,), ()):
            yield cls(example(_wave, shape, shape), example(_wave_pushed, *[shape] * 4), "wave")
        yield cls(example(_exponential, (), ()), example(_by_itself, (), (), (), ()), "by itself")

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        everything = [lead(a, b, size) for a, b in zip(args, batched, strict=True)]
        prim = replace(self, primal=_for_lanes(self.primal, (size,)), lanes=(*self.lanes, size))
        return apply(prim, *everything), (True,) * len(self.primal.outputs)

    @property
    def _opened(self) -> Graph:
        """The rule, in which the function itself has this rule again: so it has derivatives of every order."""
        if self.rule is None:
            raise MissingRule(
                f"the function {self.label}, called within its own rule, was differentiated outside of that rule: "
                "call the plain function there"
            )
        rule = _for_lanes(self.rule, self.lanes)
        return derive.remembered(rule, ("opened", self), lambda: swapped(rule, self._again))

    def _again(self, prim: Primitive) -> Primitive | None:
        """What stands for a primitive within the rule; None for its own graphs to be looked at."""
        if isinstance(prim, CustomJVP) and prim.depth == self.depth:
            return replace(prim, rule=self.rule) if prim.rule is None else prim
        return None

    def _tangents(self, args: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        pairs = derive.chosen(list(zip(args, tangents, strict=True)), derive.floats(self.primal.in_types))
        return [zeros_for(a) if t is None else t for a, t in pairs]

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        rule, n = self._opened, len(self.primal.outputs)
        only = derive.remembered(
            rule, "tangents", lambda: derive.pruned(Graph(rule.inputs, rule.equations, rule.outputs[n:]))
        )
        pushed = apply(Call(only, f"jvp of {self.label}"), *args, *self._tangents(args, tangents))
        return derive.spread(pushed, derive.floats(self.primal.out_types))

    # The derivative of the rule by its tangents, in two parts: forward (`linear_split`) or transposed (`split`) -----

    def _parts(self, needs: derive.Flags, how: Callable[[Graph, derive.Flags], derive.Split]) -> tuple[Graph, Any]:
        """Arguments -> outputs and residuals, and the split whose second part is linear."""
        rule = self._opened
        n, n_out = len(self.primal.inputs), len(self.primal.outputs)
        types = self.primal.in_types
        n_tangents = sum(derive.floats(types))

        def make() -> tuple[Graph, derive.Split]:
            wanted = tuple(derive.chosen(needs, derive.floats(types)))
            parts = how(rule, (False,) * n + wanted)
            self._check(parts, n, n_tangents)

            def at_zero(*xs: Any) -> list[Any]:
                zeros = [zeros_for(t) for t in types if t.is_float]
                outs = interpret(parts.forward, [*xs, *zeros])
                return [*outs[:n_out], *outs[parts.n_outputs :]]

            return derive.pruned(trace_pure(at_zero, derive.strong(types), self.label)), parts

        return derive.remembered(rule, ("parts", needs, how), make)

    def _check(self, parts: derive.Split, n: int, n_tangents: int) -> None:
        """Refuse a rule that is plainly not linear, going by what both parts, one after the other, make of tangents."""
        outs = roles(parts.forward, [FREE] * n + [LINEAR] * n_tangents)
        given = len(parts.backward.inputs) - (len(outs) - parts.n_outputs)
        derivative = roles(parts.backward, [*outs[parts.n_outputs :], *[FREE] * given])
        n_out = len(self.primal.outputs)
        problem = None
        if any(map(depends, derivative)):
            problem = "its derivative by the tangents depends on the tangents"
        elif any(map(depends, outs[:n_out])):
            problem = "the result itself, which comes first, depends on the tangents"
        elif CUT in outs[n_out : parts.n_outputs]:
            problem = "it passes them through an operation that jumps, such as a comparison or rounding"
        elif any(r in (AFFINE, FREE) for r in outs[n_out : parts.n_outputs]):
            problem = "it does not vanish where they do"
        if problem:
            raise DifferentiationError(
                f"the rule of {self.label} is not linear in the tangents: {problem}. Reverse mode transposes the rule, "
                "which has to give, for each tangent, what the Jacobian makes of it."
            )

    def forward_part(self, needs: derive.Flags) -> tuple[Primitive, int]:
        return Call(self._parts(needs, derive.split)[0], self.label), len(self.primal.outputs)

    def backward_part(self, residuals: Sequence[Any], args: Sequence[Any], cts: Any, needs: derive.Flags) -> Any:
        parts = self._parts(needs, derive.split)[1]
        given = filled(cts, self.primal.out_types)
        nothing = [zeros_for(t) for t in self.primal.out_types if t.is_float]  # for the outputs of the rule themselves
        pulled = apply(Call(parts.backward, f"transpose of {self.label}"), *residuals, *nothing, *given)
        found = iter(derive.spread(pulled, parts.pulled[len(self.primal.inputs) :]))
        return [next(found) if t.is_float else None for t in self.primal.in_types]

    def linear_forward(self, needs: derive.Flags) -> tuple[Primitive, int | None]:
        return Call(self._parts(needs, derive.linear_split)[0], self.label), len(self.primal.outputs)

    def linear_part(self, residuals: Any, args: Sequence[Any], tangents: Sequence[Any], out: Sequence[Any]) -> Any:
        parts = self._parts(tuple(t is not None for t in tangents), derive.linear_split)[1]
        linear = Call(parts.backward, f"linear part of {self.label}")
        pushed = apply(linear, *residuals, *[t for t in tangents if t is not None])
        flags = derive.floats(self.primal.out_types)
        return derive.spread(pushed[sum(flags) :], flags)


def _for_lanes(graph: Graph, sizes: Sequence[int]) -> Graph:
    """`graph` with new first axes of these sizes on all that goes in and comes out, the last one outermost."""
    for size in sizes:
        graph = derive.batched(graph, (True,) * len(graph.inputs), size, (True,) * len(graph.outputs))[0]
    return graph


def swapped(graph: Graph, swap: Callable[[Primitive], Primitive | None]) -> Graph:
    """`graph` with other primitives, also in the graphs of its primitives; where `swap` gives None it looks inside."""
    equations = tuple(Equation(_inside(e.prim, swap), e.operands, e.outs, e.line) for e in graph.equations)
    if all(a.prim is b.prim for a, b in zip(equations, graph.equations, strict=True)):
        return graph
    return Graph(graph.inputs, equations, graph.outputs)


def _inside(prim: Any, swap: Callable[[Primitive], Primitive | None]) -> Any:
    found = swap(prim)
    if found is not None:
        return found
    changes = {}
    for name in getattr(prim, "__dataclass_fields__", ()):
        value = getattr(prim, name)
        if isinstance(value, Graph):
            changes[name] = swapped(value, swap)
    changed = any(changes[name] is not getattr(prim, name) for name in changes)
    return replace(prim, **changes) if changed else prim
