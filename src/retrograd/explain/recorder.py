"""The recorder: an interpreter that hangs every operation on a tape and writes down what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from retrograd.core.box import Box, box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import Interpreter, escaped, interpreter, record
from retrograd.core.primitive import Primitive
from retrograd.core.sweep import Leaf, Node, Output
from retrograd.core.types import ArrayType, is_weak_scalar
from retrograd.explain import opening
from retrograd.explain.borders import PORT, STACK, Pick, Unstack
from retrograd.explain.naming import Site, call_site, target_of_line
from retrograd.explain.numerals import number
from retrograd.explain.records import Step, Value
from retrograd.explain.widen import Widened, wide
from retrograd.graph.ir import Graph
from retrograd.primitives.arithmetic import Convert
from retrograd.primitives.control import CustomVJP


class Recorder(Widened):
    """Widened mode that records.

    Args:
        below: eager evaluation.
        known: name -> object of what the program takes from outside.
        sites: whether to look up the user's source lines.
    """

    name = "explain"
    keeps_declared_derivatives = True

    def __init__(self, below: Interpreter, known: Mapping[str, Any] | None = None, *, sites: bool = True) -> None:
        super().__init__(below)
        self.known = {id(x): name for name, x in (known or {}).items()}
        self.arrays = [(name, x) for name, x in (known or {}).items() if isinstance(x, np.ndarray)]
        self.sites = sites
        self.steps: list[Step] = []
        self.leaves: dict[Leaf, Value] = {}
        self.steps_of: dict[Node, Step] = {}
        self.ports: dict[
            Node, tuple[Value, Step | None, int]
        ] = {}  # borders: inside, the block, which argument (or -1)
        self.values: dict[int, Value] = {}  # id of the array -> the value; arrays are never shared between values
        self.names: set[str] = set()
        self._counts: dict[str, int] = {}  # name -> the number that the last value of this name got
        self._blocks: list[tuple[str, list[Step]]] = [("", self.steps)]
        self._last: tuple[Any, Step | None] = (None, None)
        self._line: Any = None
        self._call: Any = None  # what the last step was made by
        self._cells: dict[Any, Any] = {}  # cell, or leaf outside -> its box here

    # Values -------------------------------------------------------------------------------------------------------

    def unique(self, name: str) -> str:
        """`name`, or with a number behind it if something else has it."""
        found = name
        if name in self.names:
            n = self._counts.get(name, 2)
            while f"{name}_{n}" in self.names:
                n += 1
            self._counts[name] = n
            found = f"{name}_{n}"
        self.names.add(found)
        return found

    def enter(self, array: np.ndarray, name: str, kind: str, *, leaf: Any = None, weak: bool = False) -> Box:
        """A value of the program; a leaf if there is a target."""
        array = np.asarray(array).view()
        value = Value(name, array, kind, leaf=leaf is not None)
        self.values[id(array)] = value
        node = None
        if leaf is not None:
            node = Leaf(leaf)
            self.leaves[node] = value
        return box(array, self, node, weak)

    def argument(self, array: np.ndarray, name: str, *, follow: bool, weak: bool = False) -> Box:
        """An argument of the explained function."""
        return self.enter(wide(array), self.unique(name), "argument", leaf=name if follow else None, weak=weak)

    def value_of(self, x: Box) -> Value:
        """The record of an own box."""
        return self.values[id(x.value)]

    def own(self, arg: Any) -> Any:
        """An argument of a primitive as a box of this level; a Python scalar as it is."""
        if isinstance(arg, Box):
            if arg.owner is self:
                return arg
            if arg.owner is not None:
                raise escaped(arg)
            if isinstance(arg.node, Leaf) and isinstance(arg.node.target, Cell):
                return self._leaf_outside(arg)
            return self._constant(arg.value, arg.value, self.known.get(id(arg), ""))
        return arg if is_weak_scalar(arg) else self._constant(arg, arg)

    def _leaf_outside(self, arg: Box) -> Box:
        """A tensor outside the function that requires gradients: a leaf here too."""
        cell = arg.node.target
        found = self._cells.get(cell)
        if found is None:
            self.snapshot.setdefault(cell, wide(arg.value))
            name = self.unique(self.known.get(id(arg), "tensor"))
            found = self._cells[cell] = self.enter(wide(arg.value), name, "captured", leaf=cell)
        return found

    def _constant(self, array: Any, identity: Any, known: str = "") -> Box:
        key = id(identity)
        found = self._cells.get(key)
        if found is None or found[0] is not identity:
            array = wide(array)
            known = known or self._known_by_content(array)
            name = self.unique(known) if known else number(array) if not array.shape else self.unique("c")
            found = self._cells[key] = (identity, self.enter(array, name, "constant"))
        return found[1]

    def _known_by_content(self, array: np.ndarray) -> str:
        """The name of an array outside that holds the same: arrays are copied on their way in."""
        if not array.shape:
            return ""
        names = [name for name, x in self.arrays if x.shape == array.shape and np.array_equal(x, array)]
        return names[0] if len(names) == 1 else ""

    # Operations ---------------------------------------------------------------------------------------------------

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        if self.closed:
            raise escaped(box(None, self))
        boxes = [self.own(a) for a in args]
        if isinstance(prim, Convert) and prim.dtype.kind == "f" and boxes[0].dtype.kind == "f":
            return boxes[0]
        if isinstance(prim, Convert) and prim.dtype.kind == "f":
            prim = Convert.of(np.dtype("float64"))
        opened = opening.run(self, prim, boxes)
        return self.operation(prim, boxes) if opened is None else opened

    def operation(self, prim: Primitive, args: Sequence[Any]) -> Any:
        """One step that does not open."""
        step = self._new_step(prim, [self.described(a) for a in args])
        values = [a.value if isinstance(a, Box) else a for a in args]
        parents = [a.node if isinstance(a, Box) else None for a in args]
        if prim.differentiable and any(p is not None for p in parents):
            out = record(prim, parents, values, self)
        else:
            out = self.perform(prim, values)
        outs = out if prim.multi else (out,)
        found = []
        for o in outs:
            own = o if isinstance(o, Box) else self.follow(o, None)
            if isinstance(own.node, Output):
                assert own.node.parents is not None
                self.steps_of[own.node.parents[0]] = step
            elif own.node is not None:
                self.steps_of[own.node] = step
            found.append(own)
        self._finish(step, found)
        if isinstance(prim, CustomVJP):
            self._aside(f"{step.number}.", step.inside, prim.primal, [self.constant(a) for a in args])
        return tuple(found) if prim.multi else found[0]

    def _aside(self, prefix: str, steps: list[Step], graph: Graph, args: Sequence[Any]) -> None:
        """Write down the steps of a graph that nothing is differentiated through."""
        sites, self.sites = self.sites, False
        self._blocks.append((prefix, steps))
        try:
            with interpreter(self):
                opening.equations(self, graph, args)
        finally:
            self._blocks.pop()
            self.sites = sites

    def declared_derivative(self, step: Step, node: Node) -> None:
        """Write down how a declared derivative made its contributions; `node` has just been swept."""
        prim = node.prim
        residuals = [self._constant(r, r) for r in node.out]
        arrived = [
            a if a is not None else np.zeros(v.array.shape) for a, v in zip(step.upstream, step.outputs, strict=True)
        ]
        cts = [
            self.enter(wide(a), f"upstream({v.name})", "constant") for a, v in zip(arrived, step.outputs, strict=True)
        ]
        self.closed = False
        try:
            self._aside(f"{step.number}.b", step.backward, prim.backward, [*residuals, *cts])
        finally:
            self.closed = True

    def described(self, arg: Any) -> Value:
        """The record of an argument."""
        if isinstance(arg, Box):
            return self.value_of(arg)
        return Value(number(np.asarray(arg)), np.asarray(arg), "number")

    def perform(self, prim: Primitive, values: Sequence[Any]) -> Any:
        """The outcome alone, as arrays of their own."""
        out = self.evaluate(prim, values)
        return tuple(o.view() for o in out) if prim.multi else out.view()

    def follow(self, value: Any, node: Any) -> Box:
        """A box around an outcome."""
        return box(value, self, node)

    def _new_step(self, prim: Primitive | None, operands: list[Value], title: str = "") -> Step:
        prefix, steps = self._blocks[-1]
        site = self._site() if prim is not None else None  # an iteration stands where its loop stands
        step = Step(f"{prefix}{len(steps) + 1}", prim, operands, title=title, site=site)
        steps.append(step)
        return step

    def _site(self) -> Site | None:
        """Where the user's source is now; `_call` becomes the call that was made there."""
        self._call = None
        if not self.sites:
            return None
        if self._line is not None:
            self._call = self._blocks[-1][1], self._line
            return Site(self._line, "", target_of_line(self._line.text))
        site, self._call = call_site()
        return site

    def _finish(self, step: Step, outs: Sequence[Box]) -> None:
        """Name the outputs of a step: as the user does, if the expression that ran is assigned to a name."""
        site = step.site
        target = site.target if site is not None and len(outs) == 1 else ""
        before, previous = self._last
        if target and previous is not None and _same(before, self._call):
            self._rename(previous)
        self._last = (self._call, step) if target else (None, None)
        for i, out in enumerate(outs):
            temporary = f"t{step.number}" + (f"[{i}]" if len(outs) > 1 else "")
            value = Value(self.unique(target) if target else temporary, out.value, "step")
            self.values[id(out.value)] = value
            step.outputs.append(value)

    def _rename(self, step: Step) -> None:
        """Another step of the same expression follows: this one was not the last, and loses the name."""
        value = step.outputs[0]
        self.names.discard(value.name)
        value.name = f"t{step.number}"

    # Blocks -------------------------------------------------------------------------------------------------------

    def block(
        self, prim: Any, title: str, args: Sequence[Any], body: Callable[[list[Any]], list[Any]]
    ) -> tuple[Any, ...]:
        """Run `body` as one step that opens: borders on the way in and out keep its sums together."""
        boxes = [self.own(a) if not is_weak_scalar(a) else a for a in args]
        step = self._new_step(prim, [self.described(b) for b in boxes], title)
        line, self._line = self._line, None
        self._blocks.append((f"{step.number}.", step.inside))
        try:
            with interpreter(self):
                outs = [self.own(o) for o in body([self._port(b, step, i) for i, b in enumerate(boxes)])]
        finally:
            self._blocks.pop()
            self._line = line
        ports = [self._port(o if isinstance(o, Box) else self._constant(np.asarray(o), o), step, -1) for o in outs]
        self._finish_block(step, ports)
        return tuple(ports)

    def _port(self, arg: Any, step: Step, argument: int) -> Any:
        """`arg` on the other side of a block's border: the same numbers, its own place to sum cotangents."""
        if not isinstance(arg, Box) or (arg.node is None and argument >= 0):
            return arg
        outer = self.value_of(arg)
        array = arg.value.view()
        value = Value(outer.name, array, outer.kind, same_as=outer)
        self.values[id(array)] = value
        node = None
        if arg.node is not None:
            node = Node(PORT, (arg.node,), None, None)
            self.ports[node] = value, step, argument
        return box(array, self, node, arg.weak)

    def _finish_block(self, step: Step, ports: Sequence[Box]) -> None:
        site = step.site
        shown = [p for p in ports if p.dtype.kind == "f"] or ports
        target = site.target if site is not None and len(shown) == 1 and step.prim is not None else ""
        for i, port in enumerate(ports):
            value = self.value_of(port)
            temporary = f"t{step.number}" + (f"[{i}]" if len(shown) > 1 else "" if port is shown[0] else f"'{i}")
            value.name = self.unique(target) if target and port is shown[0] else temporary
            value.kind = "step"
            step.outputs.append(value)

    def equation(self, prim: Primitive, args: Sequence[Any], line: Any) -> Any:
        before, self._line = self._line, line
        try:
            return self.process(prim, args)
        finally:
            self._line = before

    def unstacked(self, value: Any, length: int) -> list[Any]:
        whole = self.own(value)
        outer = self.value_of(whole)
        node = None if whole.node is None else Node(Unstack(whole.value), (whole.node,), None, None)
        found = []
        for t in range(length):
            array = np.asarray(whole.value[t]).view()
            value = self.values[id(array)] = Value(f"{outer.name}[{t}]", array, "part")
            own = None if node is None else Node(Pick(t), (node,), None, None)
            if own is not None:
                self.ports[own] = value, None, 0
            found.append(box(array, self, own))
        return found

    def stacked(self, values: Sequence[Any], kind: ArrayType) -> Any:
        boxes = [self.own(v) for v in values]
        array = (
            np.stack([b.value for b in boxes])
            if boxes
            else np.zeros((0, *kind.shape), wide(np.zeros(0, kind.dtype)).dtype)
        )
        node = None
        if any(b.node is not None for b in boxes):
            node = Node(STACK, tuple(b.node for b in boxes), None, None)
        out = box(array, self, node)
        self.values[id(array)] = Value(f"t{self._blocks[-1][0].rstrip('.')}", array, "step")
        return out

    def array(self, value: Any) -> np.ndarray:
        return np.asarray(value.value if isinstance(value, Box) else value)

    # Cells --------------------------------------------------------------------------------------------------------

    def read(self, cell: Cell) -> Any:
        if cell in self.assigned:
            return self.assigned[cell]
        found = self._cells.get(cell)
        if found is None:
            held = self.peek(cell)
            if held is None:
                return None
            kind = "parameter" if cell.requires_grad else "cell"
            known = self.known.get(id(cell))
            default = cell.name in ("parameter", "buffer", "cell", "setting")
            name = self.unique(known if known and default else cell.name)
            leaf = cell if cell.requires_grad else None
            found = self._cells[cell] = self.enter(held.value, name, kind, leaf=leaf, weak=cell.weak)
        return found

    def constant(self, value: Any) -> Any:
        if not isinstance(value, Box) or value.owner is not self or value.node is None:
            return value
        array = value.value.view()
        before = self.value_of(value)
        self.values[id(array)] = Value(before.name, array, "step", same_as=before)
        return box(array, self, None, value.weak)


def _same(a: Any, b: Any) -> bool:
    """Whether two steps were made by one call: one frame, or one line of one graph run."""
    if type(a) is tuple and type(b) is tuple:
        return a[0] is b[0] and a[1] == b[1]
    return a is b
