"""`custom_jvp`: a forward rule of your own, from which the reverse one follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import update_wrapper
from typing import Any

from retrograd.core.cells import Cell
from retrograd.core.dispatch import apply, current
from retrograd.core.forward import zeros_for
from retrograd.core.tree import Structure, flatten, flatten_like, unflatten
from retrograd.core.types import ArrayType, type_of
from retrograd.errors import CellError, RetrogradError, ShapeError
from retrograd.graph.interpret import interpret
from retrograd.graph.ir import Graph
from retrograd.graph.trace import Traced, trace, trace_pure
from retrograd.ops.inputs import array_of, converted, face
from retrograd.primitives.custom import CustomJVP
from retrograd.transforms.arguments import flat_arrays, name_of
from retrograd.transforms.captures import as_operands, trace_tree
from retrograd.transforms.custom import constant_of


class custom_jvp:  # noqa: N801 - used as a decorator
    """A function with a forward rule of your own; reverse mode transposes it.

    >>> import retrograd as rg
    >>> @rg.custom_jvp
    ... def log1pexp(x):
    ...     return rg.log(1.0 + rg.exp(x))
    >>> @log1pexp.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t / (1.0 + rg.exp(-x))  # the result, and its tangent
    >>> rg.grad(log1pexp)(100.0)
    tensor(1., dtype=float64, weak)

    Both are traced. The rule must be linear in the tangents: what shows itself as not linear raises where reverse mode
    or `linearize` needs that. The rule may call the function itself, on arguments of the same types, and then has
    derivatives of every order. A value that either captures must not require gradients: pass it as an argument.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.rule: Callable[..., Any] | None = None
        update_wrapper(self, f)

    def defjvp(self, rule: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Declare ``rule(primals, tangents) -> (result, tangent of the result)``; serves as a decorator.

        Both arguments are tuples with an entry for each argument of the function. The tangent of an integer is None,
        and so may be that of the result, or a part of it, where it is zero.
        """
        self.rule = rule
        return rule

    def __call__(self, *args: Any) -> Any:
        if self.rule is None:
            raise RetrogradError(f"{name_of(self)} has no derivative yet: call {name_of(self)}.defjvp(rule)")
        values, structure = flat_arrays(args, f"the arguments of {name_of(self)}")
        own = next((t for t in _being_traced.get() if t.owner is self), None)
        if own is not None:
            return own.call(values, structure)
        parts = _Tracing(self, values, structure, len(_being_traced.get()))
        outs = apply(parts.primitive(), *as_operands([*values, *parts.constants]))
        return unflatten(parts.result, [face(o) for o in outs])


class _Tracing:
    """The function and its rule, traced and made to fit together. Meanwhile a call in the rule is left open."""

    def __init__(self, owner: custom_jvp, values: list[Any], structure: Structure, depth: int) -> None:
        self.owner, self.structure, self.depth, self.name = owner, structure, depth, name_of(owner)
        self.types = [type_of(v).strong() for v in values]
        self.primal: Traced | None = None  # while the function itself is traced
        self.extras: list[Any] = []
        self.called = False
        token = _being_traced.set((*_being_traced.get(), self))
        try:
            primal, self.result = trace_tree(owner.f, structure, values, self.types, self.name)
            self.primal = primal
            self.out_types = [type_of(r).strong() for r in primal.results]
            self.extras = list(primal.extras)
            self.rule = self._trace_rule()
            more = [e for e in self.rule.extras if not any(e is x for x in self.extras)]
            self.extras += more
            if self.called and more:  # again, now that it is known what a call in the rule has to hand on
                self.rule = self._trace_rule()
        finally:
            _being_traced.reset(token)
        for t in (primal, self.rule):
            if t.written or t.cleared:
                raise CellError(
                    f"{self.name} assigns {(t.written + t.cleared)[0].name} inside a custom_jvp; return the value"
                )
        self.constants = [constant_of(e, self.name) for e in self.extras]

    def _trace_rule(self) -> Traced:
        floating = [t for t in self.types if t.is_float]
        return trace(self._run_rule, [*self.types, *floating], f"the rule of {self.name}")

    def _run_rule(self, *xs: Any) -> list[Any]:
        n = len(self.types)
        rest = iter(xs[n:])
        tangents = [next(rest) if t.is_float else None for t in self.types]
        assert self.owner.rule is not None
        result = self.owner.rule(unflatten(self.structure, xs[:n]), unflatten(self.structure, tangents))
        if not isinstance(result, tuple) or len(result) != 2:
            raise RetrogradError(f"the rule of {self.name} must return (result, tangent of the result)")
        outs, structure = flat_arrays(result[0], f"the result of the rule of {self.name}")
        if structure != self.result:
            raise RetrogradError(f"the rule of {self.name} returns {structure}, the function {self.result}")
        values = [self._fitting(o, t, "the result") for o, t in zip(outs, self.out_types, strict=True)]
        return [*values, *self._tangents(result[1])]

    def _tangents(self, tree: Any) -> list[Any]:
        if tree is None:
            leaves: list[Any] = [None] * len(self.out_types)
        elif self.result.kind == "leaf" and flatten(tree)[1].kind != "leaf":
            raise RetrogradError(f"the rule of {self.name} returns the tangent {flatten(tree)[1]} for one array")
        else:
            leaves = flatten_like(self.result, tree, f"the tangent of the result of {self.name}")
        pairs = zip(leaves, self.out_types, strict=True)
        return [zeros_for(t) if v is None else self._fitting(v, t, "the tangent") for v, t in pairs if t.is_float]

    def _fitting(self, value: Any, t: ArrayType, what: str) -> Any:
        found = array_of(value)
        if tuple(found.shape) != t.shape:
            raise ShapeError(
                f"the rule of {self.name} returns shape {tuple(found.shape)} for {what}, the function {t.shape}"
            )
        return converted(found, t.dtype)

    def call(self, values: list[Any], structure: Structure) -> Any:
        """A call of the function while its own rule is traced."""
        if self.primal is None:
            raise RetrogradError(f"{self.name} calls itself: call the plain function, {self.name}.f")
        if structure != self.structure or [type_of(v).strong() for v in values] != self.types:
            raise RetrogradError(
                f"the rule of {self.name} calls {self.name} on arguments of other types: call {self.name}.f there, "
                "the plain function"
            )
        self.called = True
        prim = CustomJVP(self._primal_graph(), None, self.name, self.depth)
        active = current()
        constants = [active.read(e) if isinstance(e, Cell) else e for e in self.extras]
        outs = apply(prim, *as_operands([*values, *constants]))
        return unflatten(self.result, [face(o) for o in outs])

    def _primal_graph(self) -> Graph:
        assert self.primal is not None
        return self._with_constants(self.primal, self.types, 0)

    def _with_constants(self, traced: Traced, types: Sequence[ArrayType], n_tangents: int) -> Graph:
        """The traced graph with all extras for inputs: behind the arguments, each with a tangent where it floats."""
        constant_types = [_type_of_extra(e) for e in self.extras]
        n, c = len(self.types), len(self.extras)
        floating = [t for t in constant_types if t.is_float] if n_tangents else []

        def run(*xs: Any) -> list[Any]:
            constants = xs[n : n + c]
            tangents = xs[n + c : n + c + n_tangents]
            place = {id(e): v for e, v in zip(self.extras, constants, strict=True)}
            return interpret(traced.graph, [*xs[:n], *tangents, *[place[id(e)] for e in traced.extras]])

        return trace_pure(run, [*types[:n], *constant_types, *types[n:], *floating], self.name)

    def primitive(self) -> CustomJVP:
        """Arguments are those of the function, then what it and its rule capture."""
        floating = [t for t in self.types if t.is_float]
        rule = self._with_constants(self.rule, [*self.types, *floating], len(floating))
        return CustomJVP(self._primal_graph(), rule, self.name, self.depth)


def _type_of_extra(extra: Any) -> ArrayType:
    value = current().read(extra) if isinstance(extra, Cell) else extra
    return type_of(value).strong()


_being_traced: ContextVar[tuple[_Tracing, ...]] = ContextVar("being_traced", default=())

__all__ = ["custom_jvp"]
