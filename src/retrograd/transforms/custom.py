"""`checkpoint`, and derivatives of your own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import update_wrapper, wraps
from typing import Any

from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import apply, current
from retrograd.core.forward import Forward, zeros_for
from retrograd.core.reverse import Reverse
from retrograd.core.tree import Structure, flatten_like, unflatten
from retrograd.core.types import ArrayType, type_of
from retrograd.errors import BorderCrossed, CellError, RetrogradError, ShapeError
from retrograd.graph.interpret import interpret
from retrograd.graph.ir import Graph, dependence
from retrograd.graph.trace import Traced, trace, trace_pure
from retrograd.ops.inputs import array_of, converted, face
from retrograd.primitives.control import Call, CustomVJP
from retrograd.transforms.arguments import flat_arrays, name_of
from retrograd.transforms.captures import CONSTANT, apply_traced, as_operands, tape_state, trace_tree


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, keeping only its inputs for the reverse sweep, which runs `f` again instead.

    Memory for time (Griewank 1992). Inside, cells are read once: the second run sees the values of the first, and its
    assignments are dropped. Keyword arguments are not differentiated.
    """

    @wraps(f)
    def checkpoint_f(*args: Any, **kwargs: Any) -> Any:
        values, structure = flat_arrays(args, f"the arguments of {name_of(f)}")
        name = f"checkpoint of {name_of(f)}"
        types = [type_of(v) for v in values]
        traced, result = trace_tree(
            lambda *xs: f(*xs, **kwargs), structure, values, types, name, users=() if kwargs else (f,)
        )
        prim = Call(traced.graph, name_of(f), recompute=True)
        states = [*map(tape_state, traced.results), *[CONSTANT] * (len(traced.graph.outputs) - traced.n_results)]
        operands = [*values, *traced.extra_values()]
        outs = apply_traced(lambda vs: apply(prim, *vs), operands, states)
        assign_cells(traced, outs, operands)
        return unflatten(result, [face(o) for o in outs[: traced.n_results]])

    return checkpoint_f


def assign_cells(traced: Traced, outs: Sequence[Any], operands: Sequence[Any]) -> None:
    """Give the cells that a function, traced and called with `operands`, assigned their new values."""
    values = list(outs[traced.n_results : traced.n_results + len(traced.written)])
    for i, cell in enumerate(traced.written):
        if cell.requires_grad:  # which a transform refuses if the value depends on its variable: does it?
            inputs = dependence(traced.graph)[traced.n_results + i]
            values[i] = _without_strangers(values[i], [operands[j] for j in inputs])
    changes: list[Any] = list(zip(traced.written, values, traced.guards(outs), strict=True))
    current().assign_all([*changes, *[(cell, None, None) for cell in traced.cleared]])


def _without_strangers(value: Any, sources: Sequence[Any]) -> Any:
    """`value` without the levels that none of the values it was computed from belongs to."""

    def owners(x: Any) -> set[int]:
        return {id(x.owner), *owners(x.value)} if isinstance(x, Box) else set()

    known = set().union(*map(owners, sources))
    while isinstance(value, Box) and isinstance(value.owner, (Reverse, Forward)) and id(value.owner) not in known:
        value = value.value
    return value


class custom_vjp:  # noqa: N801 - used as a decorator
    """A function with a reverse rule of your own.

    >>> import retrograd as rg
    >>> @rg.custom_vjp
    ... def clipped_exp(x):
    ...     return rg.exp(rg.clip(x, max=10.0))
    >>> def forward(x):
    ...     y = clipped_exp.f(x)  # the plain function
    ...     return y, y  # the result, and what the rule needs
    >>> def backward(y, ct):
    ...     return (ct * y,)  # one cotangent for each argument
    >>> clipped_exp.defvjp(forward, backward)
    >>> rg.grad(clipped_exp)(1.0)
    tensor(2.71828183, dtype=float64, weak)

    All three are traced. A value they capture must not require gradients: pass it as an argument. Forward mode is the
    reverse of the rule's reverse, so the rule must be differentiable, and linear in the cotangent.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.forward: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        update_wrapper(self, f)

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Declare ``forward(*args) -> (result, residuals)`` and ``backward(residuals, cotangent) -> cotangents``.

        A cotangent may be None for an argument that gets none.
        """
        self.forward, self.backward = forward, backward

    def __call__(self, *args: Any) -> Any:
        if self.forward is None or self.backward is None:
            raise RetrogradError(
                f"{name_of(self)} has no derivative yet: call {name_of(self)}.defvjp(forward, backward)"
            )
        if self in _being_traced.get():
            raise RetrogradError(
                f"a rule of {name_of(self)} calls {name_of(self)} itself, whose rule it is: call the plain function, "
                f"{name_of(self)}.f"
            )
        values, structure = flat_arrays(args, f"the arguments of {name_of(self)}")
        token = _being_traced.set(_being_traced.get() | {self})
        try:
            parts = _CustomParts(self, values, structure)
        finally:
            _being_traced.reset(token)
        outs = apply(parts.primitive(), *as_operands([*values, *parts.constants]))
        return unflatten(parts.result, [face(o) for o in outs])


_being_traced: ContextVar[frozenset[custom_vjp]] = ContextVar("being_traced", default=frozenset())


