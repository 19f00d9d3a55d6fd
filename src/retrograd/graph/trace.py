"""Trace a function into a graph, and turn what it captures into inputs. scan, cond, while, call, jit all use this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import current, interpreter
from retrograd.core.sweep import Leaf
from retrograd.core.types import ArrayType
from retrograd.errors import CellError
from retrograd.graph.ir import Graph
from retrograd.graph.stage import Argument, CellUse, Stage, innermost_stage, peek, refuse_sweep


@dataclass
class Traced:
    """A traced function.

    The inputs of `graph` are the arguments, then `extras`: captured values (arrays, boxes of the levels below) and
    cells. Its outputs are the results, then the last values of the cells in `written`, then for each of the `guarded`
    among them the boolean that says whether it was assigned at all.
    """

    graph: Graph
    extras: list[Any]
    n_args: int
    n_results: int
    written: list[Cell]  # cells that end with a value
    cleared: list[Cell]  # cells that end absent
    guarded: list[Cell]
    stage: Stage
    results: list[Any]
    followed: list[tuple[Cell, bool]]  # the cells, and whether they required gradients

    def cell_use(self, cell: Cell) -> CellUse:
        return self.stage.cells[cell]

    @cached_property
    def cell_types(self) -> dict[Cell, ArrayType | None]:
        """The type, or absence, of every cell that is read before it is assigned: what another call must find too."""
        found: dict[Cell, ArrayType | None] = {}
        for cell, use in self.stage.cells.items():
            if use.entry is not None and not use.carried_absent:
                found[cell] = use.entry.type
            elif use.absent:
                found[cell] = None
        return found

    @property
    def keepable(self) -> bool:
        """Whether it can serve other calls: not if it closed over a value of a transform, or of a tape."""
        boxes = [e for e in self.extras if isinstance(e, Box)]
        return not any(b.owner is not None or not (b.node is None or isinstance(b.node, Leaf)) for b in boxes)

    def mismatch(self) -> str | None:
        """Why the state around the current call is not what this was traced for, or None."""
        active = current()
        for cell, t in self.cell_types.items():
            here = peek(active, cell)
            if here != t:
                return f"{cell.name}: {t or 'absent'} -> {here or 'absent'}"
        for cell, followed in self.followed:
            if cell.requires_grad != followed:
                return f"requires_grad of {cell.name}: {followed} -> {cell.requires_grad}"
        for owner, name, value in self.stage.settings:
            here = owner.__dict__[name] if name in owner.__dict__ else getattr(owner, name)
            if here != value:
                return f"{name} of {type(owner).__name__}: {value} -> {here}"
        return None

    def enter(self, label: str) -> None:
        """Tell the stage around this call, if there is one, what it inherits.

        Raises:
            DifferentiationError: if the function sweeps a tape of its own inside a transform that would go through it.
        """
        active = current()
        if self.stage.swept:
            refuse_sweep(active, label)
        outer = innermost_stage(active)
        if outer is not None:
            outer.settings += self.stage.settings
            for cell, use in self.stage.cells.items():  # it depends on what is absent, too
                if use.carried_absent and use.entry is not None:
                    outer.accumulate_into(cell, use.entry.type)
                if (use.absent or use.carried_absent) and peek(active, cell) is None:
                    active.read(cell)

    def guards(self, outs: Sequence[Any]) -> list[Any]:
        """For each written cell, the boolean among the outputs that says whether it was assigned; None if it was."""
        places = {id(c): self.n_results + len(self.written) + i for i, c in enumerate(self.guarded)}
        return [outs[places[id(c)]] if id(c) in places else None for c in self.written]

    def extra_values(self) -> list[Any]:
        """The extras as the current interpreter has them now; an absent cell that is carried enters as zeros."""
        active = current()
        return [entry_value(active, e, self) if isinstance(e, Cell) else e for e in self.extras]


def entry_value(active: Any, cell: Cell, traced: Traced) -> Any:
    """What `cell` enters with."""
    value = active.read(cell)
    if value is None:
        entry = traced.stage.cells[cell].entry
        assert entry is not None
        return np.zeros(entry.type.shape, entry.type.dtype)
    return value


def trace(
    function: Callable[..., Sequence[Any]],
    types: Sequence[ArrayType],
    name: str,
    *,
    body: bool = False,
    requires_grad: Sequence[bool] | None = None,
    recording: bool = True,
) -> Traced:
    """Run `function` on boxes of a new stage over the current interpreter; it returns a flat sequence of results."""
    stage = Stage(current(), name, body=body)
    stage.recording = recording
    flags = requires_grad or [False] * len(types)
    args = [
        stage.add_input(t, Argument(f"argument {i}") if flag else None)
        for i, (t, flag) in enumerate(zip(types, flags, strict=True))
    ]
    try:
        with interpreter(stage):
            results = list(function(*args))
            results = [stage.cut_off(r) for r in results]
            flat = [stage.strip(r) if isinstance(r, Box) and r.owner is stage else r for r in results]
            written: list[Cell] = []
            cleared: list[Cell] = []
            for cell, use in stage.cells.items():
                if stage.body and use.absent and use.written and use.value is not None:
                    raise CellError(
                        f"{cell.name} has no value where {name} begins and has one after an iteration, so the second "
                        "iteration would not be like the first, which was traced: assign it before the loop"
                    )
                if use.written and not use.local:
                    (cleared if use.value is None else written).append(cell)
            guarded = [c for c in written if stage.cells[c].guard is not None]
            lasts = [stage.last(c) for c in written]
            graph = stage.finish(flat + lasts + [stage.cells[c].guard for c in guarded])
    finally:
        stage.closed = True
    followed = [(c, c.requires_grad) for c in stage.cells] if recording else []
    return Traced(graph, stage.extras, len(types), len(flat), written, cleared, guarded, stage, results, followed)


def trace_pure(function: Callable[..., Sequence[Any]], types: Sequence[ArrayType], name: str) -> Graph:
    """The graph of a function that closes over nothing but scalars; anything else is a defect of the caller."""
    traced = trace(function, types, name, recording=False)
    assert not traced.extras and not traced.written, f"{name} captured {traced.extras} {traced.written}"
    return traced.graph
