"""Cells: the only mutable things. Parameters, buffers, optimiser slots, `.grad`, generators, settings such as `lr`.

A cell owns one array. Reading hands out an immutable value and, outside staging, marks the cell *lent*: somebody may
now see that very array. Eager assignment binds another array and never writes into the old one; a compiled program may
write into the array only while the cell is not lent, and otherwise binds a fresh one.

Cells never hold a box: `read` and `assign` go through the current interpreter (see `dispatch`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain, repeat
from operator import setitem
from typing import Any

import numpy as np

from retrograd.core.box import Box, box
from retrograd.core.sweep import Leaf
from retrograd.core.types import ArrayType
from retrograd.errors import CellError


class Cell:
    """A named place that holds one array, or nothing yet.

    Args:
        value: the first value, an ndarray that nobody else holds, or None for an absent one.
        name: what messages call it.
        requires_grad: whether what is computed from it is recorded.
        type: the shape and dtype every value must have; that of `value` if it is given.
        weak: the cell holds a number setting (a Python float): its dtype yields to that of what it meets.
    """

    __slots__ = (
        "__weakref__", "_grad", "_leaf", "array", "being_written", "lending", "lent", "lock", "name", "requires_grad",
        "type", "weak",
    )  # fmt: skip

    def __init__(
        self,
        value: np.ndarray | None,
        *,
        name: str = "cell",
        requires_grad: bool = False,
        type: ArrayType | None = None,
        weak: bool = False,
    ) -> None:
        if type is None and value is not None:
            type = ArrayType(value.shape, value.dtype, weak)
        self.array = value
        self.name = name
        self.requires_grad = requires_grad
        self.type = type
        self.weak = weak
        self.lent = False
        self.lock = threading.RLock()  # held by a program that runs
        # Held while a read lends, and while somebody looks whether the cell is lent and writes. Reentrant: a signal
        # handler that reads a cell while its own thread commits must not wait for itself.
        self.lending = threading.RLock()
        self.being_written = False  # by a program, in place: who holds `lending` and reads nevertheless gets a copy
        self._leaf: Box | None = None
        self._grad: Cell | None = None

    @property
    def grad_cell(self) -> Cell:
        """The cell that `.backward()` accumulates into."""
        if self._grad is None:
            self._grad = Cell(None, name=f"{self.name}.grad", type=self.type)
        return self._grad

    def lend(self, recording: bool) -> Box | None:
        """The current value for somebody outside staging; all reads of one value share one leaf."""
        with self.lending:
            if self.being_written:  # this is a signal's handler
                return self._copied(recording)
            self.lent = True
            array = self.array
        if recording:
            leaf = self._leaf
            if self.requires_grad:
                if leaf is None or leaf.value is not array:
                    leaf = self._leaf = box(array, None, Leaf(self))
                return leaf
            if leaf is not None and leaf.value is array and not isinstance(leaf.node, Leaf):  # nor of before a freeze
                return leaf
        return None if array is None else box(array, None, None, self.weak)

    def _copied(self, recording: bool) -> Box | None:
        """The value as it is now, in an array that nobody writes into."""
        if self.array is None:
            return None
        return box(self.array.copy(), None, Leaf(self) if recording and self.requires_grad else None, self.weak)

    @property
    def holds_recorded(self) -> bool:
        """Whether reads see a tape (a gradient made with `create_graph`)."""
        return self._leaf is not None and self._leaf.value is self.array

    def hold_recorded(self, value: Box) -> None:
        """Let reads of the value just committed see its tape too (a gradient made with `create_graph`)."""
        self._leaf = value

    def check(self, value: Any) -> None:
        """Refuse a value of another shape or dtype; any other value, and None for a `.grad`, is welcome."""
        if value is None or self.type is None:
            return
        shape, dtype = tuple(value.shape), value.dtype
        if shape != self.type.shape or dtype != self.type.dtype:
            wanted = self.type.strong()
            raise CellError(
                f"{self.name} holds {wanted}, not {ArrayType(shape, dtype)}: "
                + (f"convert with .astype({str(wanted.dtype)!r})" if shape == wanted.shape else "the shapes differ")
            )

    def rebind(self, array: np.ndarray | None) -> None:
        """Eager assignment: bind another array, which others may hold."""
        if array is not None:
            self.check(array)
        self.lent = True
        self.array = array  # last: an interrupt before it leaves the old value whole

    def __getstate__(self) -> dict[str, Any]:
        names = ("name", "requires_grad", "type", "weak")
        return {"value": self.array, **{name: getattr(self, name) for name in names}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Cell.__init__(self, **state)

    def __copy__(self) -> Cell:
        return deepcopy(self)  # two cells never share an array: a compiled program may write into one's

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}: {self.type or 'absent'})"


def commit(cells: Sequence[Cell], arrays: Sequence[np.ndarray | None], lent: bool = False) -> int:
    """Give every cell its new array, all or none as far as signals can see.

    A signal handler runs between bytecodes, so the writes are one call in C: an interrupt falls before or after all of
    them. Where `lent` is false the arrays are fresh and a cell that is not lent is overwritten in place (its address
    stays), as a compiled program does.

    Returns:
        How many lent cells took a fresh array.
    """
    with holding(cells):
        return _commit(cells, arrays, lent)


@contextmanager
def holding(cells: Sequence[Cell]) -> Iterator[None]:
    """Nobody else lends or writes these cells meanwhile; a signal's handler that reads one gets a copy."""
    held = sorted(cells, key=id)  # in one order everywhere, so that two threads never wait for each other
    done = 0
    try:
        for cell in held:
            cell.lending.acquire()
            done += 1
        for cell in held:
            cell.being_written = True
        yield
    finally:
        for cell in held[:done]:
            cell.being_written = False
            cell.lending.release()


def _commit(cells: Sequence[Cell], arrays: Sequence[np.ndarray | None], lent: bool) -> int:
    targets: list[np.ndarray] = []
    sources: list[np.ndarray] = []
    copies = 0
    if not lent:
        bound: list[np.ndarray | None] = []
        for cell, array in zip(cells, arrays, strict=True):
            own = cell.array
            if array is None or own is None or cell.lent or not fits(own, array):
                copies += cell.lent and own is not None and array is not None
                bound.append(array)
            else:
                targets.append(own)
                sources.append(array)
                bound.append(own)
        arrays = bound
    if lent:  # before the arrays change: an interrupt in between leaves a mark too many, which costs a copy at most
        for cell in cells:
            cell.lent = True
    # Not np.copyto, whose dispatcher is a Python function: a signal's handler could run in there.
    writes = map(setitem, targets, repeat(...), sources)  # type: ignore[arg-type]
    deque(chain(writes, map(setattr, cells, repeat("array"), arrays)), maxlen=0)
    if not lent:
        for cell in cells:
            cell.lent = False
    return copies


def fits(target: np.ndarray, source: np.ndarray) -> bool:
    """Whether `source` can be copied into `target` as it is."""
    return target.shape == source.shape and target.dtype == source.dtype and target.flags.writeable
