"""`cond`: one of two functions, both traced, of which one runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retrograd.config import BOOL, debugging
from retrograd.core.cells import Cell
from retrograd.core.dispatch import apply, apply1, current
from retrograd.core.forward import zeros_for
from retrograd.core.tree import Structure, flatten, unflatten
from retrograd.core.types import ArrayType, type_of
from retrograd.errors import CellError, RetrogradError, ShapeError
from retrograd.graph.interpret import interpret
from retrograd.graph.ir import Graph, Literal
from retrograd.graph.stage import peek
from retrograd.graph.trace import Traced, trace_pure
from retrograd.ops.arithmetic import logical_not
from retrograd.ops.indexing import is_concrete
from retrograd.ops.inputs import array_of, face
from retrograd.primitives.arithmetic import Convert
from retrograd.primitives.control import Cond
from retrograd.primitives.derive import as_value, remembered
from retrograd.transforms.arguments import flat_arrays, holds, in_order, users_of
from retrograd.transforms.captures import (
    CONSTANT,
    LIVE,
    SPENT,
    among,
    apply_traced,
    rearranged,
    tape_state,
    trace_tree,
    with_zero_outputs,
)

TRUE, FALSE = (Literal(np.asarray(value), ArrayType((), BOOL)) for value in (True, False))


def cond(predicate: Any, true: Callable[..., Any], false: Callable[..., Any], *operands: Any) -> Any:
    """``true(*operands) if predicate else false(*operands)``; the arms must return the same structure and types.

    Both arms are traced; only one runs. Python scalars among the results take the dtype that the other arm returns.
    Under `vmap` of the predicate both arms run and the results are selected; lanes that do not take an arm give it the
    operands of a lane that does, so that neither its results nor its derivatives are computed where it has none.

    >>> cond(True, lambda x: x + 1, lambda x: x - 1, 1.0)
    tensor(2., dtype=float64, weak)
    """
    test = array_of(predicate)
    if test.shape or test.dtype.kind != "b":
        raise ShapeError(f"cond needs a boolean scalar, got {test.dtype} of shape {tuple(test.shape)}")
    if debugging() and is_concrete(test):
        return true(*operands) if bool(face(test)) else false(*operands)
    values, structure = flat_arrays(list(operands), "the operands of cond")
    arguments = Structure(tuple, None, structure.children)
    types = [type_of(v) for v in values]
    arms = [
        trace_tree(f, arguments, values, types, f"{side} arm of cond", users=users_of(f))
        for f, side in ((true, "the true"), (false, "the false"))
    ]
    (yes, result), (no, other) = arms
    places, ordered = flatten(in_order(result, unflatten(other, list(range(other.size)))))  # keys may come in any order
    if ordered != result:
        raise RetrogradError(f"the arms of cond return different structures: {result} and {other}")
    weak, outs = _run_cond(test, yes, no, places, values)
    return unflatten(result, [face(o, w) for o, w in zip(outs, weak, strict=True)])


def _common(yes: Sequence[Any], no: Sequence[Any]) -> list[ArrayType]:
    """The types of the results of both arms: where they differ, a weak scalar takes the dtype of the other.

    Raises:
        ShapeError: if they differ otherwise.
    """
    found: list[ArrayType] = []
    for a, b in zip(map(type_of, yes), map(type_of, no), strict=True):
        if a.shape != b.shape:
            break
        if a.dtype == b.dtype or (b.weak and holds(a.dtype, b.dtype)):
            found.append(ArrayType(a.shape, a.dtype, a.weak and b.weak))
        elif a.weak and holds(b.dtype, a.dtype):
            found.append(ArrayType(a.shape, b.dtype, a.weak and b.weak))
        else:
            break
    if len(found) == len(yes):
        return found
    listed = (", ".join(str(type_of(r).strong()) for r in results) for results in (yes, no))
    raise ShapeError("the arms of cond differ: ({}) and ({})".format(*listed))


def _converted(graph: Graph, types: Sequence[ArrayType]) -> Graph:
    """`graph` with its first outputs in the dtypes of `types`."""
    dtypes = [t.dtype for t in types]
    if [o.dtype for o in graph.out_types[: len(types)]] == dtypes:
        return graph

    def run(*xs: Any) -> list[Any]:
        outs = [as_value(o) for o in interpret(graph, xs)]
        first = [o if o.dtype == d else apply1(Convert.of(d), o) for o, d in zip(outs, dtypes, strict=False)]
        return [*first, *outs[len(types) :]]

    found: Graph = remembered(graph, ("converted", *dtypes), lambda: trace_pure(run, graph.in_types, "an arm of cond"))
    return found


def _run_cond(
    test: Any, yes: Traced, no: Traced, places: Sequence[int], values: list[Any]
) -> tuple[list[bool], list[Any]]:
    """Which results are weak, and the results; those of `no` are taken in the order of `places`."""
    active = current()
    changes = _CellChanges(yes, no, active)
    results = (yes.results, [no.results[i] for i in places])
    common = _common(*results)
    extras: list[Any] = []
    for e in [*yes.extras, *no.extras, *changes.handed_on]:
        if not any(e is seen for seen in extras):
            extras.append(e)
    n = len(values)
    entry = [active.read(e) if isinstance(e, Cell) else e for e in extras]
    types = [type_of(v).strong() for v in [*values, *entry]]
    graphs = []
    for arm in (yes, no):
        place = {id(e): n + i for i, e in enumerate(arm.extras)}
        inputs = [*range(n), *[place.get(id(e)) for e in extras]]
        wanted = {id(e): n + i for i, e in enumerate(extras)}
        cells = [changes.result(c, arm, wanted) for c in changes.assigned]
        guards = [changes.guard(c, arm) for c in changes.sometimes]
        outs = [arm.graph.outputs[i] for i in (range(arm.n_results) if arm is yes else places)]
        graph = rearranged(arm, inputs, types, [*outs, *cells, *guards])
        graph = with_zero_outputs(graph, [*[None] * arm.n_results, *changes.types, *[None] * len(guards)])
        graphs.append(_converted(graph, common))
    m = yes.n_results
    pairs = [{tape_state(a), tape_state(b)} for a, b in zip(*results, strict=True)]
    states = [LIVE if LIVE in p else SPENT if SPENT in p else CONSTANT for p in pairs]
    states += [CONSTANT] * (len(changes.assigned) + len(changes.sometimes))
    outs = apply_traced(lambda vs: apply(Cond(*graphs), *vs), [test, *values, *entry], states)
    changes.commit(outs[m:], face(test))
    return [t.weak for t in common], outs[:m]


class _CellChanges:
    """What the arms of a cond do to cells. An arm that does not touch a cell hands on its old value."""

    def __init__(self, yes: Traced, no: Traced, active: Any) -> None:
        self.yes, self.no, self.active = yes, no, active
        cells = list(dict.fromkeys([*yes.written, *no.written]))
        cleared = list(dict.fromkeys([*yes.cleared, *no.cleared]))
        self.cleared = [c for c in cleared if not among(c, cells)]
        for c in cleared:
            untouched = any(not among(c, arm.cleared) and peek(active, c) is not None for arm in (yes, no))
            if among(c, cells) or untouched:
                raise CellError(f"cond: {c.name} would be set to None in one arm only; assign a value in both, or None")
        self.assigned = cells
        self.present = {c: peek(active, c) is not None for c in cells}
        # Cells without a value that an arm gives one only sometimes; it has a boolean that says whether it did.
        self.sometimes = [c for c in cells if among(c, yes.guarded) or among(c, no.guarded)]
        self.handed_on = [c for c in cells if self.present[c] and not (among(c, yes.written) and among(c, no.written))]
        self.types = [type_of((yes if among(c, yes.written) else no).cell_use(c).value).strong() for c in cells]

    def result(self, cell: Cell, arm: Traced, inputs: dict[int, int]) -> Any:
        """The operand an arm gives for a cell: its last value, the old value's input, or None (zeros)."""
        if among(cell, arm.written):
            place = next(i for i, c in enumerate(arm.written) if c is cell)
            return arm.graph.outputs[arm.n_results + place]
        return inputs[id(cell)] if self.present[cell] else None

    def guard(self, cell: Cell, arm: Traced) -> Any:
        """Whether an arm gives a cell a value, as an operand."""
        if not among(cell, arm.guarded):
            return TRUE if among(cell, arm.written) else FALSE
        place = next(i for i, c in enumerate(arm.guarded) if c is cell)
        return arm.graph.outputs[arm.n_results + len(arm.written) + place]

    def commit(self, values: Sequence[Any], test: Any) -> None:
        """Assign the last values, and then what says whether there are any."""
        n = len(self.assigned)
        guards = {id(c): v for c, v in zip(self.sometimes, values[n:], strict=True)}
        changes: list[tuple[Cell, Any, Any]] = []
        for cell, value in zip(self.assigned, values[:n], strict=True):
            changes.append((cell, value, guards[id(cell)] if id(cell) in guards else self._only_if(cell, test)))
        self.active.assign_all([*changes, *[(cell, None, None) for cell in self.cleared]])

    def _only_if(self, cell: Cell, test: Any) -> Any:
        """Where only one arm assigns a cell that has no value: whether that arm ran."""
        if self.present[cell]:
            return None
        if not among(cell, self.yes.written):
            return logical_not(test)
        return None if among(cell, self.no.written) else test


def when(test: Any, f: Callable[..., Any], operands: Sequence[Any], name: str) -> Any:
    """``f(*operands)`` if the boolean scalar `test` holds; otherwise zeros of the same types, and `f` does not run."""
    if debugging() and bool(face(test)):
        return f(*operands)
    values, structure = flat_arrays(list(operands), f"the operands of {name}")
    arguments, types = Structure(tuple, None, structure.children), [type_of(v) for v in values]
    yes, result = trace_tree(f, arguments, values, types, name, users=users_of(f))
    kinds = [type_of(r) for r in yes.results]

    def idle(*_: Any) -> Any:
        return unflatten(result, [t.dtype.type(0).item() if t.weak else zeros_for(t) for t in kinds])

    no, _ = trace_tree(idle, arguments, values, types, f"without {name}")
    weak, outs = _run_cond(array_of(test), yes, no, range(len(kinds)), values)
    return unflatten(result, [face(o, w) for o, w in zip(outs, weak, strict=True)])
