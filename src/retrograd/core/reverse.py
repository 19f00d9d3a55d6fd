"""Reverse levels: what `grad` and `vjp` push. Each has its own tape, so that levels nest without confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from retrograd.core.box import Box, box
from retrograd.core.dispatch import Interpreter, interpreter, keep_line, lowest, record
from retrograd.core.sweep import Leaf
from retrograd.errors import BorderCrossed

if TYPE_CHECKING:
    from retrograd.core.cells import Cell
    from retrograd.core.primitive import Primitive


class Reverse(Interpreter):
    """Records what touches a box of its own; everything else passes to the level below."""

    def __init__(self, below: Interpreter, name: str = "grad") -> None:
        super().__init__(below)
        self.name = name
        base = lowest(below)
        self.keeps_lines, self.unfolds = base.keeps_lines, base.unfolds

    def shape(self, value: Any) -> tuple[int, ...]:
        return value.shape

    def leaf(self, value: Any, target: Any = None) -> Box:
        """A box to differentiate with respect to."""
        return box(value, self, Leaf(target), getattr(value, "weak", False))

    def strip(self, value: Any) -> Any:
        """The value below of an own box; anything else as it is."""
        return value.value if isinstance(value, Box) and value.owner is self else value

    def follow(self, value: Any, node: Any) -> Box:
        if self.keeps_lines:
            keep_line(node)
        return box(value, self, node, getattr(value, "weak", False))

    def perform(self, prim: Primitive, args: Sequence[Any]) -> Any:
        assert self.below is not None
        return self.below.process(prim, args)

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        values: list[Any] = []
        parents: list[Any] = []
        followed = False
        for arg in args:
            if isinstance(arg, Box) and arg.owner is self:
                values.append(arg.value)
                parents.append(arg.node)
                followed = True
            else:
                values.append(arg)
                parents.append(None)
        if not followed or not prim.differentiable:
            return self.perform(prim, values)
        assert self.below is not None
        with interpreter(self.below):
            return record(prim, parents, values, self)

    def lowered(self, cell: Cell, value: Any, only_if: Any) -> tuple[Any, Any]:
        return primal(self, cell, value), self.strip(only_if)


def primal(level: Any, cell: Cell, value: Any) -> Any:
    """`value` without what `level` follows; a parameter refuses a value that depends on a transform's variable."""
    if not (isinstance(value, Box) and value.owner is level):
        return value
    if cell.requires_grad:
        raise BorderCrossed(
            f"{cell.name} was assigned a value that depends on the variable of an enclosing {level.describe()}; the "
            "derivative through the assignment would be lost. Use the pure form: optimizer.init and optimizer.update."
        )
    return value.value
