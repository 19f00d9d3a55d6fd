"""Graphs from graphs: batched, pushed forward, and split into a forward part and a backward part.

Each is the graph run by another interpreter while a stage writes down what happens, so there is no second
differentiator here. Results are kept with the graph they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from retrograd.core.batching import Batch
from retrograd.core.box import Box
from retrograd.core.dispatch import Interpreter, apply, current, interpreter, lowest
from retrograd.core.forward import Forward, backpropagate, zeros_for
from retrograd.core.reverse import Reverse
from retrograd.core.sweep import sweep
from retrograd.core.types import ArrayType
from retrograd.graph.interpret import inherit, interpret
from retrograd.graph.ir import Equation, Graph, Literal, Var
from retrograd.graph.trace import trace_pure
from retrograd.primitives.families import lead

Flags = tuple[bool, ...]


def remembered(graph: Graph, key: Any, make: Callable[[], Any]) -> Any:
    """What `make` gave for this graph and key the first time."""
    found = graph.derived.get(key)
    if found is None:
        found = graph.derived[key] = make()
    return found


def floats(types: Sequence[ArrayType]) -> Flags:
    """Which of the types have derivatives."""
    return tuple(t.is_float for t in types)


def chosen(values: Sequence[Any], flags: Flags) -> list[Any]:
    """The values whose flag is set."""
    return [v for v, f in zip(values, flags, strict=True) if f]


def spread(values: Sequence[Any], flags: Flags) -> list[Any]:
    """One entry per flag: the next value where it is set, None elsewhere."""
    rest = iter(values)
    return [next(rest) if f else None for f in flags]


def strong(types: Sequence[ArrayType]) -> list[ArrayType]:
    """The types without weakness."""
    return [t.strong() for t in types]


def batched(graph: Graph, flags: Flags, size: int, wanted: Flags = ()) -> tuple[Graph, Flags]:
    """`graph` for `size` lanes: flagged inputs have them on a new first axis.

    Returns:
        The graph, and which of its outputs have lanes: those that differ from lane to lane, and those `wanted`.
    """
    found: list[bool] = []

    def run(*xs: Any) -> list[Any]:
        level = Batch(current(), size)
        with interpreter(level):
            outs = interpret(graph, [level.lanes(x) if f else x for x, f in zip(xs, flags, strict=True)])
        owned = [level.owns(o) for o in outs]
        found[:] = [o or w for o, w in zip(owned, wanted or (False,) * len(outs), strict=True)]
        return [
            (o.value if own else lead(o, False, size)) if f else o for o, own, f in zip(outs, owned, found, strict=True)
        ]

    def make() -> tuple[Graph, Flags]:
        types = [ArrayType((size, *t.shape), t.dtype) if f else t for t, f in zip(graph.in_types, flags, strict=True)]
        made = trace_pure(run, types, "vmap of a graph")
        inherit(graph, made)
        return made, tuple(found)

    return remembered(graph, ("batched", flags, size, wanted), make)


def draws(*graphs: Graph) -> bool:
    """Whether a graph takes from a generator."""

    def of_one(graph: Graph) -> tuple[bool]:
        return (any(e.prim.draws for e in graph.equations),)

    return any(remembered(g, "draws", partial(of_one, g))[0] for g in graphs)


def pushed_forward(graph: Graph, flags: Flags) -> Graph:
    """Inputs, then tangents of the flagged ones; outputs, then tangents of the floating ones."""

    def make() -> Graph:
        made = _with_tangents(graph, flags, lambda: Forward(current()))
        inherit(graph, made)
        return made

    return remembered(graph, ("pushed_forward", flags), make)


def _with_tangents(graph: Graph, flags: Flags, new_level: Callable[[], Forward]) -> Graph:
    """`graph` run by a level of forward mode: see `pushed_forward`."""

    def run(*xs: Any) -> list[Any]:
        n = len(flags)
        level = new_level()
        tangents = spread(xs[n:], flags)
        with interpreter(level):
            outs = interpret(graph, [level.dual(x, t) for x, t in zip(xs[:n], tangents, strict=True)])
        pairs = [level.split(o) for o in outs]
        with_tangent = chosen(pairs, floats(graph.out_types))
        return [p for p, _ in pairs] + [zeros_for(as_value(p)) if t is None else t for p, t in with_tangent]

    types = list(graph.in_types)
    return trace_pure(run, types + strong(chosen(types, flags)), "jvp of a graph")


def as_value(value: Any) -> Any:
    """A Python scalar as an array; anything else as it is."""
    return value if hasattr(value, "dtype") else np.asarray(value)


class Apart(Forward):
    r"""Forward mode whose tangents live at a level of their own, so that what needs none of them can run once.

    A primitive made of graphs runs in two parts, the second of which only sees residuals and tangents.
    """

    name = "linearize"

    def __init__(self, below: Interpreter, tangents_at: Interpreter) -> None:
        super().__init__(below)
        self.tangents_at = tangents_at

    def process(self, prim: Any, args: Sequence[Any]) -> Any:
        assert self.below is not None
        of_graphs = prim.residuals is not None
        if self.unfolds and of_graphs:
            found = lowest(self).unfolded(prim, args)
            if found is not None:
                return found
        pairs = [self.split(a) for a in args]
        values, tangents = [p for p, _ in pairs], [t for _, t in pairs]
        with interpreter(self.below):
            if not prim.differentiable or all(t is None for t in tangents):
                return apply(prim, *values)
            first, n = prim.linear_forward(tuple(t is not None for t in tangents)) if of_graphs else (prim, 0)
            out = apply(first, *values)
        with interpreter(self.tangents_at):
            if of_graphs:
                out, kept = out[:n], out[n:]
                tangent = prim.linear_part(kept, values, tangents, out)
            else:
                tangent = self.push(prim, values, tangents, out)
        return self.joined(prim, out, tangent)


@dataclass(frozen=True)
class Split:
    """The derivative of a graph in two parts.

    `forward`: inputs -> outputs and residuals. `backward`: residuals and the cotangents of the floating outputs ->
    the cotangents of those inputs where `pulled` is set. Where it is split for forward mode, `backward` takes the
    tangents of inputs to those of floating outputs.
    """

    forward: Graph
    backward: Graph
    n_outputs: int
    pulled: Flags
    n_residuals: int


def split(graph: Graph, needs: Flags) -> Split:
    """Split the derivative of `graph` with respect to the inputs that are needed."""
    return remembered(graph, ("split", needs), lambda: _split(graph, needs))


def _split(graph: Graph, needs: Flags) -> Split:
    n = len(needs)
    pulled: list[bool] = []

    def run(*xs: Any) -> list[Any]:
        level = Reverse(current())
        boxes = [level.leaf(x) if f else x for x, f in zip(xs[:n], needs, strict=True)]
        with interpreter(level):
            outs = interpret(graph, boxes)
        live = [
            (o.node, ct)
            for o, ct in zip(chosen(outs, floats(graph.out_types)), xs[n:], strict=True)
            if isinstance(o, Box) and o.owner is level
        ]
        rule = lowest(current()).sweeping(backpropagate)
        leaves = sweep([node for node, _ in live], [ct for _, ct in live], rule=rule)
        cts = [leaves.get(b.node) if f else None for b, f in zip(boxes, needs, strict=True)]
        pulled[:] = [c is not None for c in cts]
        return [level.strip(o) for o in outs] + [c for c in cts if c is not None]

    types = list(graph.in_types)
    joint = trace_pure(run, types + strong(chosen(graph.out_types, floats(graph.out_types))), "vjp of a graph")
    parts = partition(joint, n, len(graph.outputs), tuple(pulled))
    inherit(graph, parts.forward, parts.backward)
    return parts


def linear_split(graph: Graph, flags: Flags) -> Split:
    """Split the forward derivative of `graph` by the flagged inputs: what needs no tangent comes first."""

    def make() -> Split:
        joint = _with_tangents(graph, flags, lambda: Apart(current(), current()))
        parts = partition(joint, len(graph.inputs), len(graph.outputs), ())
        inherit(graph, parts.forward, parts.backward)
        return parts

    return remembered(graph, ("linear split", flags), make)


def partition(joint: Graph, n_inputs: int, n_outputs: int, pulled: Flags) -> Split:
    """Cut a joint graph in two: what depends on the inputs behind the first `n_inputs` is backward, the rest forward.

    Equations without variables (constants, counters) cost nothing and go where they are used.
    """
    unknown: set[Var] = set(joint.inputs[n_inputs:])
    early: list[Equation] = []
    late: list[Equation] = []
    free: list[Equation] = []
    for e in joint.equations:
        if any(o in unknown for o in e.operands if isinstance(o, Var)):
            late.append(e)
            unknown.update(e.outs)
        elif any(isinstance(o, Var) for o in e.operands):
            early.append(e)
        else:
            free.append(e)
    costless = {v for e in free for v in e.outs}
    cts = joint.outputs[n_outputs:]
    late = _needed(late, cts)
    used = [o for e in late for o in e.operands] + list(cts)
    made = {v for e in late for v in e.outs} | set(joint.inputs[n_inputs:])
    residuals: list[Var] = []
    for o in used:
        if isinstance(o, Var) and o not in made and o not in costless and o not in residuals:
            residuals.append(o)
    forward_outs = joint.outputs[:n_outputs] + tuple(residuals)
    first = map(_in_advance, _needed(free + early, forward_outs))
    forward = Graph(joint.inputs[:n_inputs], tuple(first), forward_outs)
    entry = tuple(Var(v.type.strong()) for v in residuals)
    renamed = dict(zip(residuals, entry, strict=True))

    def rename(o: Any) -> Any:
        return o if isinstance(o, Literal) else renamed.get(o, o)

    body = tuple(Equation(e.prim, tuple(map(rename, e.operands)), e.outs, e.line) for e in _needed(free + late, cts))
    backward = Graph(entry + joint.inputs[n_inputs:], body, tuple(map(rename, cts)))
    return Split(forward, backward, n_outputs, pulled, len(residuals))


def _in_advance(e: Equation) -> Equation:
    """An equation of the forward part; one of a derivative's is there in case somebody asks for that."""
    if e.line is None or not e.line.derivative:
        return e
    return Equation(e.prim, e.operands, e.outs, e.line._replace(tentative=True))


