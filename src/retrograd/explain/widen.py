"""Widened mode: a program runs in float64 and touches nothing.

Inputs and snapshots of cells enter as float64, conversions to a narrower float are the identity, what cells are
assigned stays in an overlay that is thrown away. Random numbers are drawn in their own dtype, so that they are the
numbers the program would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from retrograd.config import FLOAT64, widened_defaults
from retrograd.core.box import Box, box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import Evaluate, Interpreter, apply, current, interpreter
from retrograd.core.primitive import REGISTRY, Primitive
from retrograd.core.sweep import Leaf
from retrograd.core.types import ArrayType
from retrograd.errors import TracingError
from retrograd.explain import opening
from retrograd.primitives.arithmetic import Convert


def wide(array: Any) -> np.ndarray:
    """An array: float64 if it is floating."""
    array = np.asarray(array)
    return array.astype(FLOAT64, copy=False) if array.dtype.kind == "f" else array


class _Snapshots(Mapping):
    """What every cell reads as at a level, as a mapping; `graph.stage.peek` asks for types this way."""

    def __init__(self, level: Widened) -> None:
        self.level = level

    def __contains__(self, cell: object) -> bool:
        return True

    def __getitem__(self, cell: Cell) -> Any:
        return self.level.peek(cell)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Widened(Interpreter):
    """Computes in float64 and keeps assignments to itself.

    Args:
        below: eager evaluation.
        snapshot: what cells held when the first run read them; a later run sees the same.
        instead: other values for single cells.
    """

    name = "a float64 replay"
    shows_values = True  # Python may look at numbers: they are there
    widens = True
    keeps_declared_derivatives = False  # whether a custom_vjp has to stay one step

    def __init__(
        self,
        below: Interpreter,
        snapshot: dict[Cell, np.ndarray | None] | None = None,
        instead: Mapping[Cell, np.ndarray] | None = None,
    ) -> None:
        super().__init__(below)
        self.snapshot = {} if snapshot is None else snapshot
        self.instead = instead or {}
        self.assigned: dict[Cell, Any] = {}
        self.overlay = _Snapshots(self)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Run here. What NumPy warns of is there to be seen in the numbers."""
        try:
            with interpreter(self), widened_defaults(), np.errstate(all="ignore"):
                yield
        finally:
            self.closed = True

    # Operations ---------------------------------------------------------------------------------------------------

    def bare(self, arg: Any) -> Any:
        """An argument as evaluation takes it: float64 where it is floating."""
        if isinstance(arg, Box) and arg.owner is None:
            cell = arg.node.target if isinstance(arg.node, Leaf) else None
            arg = self.instead.get(cell, arg.value) if cell is not None else arg.value
        return wide(arg) if isinstance(arg, np.ndarray) and arg.dtype.kind == "f" and arg.dtype != FLOAT64 else arg

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        values = [self.bare(a) for a in args]
        if isinstance(prim, Convert) and prim.dtype.kind == "f":
            return wide(values[0])
        opened = opening.run(self, prim, values)
        return self.evaluate(prim, values) if opened is None else opened

    def evaluate(self, prim: Primitive, values: Sequence[Any]) -> Any:
        """The outcome on bare values."""
        assert self.below is not None
        out = self.below.process(prim, values)
        return tuple(map(wide, out)) if prim.multi else wide(out)

    # What `opening` asks of a level: here, just the values --------------------------------------------------------

    def block(self, prim: Any, title: str, args: Sequence[Any], body: Callable[[list[Any]], list[Any]]) -> Any:
        """Run `body` on what the arguments are inside a block."""
        with interpreter(self):
            return tuple(body(list(args)))

    def equation(self, prim: Primitive, args: Sequence[Any], line: Any) -> Any:
        """One equation of a graph that is being run."""
        return self.process(prim, args)

    def unstacked(self, value: Any, length: int) -> list[Any]:
        """The elements along the first axis."""
        array = self.array(value)
        return [np.asarray(array[t]) for t in range(length)]

    def stacked(self, values: Sequence[Any], kind: ArrayType) -> Any:
        """Elements along a new first axis."""
        arrays = [self.array(v) for v in values]
        return np.stack(arrays) if arrays else np.zeros((0, *kind.shape), kind.dtype)

    def array(self, value: Any) -> np.ndarray:
        """The numbers of a value."""
        return np.asarray(value.value if isinstance(value, Box) else value)

    # Cells --------------------------------------------------------------------------------------------------------

    def peek(self, cell: Cell) -> Any:
        """What `cell` holds here, without reading it."""
        if cell in self.assigned:
            return self.assigned[cell]
        if cell in self.instead:
            return self.instead[cell]
        if cell not in self.snapshot:
            self.snapshot[cell] = None if cell.array is None else np.array(wide(cell.array))
        array = self.snapshot[cell]
        return None if array is None else box(array, None, None, cell.weak)

    def read(self, cell: Cell) -> Any:
        return self.peek(cell)

    def assign_all(self, changes: Sequence[tuple[Cell, Any, Any]]) -> None:
        for cell, value, only_if in changes:
            self.assign(cell, value, only_if)

    def assign(self, cell: Cell, value: Any, only_if: Any = None) -> None:
        if only_if is not None:
            old = self.read(cell)
            value = value if old is None else apply(REGISTRY["where"].of(), only_if, value, old)
        if value is not None:
            dtype = cell.type.dtype if cell.type is not None and value.dtype.kind == "f" else value.dtype
            cell.check(ArrayType(tuple(value.shape), dtype))
        self.assigned[cell] = self.constant(value)

    def constant(self, value: Any) -> Any:
        """`value`, not followed any further."""
        return value


def ground(what: str) -> Interpreter:
    """Eager evaluation, on which replays stand.

    Raises:
        TracingError: inside a transform or a trace, where there are no numbers.
    """
    active = current()
    if not isinstance(active, Evaluate):
        raise TracingError(f"{what} needs numbers: call it outside {active.describe()}")
    return active
