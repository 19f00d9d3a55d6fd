"""Run a graph: through the door (so it differentiates, batches and stages again), or straight on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.dispatch import Evaluate, apply, current, explained, lowest
from retrograd.core.source import at_line
from retrograd.graph.ir import Equation, Graph, Literal, Var


def interpret(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """The outputs of `graph` on `args`, each equation applied through the current interpreter."""
    if isinstance(current(), Evaluate) and not any(isinstance(a, Box) for a in args):
        return evaluate(graph, args)
    values: dict[Var, Any] = dict(zip(graph.inputs, args, strict=True))
    base = lowest(current())
    step = base.stepping(graph, _applied) if base.unfolds else _applied
    for e in graph.equations:
        operands = [o.value if isinstance(o, Literal) else values[o] for o in e.operands]
        out = step(e, operands)
        values.update(zip(e.outs, out if e.prim.multi else (out,), strict=True))
    return [o.value if isinstance(o, Literal) else values[o] for o in graph.outputs]


def _applied(e: Equation, values: Sequence[Any]) -> Any:
    with at_line(e.line):
        return apply(e.prim, *values)


def _performed(e: Equation, values: Sequence[Any]) -> Any:
    with at_line(e.line):
        return lowest(current()).perform(e.prim, list(values))


def execute(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """As `evaluate`, by the engine that the graph was handed to: ``graph.derived["runner"](graph, args)``."""
    runner = graph.derived.get("runner")
    return evaluate(graph, args) if runner is None or lowest(current()).unfolds else runner(graph, args)


def inherit(source: Graph, *graphs: Graph) -> None:
    """Graphs made from `source` run where it runs."""
    runner = source.derived.get("runner")
    if runner is not None:
        for graph in graphs:
            graph.derived["runner"] = runner


@dataclass
class Watch:
    """How far a program got: what is committed when it is interrupted.

    `at` is the equation that runs (-1 for a loop that runs by itself); `carries` has, for each loop among those that
    `wanted` names, what it carried after the last iteration it completed.
    """

    wanted: frozenset[int]
    at: int = -1
    carries: dict[int, Sequence[Any]] = field(default_factory=dict)
    slots: list[Any] | None = None

    def value_of(self, graph: Graph, operand: Any) -> Any:
        """The value of a variable that was pinned (``graph.derived["pinned"]``), or of a literal."""
        assert self.slots is not None
        return operand.value if isinstance(operand, Literal) else self.slots[graph.derived["slots"][operand]]


WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)  # claimed by the outermost loop


def evaluate(graph: Graph, args: Sequence[Any], watch: Watch | None = None) -> list[Any]:
    """The outputs of `graph` on bare arrays, computed at once; each value is dropped after its last use."""
    plan = graph.derived.get("plan")
    if plan is None:
        plan = graph.derived["plan"] = _plan(graph)
    steps, constants, outputs = plan
    slots: list[Any] = [*args, *constants, *[None] * len(steps)]
    slots += [None] * (sum(len(s[2]) for s in steps) - len(steps))
    if watch is not None:
        watch.slots = slots
    base = lowest(current())
    step = base.stepping(graph, _performed) if base.unfolds else None
    for number, (prim, operands, outs, drops) in enumerate(steps):
        if watch is not None:
            watch.at = number
        values = [slots[i] for i in operands]
        try:
            out = prim.evaluate(*values) if step is None else step(graph.equations[number], values)
        except Exception as error:
            raise explained(prim, values, error) from error
        if prim.multi:
            for i, o in zip(outs, out, strict=True):
                slots[i] = np.asarray(o)
        else:
            slots[outs[0]] = out if type(out) is np.ndarray else np.asarray(out)
        for i in drops:
            slots[i] = None
    return [slots[i] for i in outputs]


def _plan(graph: Graph) -> tuple[list[Any], list[Any], list[int]]:
    """(steps, constants, output slots) over a flat list of slots: inputs, constants, then what is computed."""
    slot: dict[Any, int] = {v: i for i, v in enumerate(graph.inputs)}
    constants: list[Any] = []

    def constant(value: Any) -> int:
        constants.append(value)
        return len(graph.inputs) + len(constants) - 1

    operands: list[list[Any]] = [
        [constant(o.value) if isinstance(o, Literal) else o for o in e.operands] for e in graph.equations
    ]
    outputs = [constant(np.asarray(o.value)) if isinstance(o, Literal) else o for o in graph.outputs]
    for e in graph.equations:
        for v in e.outs:
            slot[v] = len(slot) + len(constants)
    last: dict[int, int] = {}
    steps = []
    kept = {o if isinstance(o, int) else slot[o] for o in (*outputs, *graph.derived.get("pinned", ()))}
    graph.derived["slots"] = slot
    for number, ops in enumerate(operands):
        resolved = [o if isinstance(o, int) else slot[o] for o in ops]
        operands[number] = resolved
        for i in resolved:
            last[i] = number
        for v in graph.equations[number].outs:
            last.setdefault(slot[v], number)
    computed = range(len(graph.inputs) + len(constants), len(slot) + len(constants))
    drops: list[list[int]] = [[] for _ in graph.equations]
    for i, number in last.items():
        if i not in kept and (i in computed or i < len(graph.inputs)):
            drops[number].append(i)
    for number, e in enumerate(graph.equations):
        steps.append((e.prim, operands[number], [slot[v] for v in e.outs], drops[number]))
    return steps, constants, [o if isinstance(o, int) else slot[o] for o in outputs]