def _needed(equations: Sequence[Equation], outputs: Sequence[Any]) -> list[Equation]:
    """The equations that `outputs` depend on, in order."""
    wanted = {o for o in outputs if isinstance(o, Var)}
    kept = []
    for e in reversed(equations):
        if any(v in wanted for v in e.outs):
            kept.append(e)
            wanted.update(o for o in e.operands if isinstance(o, Var))
    return kept[::-1]


def pruned(graph: Graph) -> Graph:
    """`graph` without the equations that no output depends on."""
    return Graph(graph.inputs, tuple(_needed(graph.equations, graph.outputs)), graph.outputs)


def zeros_like_outputs(graph: Graph) -> Graph:
    """A graph of the same inputs and output types that gives zeros."""
    types = strong(graph.out_types)
    return trace_pure(lambda *_: [zeros_for(t) for t in types], graph.in_types, "zeros")


def with_outputs(graph: Graph, n: int, before: Sequence[ArrayType], after: Sequence[ArrayType]) -> Graph:
    """`graph` with zeros of other types among its outputs: behind the first `n`, and at the end."""

    def run(*xs: Any) -> list[Any]:
        outs = interpret(graph, xs)
        return [*outs[:n], *map(zeros_for, before), *outs[n:], *map(zeros_for, after)]

    return trace_pure(run, graph.in_types, "an arm of cond")


