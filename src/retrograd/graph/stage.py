"""The stage: an interpreter that builds a graph instead of computing.

A stage is a base, so `Tensor.backward` works inside it. What it meets from outside becomes an input of the graph: bare
arrays and boxes of the levels below, and cells, which it maps to values of its own (`cells`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.batching import Batch
from retrograd.core.box import Box, box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import Base, Interpreter, apply, at_own_line, escaped, keep_line, lowest
from retrograd.core.forward import Forward
from retrograd.core.primitive import REGISTRY, Primitive
from retrograd.core.reverse import Reverse
from retrograd.core.source import at_line, user_line
from retrograd.core.sweep import Leaf, Node
from retrograd.core.types import ArrayType, is_weak_scalar, type_of
from retrograd.errors import CellError, DifferentiationError
from retrograd.graph.ir import Equation, Graph, Literal, Operand, Var


@dataclass
class CellUse:
    """What a trace does with one cell. `value` is a box of the stage, a bare array, or None for absent."""

    entry: Var | None = None  # the input that brings its value; None if it is not read, or absent
    absent: bool = False  # read while absent at entry
    value: Any = None
    written: bool = False
    local: bool = False  # made inside the trace
    seen: Any = None  # what a read after an assignment gives
    guard: Any = None  # written only where this boolean holds
    flag: Cell | None = None  # in a loop body: holds whether any iteration so far has written
    carried_absent: bool = False  # absent at entry of a loop body that adds to it: enters as zeros


@dataclass
class Argument:
    """The target of a leaf that stands for something outside the trace: a sweep that reaches it crosses the border."""

    what: str


@dataclass
class LoopRecord:
    """A loop at the top of a trace, and what the cells held around it: what is committed if it is interrupted."""

    equation: int
    before: list[tuple[Cell, Any]]  # cells that the loop leaves alone, and what they hold
    after: list[tuple[Cell, Any, Any]]  # cell, place in the carry as ("carry", i) or None, and the place of a condition


class Stage(Base):
    """Builds a graph."""

    def __init__(self, below: Interpreter, name: str, *, body: bool = False) -> None:
        super().__init__(below)
        self.name = name
        self.body = body  # of a loop: a cell may come round again
        self.inputs: list[Var] = []
        self.equations: list[Equation] = []
        self.extras: list[Any] = []  # where the inputs after the arguments come from: a captured value, or a cell
        self.cells: dict[Cell, CellUse] = {}
        self.entries: list[Leaf] = []  # the leaves of parameters as they entered
        self.inner: list[Leaf] = []  # those of values that parameters got in here
        self.loops: list[LoopRecord] = []
        self.settings: list[Any] = []  # (object, attribute, value) of registered settings that were read
        self.swept = False  # backward() was called inside
        self.called: list[Any] = []  # programs called inside, whose own guards this trace inherits
        self._captured: dict[int, tuple[Any, Any]] = {}

    keeps_lines = True

    def sweeping(self, rule: Any, outputs: Sequence[Any] = ()) -> Any:
        """`rule`, whose equations stand at the lines of the operations that they are derivatives of."""
        return at_own_line(rule)

    def pushing(self, push: Any) -> Any:
        def at_its_line(prim: Primitive, args: Any, tangents: Any, out: Any) -> Any:
            line = user_line()
            with at_line(line and line.of_derivative(prim.name, "tangent")):
                return push(prim, args, tangents, out)

        return at_its_line

    def shape(self, value: Any) -> tuple[int, ...]:
        return value.type.shape

    def add_input(self, type: ArrayType, target: Any = None) -> Box:
        """A new input; `target` makes it a leaf that requires gradients."""
        var = Var(type)
        self.inputs.append(var)
        return box(var, self, None if target is None else Leaf(target), type.weak)

    def strip(self, boxed: Box) -> Any:
        return boxed if boxed.node is None else box(boxed.value, self, None, boxed.weak)

    def follow(self, value: Any, node: Any) -> Box:
        keep_line(node)
        return box(value.value, self, node, value.weak)

    def foreign(self, boxed: Box) -> Box:
        if boxed.owner is None and boxed.node is None and boxed.value.ndim == 0:
            value = boxed.value.item() if boxed.weak else boxed.value
            return box(Literal(value, type_of(value)), self, None, boxed.weak)
        level: Any = self.below
        while level is not None and boxed.owner is not None and boxed.owner is not level:
            level = level.below
        if level is None:
            raise escaped(boxed)
        return self.capture(boxed)

    def capture(self, value: Any) -> Box:
        """The input that brings `value`, a bare array or a box of a level below, into the graph."""
        known = self._captured.get(id(value))
        if known is None:
            target = Argument("a value recorded outside") if getattr(value, "node", None) is not None else None
            weak = isinstance(value, Box) and value.weak
            found = self.add_input(ArrayType(tuple(value.shape), value.dtype, weak), target)
            self.extras.append(value)
            known = self._captured[id(value)] = (value, found)
        return known[1]

    def operand(self, value: Any) -> Operand:
        """A variable or literal for a stripped value."""
        if is_weak_scalar(value):
            return Literal(value, type_of(value))
        if not isinstance(value, Box):
            array = np.asarray(value)
            if array.ndim == 0:
                return Literal(array, type_of(array))
            value = self.capture(value)
        elif value.owner is not self:
            value = self.foreign(value)
        return value.value

    def perform(self, prim: Primitive, args: list[Any]) -> Any:
        if self.closed:
            raise escaped(box(None, self))
        operands = tuple(self.operand(a) for a in args)
        if not prim.takes_scalars:
            operands = tuple(map(with_axes, operands))
        inferred = prim.infer(*[o.type for o in operands])
        types = inferred if prim.multi else (inferred,)
        outs = tuple(Var(t) for t in types)
        self.equations.append(Equation(prim, operands, outs, user_line()))
        boxes = tuple(box(v, self, None, v.type.weak) for v in outs)
        return boxes if prim.multi else boxes[0]

    # Cells ------------------------------------------------------------------------------------------------------------

    def peek(self, cell: Cell) -> ArrayType | None:
        """The type of what the cell holds here, or None for absent; reads nothing."""
        use = self.cells.get(cell)
        if use is not None:
            return None if use.value is None else type_of(use.value)
        assert self.below is not None
        return peek(self.below, cell)

    def use(self, cell: Cell) -> CellUse:
        """The use of `cell`, which is thereby read."""
        use = self.cells.get(cell)
        if use is None:
            assert self.below is not None
            use = self.cells[cell] = CellUse()
            type = self.peek_outside(cell)
            if type is None:
                use.absent = True
                self.below.read(cell)  # the trace around this one depends on the absence, too
            else:
                entry = self.add_input(type, cell if cell.requires_grad and self.recording else None)
                self.extras.append(cell)
                use.entry, use.value = entry.value, entry
                if entry.node is not None:
                    self.entries.append(entry.node)
        return use

    def peek_outside(self, cell: Cell) -> ArrayType | None:
        assert self.below is not None
        return peek(self.below, cell)

    def read(self, cell: Cell) -> Any:
        use = self.use(cell)
        if not use.written:
            return use.value
        if use.seen is None and use.value is not None:
            use.seen = self._reread(cell, use.value)
        return use.seen

    def _reread(self, cell: Cell, value: Any) -> Any:
        """An assigned value as the rest of the trace reads it: assigning is `stop_gradient`, and it is a new leaf."""
        followed = cell.requires_grad and self.recording
        if isinstance(value, Box) and value.dtype.kind == "f":
            value = self.perform(REGISTRY["stop_gradient"].of(), [value])
        elif followed:
            value = self.capture(np.asarray(value))
        if not followed:
            return value
        self.inner.append(Leaf(cell))
        return box(value.value, self, self.inner[-1], value.weak)

    def last(self, cell: Cell) -> Any:
        """The value a cell ends with. One that comes round a loop is cut off there from what it was computed from.

        That of a parameter is not: `grad` refuses a parameter that depends on its variable, and has to see it.
        """
        value = self.cells[cell].value
        cut = self.body and not cell.requires_grad and isinstance(value, Box) and value.dtype.kind == "f"
        return self.perform(REGISTRY["stop_gradient"].of(), [value]) if cut else value

    def cut_off(self, result: Any) -> Any:
        """A result whose tape ends in a value that a parameter got in here counts as swept: nothing leads there."""
        inner = set(self.inner)
        if self.body:
            entries = [n for n in self.entries if self.cells[n.target].written]
            inner.update(entries)
        node = getattr(result, "node", None)
        if not inner or node is None or not reaches(node, inner):
            return result
        spent = Node(REGISTRY["stop_gradient"].of(), (), None, None)
        spent.free()
        return box(result.value, self, spent, result.weak)

    def assign_all(self, changes: Sequence[tuple[Cell, Any, Any]]) -> None:
        for cell, value, only_if in changes:
            self.assign(cell, value, only_if)

    def assign(self, cell: Cell, value: Any, only_if: Any = None) -> None:
        if only_if is not None and isinstance(only_if, Box):
            self._assign_where(cell, value, only_if)
            return
        if only_if is not None and not bool(only_if):
            return
        if isinstance(value, Box):
            value = self.strip(value if value.owner is self else self.foreign(value))
        cell.check(value)
        use = self.cells.setdefault(cell, CellUse())
        use.value, use.written, use.guard, use.seen = value, True, None, None
        if use.flag is not None and value is not None:
            self.assign(use.flag, np.asarray(True))

    def _assign_where(self, cell: Cell, value: Any, only_if: Any) -> None:
        if self.body and value is not None:
            self.accumulate_into(cell, type_of(value).strong())
        old = self.read(cell)
        use = self.cells[cell]
        if use.carried_absent and value is not None and (use.flag is not None or not use.written):
            flag = use.flag or Cell(np.asarray(False), name=f"whether {cell.name} was assigned")
            before = self.read(flag)
            self.assign(cell, apply(REGISTRY["where"].of(), only_if, value, old))
            self.assign(flag, apply(REGISTRY["logical_or"].of(), before, only_if))
            use.flag = flag
        elif old is not None and value is not None:
            self.assign(cell, apply(REGISTRY["where"].of(), only_if, value, old))
        elif old is None and value is not None:
            self.assign(cell, value)
            self.cells[cell].guard = self.strip(only_if)
        elif old is not None:
            raise CellError(f"{cell.name} would be set to None only sometimes; assign a value, or None always")

    def make_local(self, cell: Cell) -> None:
        """`cell` was made inside the trace: it begins absent here, and nobody outside will see it."""
        self.cells[cell] = CellUse(local=True)

    def accumulate_into(self, cell: Cell, type: ArrayType) -> None:
        """Before a `.grad` that is absent at entry of a loop body is added to: it comes round, zeros at first."""
        if cell in self.cells:
            return
        level = self.below
        while level is not None and not isinstance(level, Stage) and cell not in getattr(level, "overlay", ()):
            level = level.below
        if isinstance(level, Stage):
            level.accumulate_into(cell, type)
        if self.body and self.peek_outside(cell) is None:
            assert self.below is not None
            self.below.read(cell)  # the trace around this one depends on the absence
            entry = self.add_input(type)
            self.extras.append(cell)
            self.cells[cell] = CellUse(entry=entry.value, value=entry, carried_absent=True)

    # The result -------------------------------------------------------------------------------------------------------

    def finish(self, outputs: list[Any]) -> Graph:
        """Close the trace: the graph from the arguments and `extras`, in that order, to `outputs`."""
        operands = tuple(self.operand(o) for o in outputs)
        self.closed = True
        return Graph(tuple(self.inputs), tuple(self.equations), operands)


def with_axes(operand: Operand) -> Operand:
    """A Python scalar as a 0-d array; any other operand as it is."""
    if isinstance(operand, Literal) and operand.type.weak:
        return Literal(np.asarray(operand.value, operand.type.dtype), operand.type.strong())
    return operand


def peek(level: Interpreter, cell: Cell) -> ArrayType | None:
    """The type of what `cell` holds at `level`, or None for absent; neither reads nor lends."""
    here: Interpreter | None = level
    while here is not None:
        if isinstance(here, Stage):
            return here.peek(cell)
        overlay = getattr(here, "overlay", None)
        if overlay is not None and cell in overlay:
            return None if overlay[cell] is None else type_of(overlay[cell])
        here = here.below
    return None if cell.array is None else ArrayType(cell.array.shape, cell.array.dtype, cell.weak)


def refuse_sweep(active: Interpreter, label: str) -> None:
    """Note on every stage around that `label` sweeps a tape of its own; a transform around could not go through it."""
    level: Interpreter | None = active
    while level is not None:
        if isinstance(level, Stage):
            level.swept = True
        elif isinstance(level, (Reverse, Forward, Batch)) or level.widens:
            raise DifferentiationError(
                f"{label} inside {level.describe()}: use rg.grad or rg.value_and_grad there instead, they nest"
            )
        level = level.below


def reaches(node: Node, leaves: set[Leaf]) -> bool:
    """Whether the tape of `node` leads to one of `leaves`."""
    waiting, seen = [node], {node}
    while waiting:
        here = waiting.pop()
        if here in leaves:
            return True
        following = [p for p in here.parents or () if p is not None and p not in seen]
        seen.update(following)
        waiting += following
    return False


def innermost_stage(level: Interpreter) -> Stage | None:
    """The stage that `level` stands on, if it stands on one."""
    base = lowest(level)
    return base if isinstance(base, Stage) else None