def constant_of(extra: Any, name: str) -> Any:
    """What a function with a declared derivative captures, as a value; one that requires gradients raises."""
    value = current().read(extra) if isinstance(extra, Cell) else extra
    if isinstance(value, Box) and value.node is not None:
        what = extra.name if isinstance(extra, Cell) else "a value"
        raise BorderCrossed(f"{name} captures {what}, which requires gradients: pass it as an argument")
    return value


class _CustomParts:
    """The three traced functions of a `custom_vjp`, made to fit together."""

    def __init__(self, owner: custom_vjp, values: list[Any], structure: Structure) -> None:
        self.name = name_of(owner)
        self.types = [type_of(v).strong() for v in values]
        self.structure = structure
        assert owner.forward is not None and owner.backward is not None
        forward_rule, backward_rule = owner.forward, owner.backward
        self.primal, self.result = trace_tree(owner.f, structure, values, self.types, self.name)
        self.kept: Structure | None = None
        self.forward = trace(
            lambda *xs: self._forward(forward_rule(*unflatten(structure, xs))), self.types, f"{self.name} (forward)"
        )
        out_types = [type_of(r).strong() for r in self.primal.results]
        self.n = len(out_types)
        residual_types = [type_of(r).strong() for r in self.forward.results[self.n :]]
        self.out_types, self.residual_types = out_types, residual_types
        floating = [t for t in out_types if t.is_float]
        self.backward = trace(
            lambda *xs: self._backward(backward_rule, xs), [*residual_types, *floating], f"{self.name} (backward)"
        )
        extras = [e for t in (self.primal, self.forward, self.backward) for e in t.extras]
        self.extras = list({id(e): e for e in extras}.values())
        self.constants = [constant_of(e, self.name) for e in self.extras]
        for t in (self.primal, self.forward, self.backward):
            if t.written or t.cleared:
                raise CellError(
                    f"{self.name} assigns {(t.written + t.cleared)[0].name} inside a custom_vjp; return the value"
                )

    def _forward(self, result: Any) -> list[Any]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise RetrogradError(f"the forward rule of {self.name} must return (result, residuals)")
        outs, structure = flat_arrays(result[0], f"the result of {self.name}")
        if structure != self.result:
            raise RetrogradError(f"the forward rule of {self.name} returns {structure}, the function {self.result}")
        residuals, self.kept = flat_arrays(result[1], f"the residuals of {self.name}")
        return [*outs, *residuals]

    def _backward(self, rule: Callable[..., Any], xs: Sequence[Any]) -> list[Any]:
        assert self.kept is not None
        m = len(self.residual_types)
        rest = iter(xs[m:])
        cts = [face(next(rest)) if t.is_float else face(zeros_for(t)) for t in self.out_types]
        result = rule(unflatten(self.kept, xs[:m]), unflatten(self.result, cts))
        if not isinstance(result, (tuple, list)) or len(result) != len(self.structure.children):
            raise RetrogradError(
                f"the backward rule of {self.name} must return {len(self.structure.children)} cotangents, one for each "
                "argument, None for none"
            )
        found: list[Any] = []
        at = 0
        for child, part in zip(self.structure.children, result, strict=True):
            own = self.types[at : at + child.size]
            leaves = [None] * child.size if part is None else flatten_like(child, part, f"a cotangent of {self.name}")
            found += [self._fitting(v, t) for v, t in zip(leaves, own, strict=True) if t.is_float]
            at += child.size
        return found

    def _fitting(self, value: Any, t: ArrayType) -> Any:
        if value is None:
            return zeros_for(t)
        ct = array_of(value)
        if tuple(ct.shape) != t.shape:
            raise ShapeError(
                f"the backward rule of {self.name} returns shape {tuple(ct.shape)} for an argument of {t.shape}"
            )
        return converted(ct, t.dtype)

    def primitive(self) -> CustomVJP:
        """Inputs of primal and forward: arguments and constants; the backward part gets the constants as residuals."""
        constant_types = [type_of(c).strong() for c in self.constants]
        inputs = [*self.types, *constant_types]
        n = len(self.types)

        def call(traced: Traced, xs: Sequence[Any], constants: Sequence[Any]) -> list[Any]:
            place = {id(e): c for e, c in zip(self.extras, constants, strict=True)}
            return interpret(traced.graph, [*xs, *[place[id(e)] for e in traced.extras]])

        def run_backward(*xs: Any) -> list[Any]:
            m = len(self.residual_types)
            constants = xs[m : m + len(constant_types)]
            pulled = call(self.backward, [*xs[:m], *xs[m + len(constant_types) :]], constants)
            return [*pulled, *[zeros_for(t) for t in constant_types if t.is_float]]

        primal = trace_pure(lambda *xs: call(self.primal, xs[:n], xs[n:]), inputs, self.name)
        forward = trace_pure(lambda *xs: [*call(self.forward, xs[:n], xs[n:]), *xs[n:]], inputs, self.name)
        floating = [t for t in self.out_types if t.is_float]
        backward: Graph = trace_pure(run_backward, [*self.residual_types, *constant_types, *floating], self.name)
        return CustomVJP(primal, forward, backward, self.name)


__all__ = ["checkpoint", "custom_vjp"]