def backward_arm(
    parts: Split, before: Sequence[ArrayType], after: Sequence[ArrayType], types: Sequence[ArrayType], wanted: Flags
) -> Graph:
    """The backward part of one arm of a cond, with the other arm's residuals among its inputs.

    It gives a cotangent for every input that either arm pulls on: zeros where only the other does.
    """
    n = parts.n_residuals
    own, cotangents = list(parts.backward.in_types[:n]), list(parts.backward.in_types[n:])

    def run(*xs: Any) -> list[Any]:
        start = len(before)
        rest = start + n + len(after)
        pulled = spread(interpret(parts.backward, [*xs[start : start + n], *xs[rest:]]), parts.pulled)
        return [zeros_for(t) if c is None else c for c, t, w in zip(pulled, types, wanted, strict=True) if w]

    return trace_pure(run, [*before, *own, *after, *cotangents], "the backward part of an arm of cond")


def linear_arm(parts: Split, before: Sequence[ArrayType], after: Sequence[ArrayType]) -> Graph:
    """The linear part of one arm of a cond, with the other arm's residuals among its inputs."""
    n = parts.n_residuals
    own, tangents = list(parts.backward.in_types[:n]), list(parts.backward.in_types[n:])

    def run(*xs: Any) -> list[Any]:
        start = len(before)
        return interpret(parts.backward, [*xs[start : start + n], *xs[start + n + len(after) :]])

    return trace_pure(run, [*before, *own, *after, *tangents], "the linear part of an arm of cond")
