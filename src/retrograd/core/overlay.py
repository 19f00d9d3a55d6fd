"""Overlays: cells that read as something else for a while, for `functional_call` and for replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from retrograd.core.box import Box
from retrograd.core.dispatch import Interpreter, apply, apply1, interpreter
from retrograd.core.primitive import REGISTRY
from retrograd.errors import CellError

if TYPE_CHECKING:
    from retrograd.core.cells import Cell
    from retrograd.core.primitive import Primitive


class Overlay(Interpreter):
    """Reads and assignments of cells stay in a mapping; everything else passes to the level below.

    Args:
        values: what cells read as. Any other cell reads as it does below.
    """

    name = "functional_call"

    def __init__(self, below: Interpreter, values: Mapping[Cell, Any]) -> None:
        super().__init__(below)
        self.overlay: dict[Cell, Any] = dict(values)
        self.assigned: set[Cell] = set()

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        assert self.below is not None
        return self.below.process(prim, args)

    def read(self, cell: Cell) -> Any:
        assert self.below is not None
        return self.overlay[cell] if cell in self.overlay else self.below.read(cell)

    def assign_all(self, changes: Sequence[tuple[Cell, Any, Any]]) -> None:
        for cell, value, only_if in changes:
            self.assign(cell, value, only_if)

    def assign(self, cell: Cell, value: Any, only_if: Any = None) -> None:
        assert self.below is not None
        with interpreter(self.below):
            if isinstance(value, Box) and value.dtype.kind == "f":
                value = apply1(REGISTRY["stop_gradient"].of(), value)
            if only_if is not None:
                old = self.read(cell)
                if old is None:
                    raise CellError(
                        f"{cell.name} has no value yet and would get one only sometimes; give it one before"
                    )
                value = apply(REGISTRY["where"].of(), only_if, value, old)
        cell.check(value)
        self.overlay[cell] = value
        self.assigned.add(cell)
