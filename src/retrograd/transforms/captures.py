"""Traced bodies as pure graphs: what a loop or an arm captures becomes operands, what it assigns becomes results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retrograd.config import debugging, default_float
from retrograd.core.batching import Batch
from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import Base, Evaluate, Interpreter, apply, current, lowest
from retrograd.core.forward import zeros_for
from retrograd.core.primitive import Primitive
from retrograd.core.sweep import Leaf, Node
from retrograd.core.tree import Structure, unflatten
from retrograd.core.types import ArrayType, type_of
from retrograd.graph.interpret import WATCH, Watch, interpret
from retrograd.graph.ir import Graph, Var
from retrograd.graph.keys import outside_key, stays_the_same
from retrograd.graph.stage import LoopRecord, Stage, peek
from retrograd.graph.trace import Traced, trace, trace_pure
from retrograd.primitives.arithmetic import STOP_GRADIENT
from retrograd.primitives.derive import remembered
from retrograd.transforms.arguments import flat_arrays


def trace_tree(
    f: Callable[..., Any], structure: Structure, values: Sequence[Any], types: Sequence[ArrayType], name: str,
    *, body: bool = False, users: Sequence[Callable[..., Any]] = (),
) -> tuple[Traced, Structure]:  # fmt: skip
    """Trace ``f(*tree)``, where `structure` is that of the tuple of arguments; the structure of the result too.

    What was traced serves again as long as nothing differs that `jit` would look at, provided that all of it shows when
    it changes: `users` are the functions of the user's that `f` calls.
    """
    flags = [isinstance(v, Box) and v.node is not None for v in values]
    outside = [part for f in users for part in outside_key(f)]
    users = users if all(stays_the_same(part) for _, part in outside) else ()
    key = (name, structure, tuple(types), tuple(flags), body, default_float(), debugging(), *outside)
    kept = _traced.setdefault(key, []) if users else []
    entry = next((e for e in kept if e[0].mismatch() is None), None)
    if entry is None:
        entry = _trace_tree(f, structure, flags, types, name, body)
        if users and entry[0].keepable:
            if len(_traced) > MOST_TRACED:
                _traced.clear()
            kept.append(entry)
    entry[0].enter(name)
    return entry


MOST_TRACED = 1024  # bodies kept; a program that makes functions without end must not leak
_traced: dict[Any, list[tuple[Traced, Structure]]] = {}


def _trace_tree(
    f: Callable[..., Any],
    structure: Structure,
    flags: Sequence[bool],
    types: Sequence[ArrayType],
    name: str,
    body: bool,
) -> tuple[Traced, Structure]:
    found: list[Structure] = []

    def flat(*boxes: Any) -> list[Any]:
        results, result_structure = flat_arrays(f(*unflatten(structure, boxes)), f"the result of {name}")
        found[:] = [result_structure]
        return results

    return trace(flat, types, name, body=body, requires_grad=flags), found[0]


def rearranged(traced: Traced, inputs: Sequence[Any], types: Sequence[ArrayType], outputs: Sequence[Any]) -> Graph:
    """The traced graph with other inputs and outputs.

    `inputs` says, for each input wanted, which traced input it is (an index), or None for one that is not used;
    `outputs` are operands of the graph, or the index of an input handed on.
    """

    def make() -> Graph:
        old = traced.graph.inputs
        new = tuple(Var(t) if i is None else old[i] for i, t in zip(inputs, types, strict=True))
        renamed = tuple(new[o] if isinstance(o, int) else o for o in outputs)
        return Graph(new, traced.graph.equations, renamed)

    key = ("rearranged", tuple(inputs), tuple(types), tuple(o if isinstance(o, int) else id(o) for o in outputs))
    return remembered(traced.graph, key, make)


def among(cell: Any, cells: Sequence[Any]) -> bool:
    """Whether `cell` itself is one of `cells`; `in` would compare values, since cells have a tensor's operators."""
    return any(c is cell for c in cells)


