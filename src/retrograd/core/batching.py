"""Batch levels: what `vmap` pushes. The lanes of a box are always stacked along the first axis of its value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from retrograd.core.box import Box, box
from retrograd.core.dispatch import Interpreter, apply, interpreter
from retrograd.errors import CellError

if TYPE_CHECKING:
    from retrograd.core.cells import Cell
    from retrograd.core.primitive import Primitive


class Batch(Interpreter):
    """`size` lanes at once."""

    name = "vmap"

    def __init__(self, below: Interpreter, size: int) -> None:
        super().__init__(below)
        self.size = size

    def shape(self, value: Any) -> tuple[int, ...]:
        return value.shape[1:]

    def lanes(self, value: Any) -> Box:
        """A box of this level around stacked lanes."""
        return box(value, self, None, getattr(value, "weak", False))

    def owns(self, value: Any) -> bool:
        return isinstance(value, Box) and value.owner is self

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        assert self.below is not None
        batched = [self.owns(a) for a in args]
        values = [a.value if own else a for a, own in zip(args, batched, strict=True)]
        with interpreter(self.below):
            if not any(batched) and not prim.draws:
                return apply(prim, *values)
            out = prim.batch(self.size, values, batched)
        if not prim.multi:
            return self.lanes(out)
        outs, flags = out
        return tuple(self.lanes(o) if f else o for o, f in zip(outs, flags, strict=True))

    def lowered(self, cell: Cell, value: Any, only_if: Any) -> tuple[Any, Any]:
        if self.owns(value) or self.owns(only_if):
            raise CellError(
                f"{cell.name} was assigned a value that differs from lane to lane of a {self.describe()}. "
                "Return the value, or use rg.nn.functional_call(..., mutable=True) and return the new state."
            )
        return value, only_if
