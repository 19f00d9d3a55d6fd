"""What the passes share: walk the equations of a graph and write another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.graph.ir import Equation, Graph, Literal, Operand, Var
from retrograd.graph.stage import with_axes
from retrograd.primitives.control import OfGraphs

Pass = Callable[[Graph], Graph]
Rule = Callable[["Writer", Equation], "Sequence[Operand] | None"]  # what stands for the outputs; None: the equation


class Writer:
    """A graph in the making. Its rules see every equation, their own new ones too, with operands already rewritten."""

    __slots__ = ("default", "equations", "line", "made", "renamed", "rules")

    def __init__(self, rules: Mapping[str, Rule], default: Rule | None = None) -> None:
        self.rules = rules
        self.default = default
        self.equations: list[Equation] = []
        self.made: dict[Var, Equation] = {}  # the equation that assigns a variable
        self.renamed: dict[Var, Operand] = {}
        self.line: Any = None

    def maker(self, operand: Operand, name: str) -> Equation | None:
        """The equation that makes `operand`, if its primitive is called `name`."""
        e = self.made.get(operand) if type(operand) is Var else None
        return e if e is not None and e.prim.name == name else None

    def write(self, prim: Primitive, *operands: Operand) -> Operand:
        """The output of a new equation of a primitive with one, as the rules leave it."""
        if not prim.takes_scalars:
            operands = tuple(map(with_axes, operands))
        out = Var(prim.infer(*[o.type for o in operands]))
        e = Equation(prim, operands, (out,), self.line)
        self.add(e)
        return self.renamed.pop(out, out)

    def add(self, e: Equation) -> None:
        """Append an equation whose operands are rewritten, or what a rule makes of it if that has the same types."""
        rule = self.rules.get(e.prim.name, self.default)
        found = None if rule is None else rule(self, e)
        if found is None:
            self.append(e)
        elif all(o.type == v.type for o, v in zip(found, e.outs, strict=True)):
            self.renamed.update(zip(e.outs, found, strict=True))
        else:
            self.append(e)

    def append(self, e: Equation) -> None:
        """Append an equation as it is."""
        self.equations.append(e)
        for v in e.outs:
            self.made[v] = e

    def resolve(self, o: Operand) -> Operand:
        """What stands for an operand of the old graph."""
        return self.renamed.get(o, o) if type(o) is Var else o

    def resolved(self, e: Equation) -> Equation:
        """An equation of the old graph with its operands rewritten."""
        operands = tuple(map(self.resolve, e.operands))
        if not e.prim.takes_scalars:
            operands = tuple(map(with_axes, operands))
        return Equation(e.prim, operands, e.outs, e.line)

    def copy(self, graph: Graph, args: Sequence[Operand]) -> list[Operand]:
        """Write the equations of another graph, its inputs being `args`, with fresh variables; its outputs."""
        held: dict[Var, Operand] = dict(zip(graph.inputs, args, strict=True))
        for e in graph.equations:
            operands = tuple([o if isinstance(o, Literal) else held[o] for o in e.operands])
            if not e.prim.takes_scalars:
                operands = tuple(map(with_axes, operands))
            types: Sequence[ArrayType] = [v.type for v in e.outs]
            if any(a.type is not b.type and a.type != b.type for a, b in zip(operands, e.operands, strict=True)):
                inferred = e.prim.infer(*[o.type for o in operands])
                types = inferred if e.prim.multi else (inferred,)
            outs = tuple(map(Var, types))
            self.add(Equation(e.prim, operands, outs, e.line))
            held.update(zip(e.outs, map(self.resolve, outs), strict=True))
        return [o if isinstance(o, Literal) else held[o] for o in graph.outputs]


def rewritten(graph: Graph, rules: Mapping[str, Rule], inner: Pass, default: Rule | None = None) -> Graph:
    """`graph` with the rules, by the name of the primitive, applied to every equation, and `inner` to graphs inside.

    The same graph comes back if no rule had anything to say.
    """
    if default is None and not any(e.prim.name in rules or isinstance(e.prim, OfGraphs) for e in graph.equations):
        return graph
    w = Writer(rules, default)
    renamed = w.renamed
    for e in graph.equations:
        w.line = e.line
        for o in e.operands:
            if type(o) is Var and o in renamed:
                e = w.resolved(e)
                break
        w.add(within(e, inner) if isinstance(e.prim, OfGraphs) else e)
    return replaced(graph, w.equations, tuple(map(w.resolve, graph.outputs)))


def replaced(graph: Graph, equations: Sequence[Equation], outputs: tuple[Operand, ...]) -> Graph:
    """A graph with other equations and outputs; `graph` itself if they are the same objects."""
    same = len(equations) == len(graph.equations) and all(map(_is, equations, graph.equations))
    if same and all(map(_is, outputs, graph.outputs)):
        return graph
    return Graph(graph.inputs, tuple(equations), outputs)


def _is(a: object, b: object) -> bool:
    return a is b


def within(e: Equation, inner: Pass) -> Equation:
    """An equation with `inner` applied to the graphs of its primitive."""
    changes = {}
    for name in getattr(e.prim, "__dataclass_fields__", ()):
        value = getattr(e.prim, name)
        if isinstance(value, Graph):
            after = once(inner, value)
            if after is not value:
                changes[name] = after
    prim: Any = e.prim
    return Equation(replace(prim, **changes), e.operands, e.outs, e.line) if changes else e


def once(inner: Pass, graph: Graph) -> Graph:
    """What the pass makes of `graph`, remembered there: a graph that stands in two equations stays one graph."""
    key = ("pass", inner)
    found = graph.derived.get(key)
    if found is None:
        found = graph.derived[key] = inner(graph)
    return found