class LoopBody:
    """The cells and captures of a loop: which are constants, which come round.

    A cell is carried if the loop assigns it: it enters with its value (or zeros, if it has none or the body does not
    look at it) and leaves with its last one.
    """

    def __init__(self, body: Traced, others: Sequence[Traced] = (), may_skip: bool = False) -> None:
        self.body = body
        self.carried = [*body.written, *body.cleared]
        self.may_skip = may_skip  # the loop may run zero times: cells then keep what they have
        looked_at = {e for t in (body, *others) for e in t.extras if isinstance(e, Cell)}
        self.looked_at = looked_at
        active = current()
        self.types = [self._type(c, active) for c in self.carried]
        self.absent = [peek(active, c) is None for c in self.carried]
        uses = {c: body.cell_use(c) for c in body.written}
        self.flags = {c: u.flag for c, u in uses.items() if u.flag is not None}

    def _type(self, cell: Cell, active: Interpreter) -> ArrayType:
        use = self.body.cell_use(cell)
        if use.value is not None:
            return type_of(use.value).strong()
        if use.entry is not None:
            return use.entry.type.strong()
        return (peek(active, cell) or cell.type or ArrayType((), np.dtype("float32"))).strong()

    def constants(self, traced: Traced) -> list[Any]:
        """The extras of one traced part that do not come round."""
        return [e for e in traced.extras if not (isinstance(e, Cell) and among(e, self.carried))]

    def constant_values(self, traced: Traced) -> list[Any]:
        active = current()
        return [active.read(e) if isinstance(e, Cell) else e for e in self.constants(traced)]

    def entry_values(self) -> list[Any]:
        """What the carried cells enter with."""
        active = current()
        found = []
        for cell, t, absent in zip(self.carried, self.types, self.absent, strict=True):
            if among(cell, self.flags.values()):
                found.append(np.asarray(False))
                continue
            needed = cell in self.looked_at or self.may_skip
            value = active.read(cell) if needed and not absent else None
            found.append(zeros_for(t) if value is None else value)
        return found

    def inputs_of(self, traced: Traced) -> list[Any]:
        """Where the inputs (constants, arguments, carried cells) lie in a traced graph: see `rearranged`."""
        n = traced.n_args
        place = {id(e): n + i for i, e in enumerate(traced.extras)}
        constants = [place[id(e)] for e in self.constants(traced)]
        return [*constants, *range(n), *[place.get(id(c)) for c in self.carried]]

    def input_types(self, traced: Traced) -> list[ArrayType]:
        places = self.inputs_of(traced)
        own = traced.graph.in_types
        k = len(places) - len(self.carried)
        return [own[p].strong() if p is not None else self.types[i - k] for i, p in enumerate(places)]

    def cell_results(self) -> list[Any]:
        """What the carried cells leave an iteration with, as operands of the body's graph."""
        n = self.body.n_results
        written = list(self.body.graph.outputs[n : n + len(self.body.written)])
        return [*written, *[None] * len(self.body.cleared)]

    def commit(self, values: Sequence[Any], ran: Any = None) -> None:
        """Assign the last values; `ran` is a boolean scalar where the loop may not have run."""
        current().assign_all(self.changes(values, ran))

    def changes(self, values: Sequence[Any], ran: Any = None) -> list[tuple[Cell, Any, Any]]:
        """What the loop assigns, given the last values of the carried cells; see `commit`."""
        n = len(self.body.written)
        flags = {id(f): v for f, v in zip(self.carried[:n], values, strict=False) if among(f, self.flags.values())}
        found: list[tuple[Cell, Any, Any]] = []
        for cell, value, absent in zip(self.carried[:n], values, self.absent, strict=False):
            if id(cell) not in flags:
                flag = self.flags.get(cell)
                found.append((cell, value, (ran if flag is None else flags[id(flag)]) if absent else None))
        return [*found, *[(cell, None, ran) for cell in self.carried[n:]]]


def with_zero_outputs(graph: Graph, types: Sequence[ArrayType | None]) -> Graph:
    """`graph` where outputs that are None become zeros of a type."""
    outputs: tuple[Any, ...] = graph.outputs
    if all(o is not None for o in outputs):
        return graph
    kept = [o for o in outputs if o is not None]
    inner = Graph(graph.inputs, graph.equations, tuple(kept))

    def run(*xs: Any) -> list[Any]:
        rest = iter(interpret(inner, xs))
        return [zeros_for(t) if o is None else next(rest) for o, t in zip(outputs, types, strict=True)]

    return remembered(graph, ("zeros", tuple(types)), lambda: trace_pure(run, graph.in_types, "a loop body"))


def run_loop(prim: Primitive, operands: Sequence[Any], loop: LoopBody, n_before: int) -> Any:
    """Apply a loop; if it is interrupted at the top level, its cells keep the last completed iteration's values.

    `n_before` carried values precede the carried cells among the outputs.
    """
    active = current()
    base = lowest(active)
    n = len(loop.carried)
    if isinstance(base, Stage) and active is base and n:
        before = [(c, u.value) for c, u in base.cells.items() if u.written and not among(c, loop.carried)]
        base.loops.append(
            LoopRecord(len(base.equations), before, loop.changes([("carry", n_before + i) for i in range(n)]))
        )
    if not isinstance(base, Evaluate) or not n or _batches(active) or WATCH.get() is not None:
        return apply(prim, *operands)
    watch = Watch(frozenset({-1}))
    try:
        WATCH.set(watch)
        return apply(prim, *operands)
    except BaseException:
        if watch.carries:
            carry = watch.carries[-1][n_before : n_before + n]
            base.assign_all(loop.changes([np.asarray(v) for v in carry]))
        raise
    finally:
        WATCH.set(None)


def _batches(level: Interpreter | None) -> bool:
    while level is not None:
        if isinstance(level, Batch):
            return True
        level = level.below
    return False


LIVE, SPENT, CONSTANT = "live", "spent", "constant"


def tape_state(result: Any) -> str:
    """What the tape of a result looks like when its trace ends: live, swept already, or not there."""
    node = getattr(result, "node", None)
    if node is None:
        return CONSTANT
    return SPENT if not isinstance(node, Leaf) and node.parents is None else LIVE


def apply_traced(run: Callable[[list[Any]], Any], operands: Sequence[Any], states: Sequence[str]) -> list[Any]:
    """Run a primitive made of traced parts, so that eager recording sees of its results what plain Python would show.

    A result whose tape was swept inside is spent; one that was computed from nothing recorded is a constant; if no
    result is live nothing is recorded, and no residuals are kept. Transforms such as `grad` are not concerned.
    """
    active = current()
    base = active if isinstance(active, Base) else None
    values = as_operands(operands)
    if base is not None and LIVE not in states:
        values = [base.strip(v) if isinstance(v, Box) and v.owner is base.token else v for v in values]
    outs = list(run(values))
    if base is None:
        return outs
    for i, state in enumerate(states):
        own = isinstance(outs[i], Box) and outs[i].owner is base.token
        if state == LIVE:
            continue
        bare = base.strip(outs[i]) if own else outs[i]
        outs[i] = base.follow(bare, spent_node()) if state == SPENT else bare
    return outs


def spent_node() -> Node:
    """The tape node of a value whose tape was swept where it was made."""
    node = Node(STOP_GRADIENT, (), None, None)
    node.free()
    return node


def as_operands(values: Sequence[Any]) -> list[Any]:
    """Values for a primitive made of graphs: no Python scalars."""
    return [np.asarray(v) if type(v) in (bool, int, float) else v for v in values]
