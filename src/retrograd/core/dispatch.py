"""The one door: `apply` hands a primitive and its arguments to the current interpreter.

Interpreters stand on each other. At the bottom is a *base*: `EVALUATE` (NumPy computes at once) or a stage (a graph is
built). Above it stand the levels that `grad`, `jvp`, `vmap` and `no_grad` push. Each unwraps the boxes it owns, does
its part, and hands the rest to the level below; a box it does not own is a constant to it. Recording for
`Tensor.backward` is what a base does when an argument has a tape node: it is not itself on the stack.

The current interpreter lives in a context variable, so threads and tasks each see their own; whoever sets it resets it
in `finally`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.core.box import FACES, Box
from retrograd.core.cells import commit
from retrograd.core.source import Line, at_line, at_user_line, user_line
from retrograd.core.sweep import Leaf, Node, Output
from retrograd.errors import DTypeError, EscapedTracer, RetrogradError, ShapeError

if TYPE_CHECKING:
    from retrograd.core.cells import Cell
    from retrograd.core.primitive import Primitive

ndarray, asarray = np.ndarray, np.asarray


class Interpreter:
    """What a primitive means. Concrete interpreters are final."""

    name = "an interpreter"
    recording = False  # whether `requires_grad` leaves are followed at this level
    shows_values = False  # whether Python may look at what its boxes hold
    widens = False  # whether everything is float64 here, so that arrays from outside of another width are welcome
    keeps_lines = False  # whether tape nodes of this level know the user's line
    unfolds = False  # whether primitives made of graphs run as their equations, one by one

    def __init__(self, below: Interpreter | None) -> None:
        self.below = below
        self.line = user_line()
        self.closed = False

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        """The meaning of `prim` on `args`: boxes, bare arrays or Python scalars; a value, or a tuple of them."""
        raise NotImplementedError

    def shape(self, value: Any) -> tuple[int, ...]:
        """The public shape of a box of this interpreter that holds `value`."""
        return value.shape

    def read(self, cell: Cell) -> Any:
        """The value of `cell` here, or None if it is absent."""
        assert self.below is not None
        return self.below.read(cell)

    def assign(self, cell: Cell, value: Any, only_if: Any = None) -> None:
        """Make `value` (or None) the value of `cell`; with `only_if`, a boolean scalar, only where it holds."""
        assert self.below is not None
        self.below.assign(cell, *self.lowered(cell, value, only_if))

    def assign_all(self, changes: Sequence[tuple[Cell, Any, Any]]) -> None:
        """`assign` for each (cell, value, only_if); eagerly, all or none of them."""
        assert self.below is not None
        self.below.assign_all([(c, *self.lowered(c, v, o)) for c, v, o in changes])

    def lowered(self, cell: Cell, value: Any, only_if: Any) -> tuple[Any, Any]:
        """What the level below is told to assign."""
        return value, only_if

    def describe(self) -> str:
        """The transform and the line that made it, for messages."""
        return f"{self.name}{f' (made at {self.line})' if self.line else ''}"


def lowest(interpreter: Interpreter) -> Base:
    """The innermost base under `interpreter`."""
    while not isinstance(interpreter, Base):
        assert interpreter.below is not None
        interpreter = interpreter.below
    return interpreter


def keep_line(node: Any) -> None:
    """Note on a tape node whose line made it, once."""
    if isinstance(node, Output) and node.parents is not None:
        node = node.parents[0]
    if node.prim is not None and not hasattr(node, "line"):
        node.line = user_line()


def for_derivative(node: Any) -> Line | None:
    """The line of a tape node, marked: what runs there belongs to the derivative of its operation."""
    line = getattr(node, "line", None)
    return None if line is None else line.of_derivative(node.prim.name, "backward")


def at_own_line(rule: Any) -> Any:
    """`rule` of a sweep, run on behalf of the line of each node; its errors name that line."""

    def at_its_line(node: Any, cotangent: Any) -> Any:
        line = for_derivative(node)
        try:
            with at_line(line):
                return rule(node, cotangent)
        except RetrogradError as error:
            if line is not None:
                error.add_note(f"In the derivative of {line.derivative}, computed at {line}")
            raise

    return at_its_line


def widened(level: Interpreter | None) -> bool:
    """Whether `level` stands on one that computes everything in float64."""
    while level is not None:
        if level.widens:
            return True
        level = level.below
    return False


class Base(Interpreter):
    """An interpreter that can stand at the bottom of the stack: it performs, and records above that."""

    recording = True

    @property
    def token(self) -> Any:
        """The owner of the boxes of this base."""
        return self

    def perform(self, prim: Primitive, args: list[Any]) -> Any:
        """Compute or emit, recording nothing."""
        raise NotImplementedError

    def strip(self, boxed: Box) -> Any:
        """The value of an own box without its tape node."""
        raise NotImplementedError

    def follow(self, value: Any, node: Any) -> Box:
        """An own box that holds `value` (as `strip` returned it) and `node`."""
        raise NotImplementedError

    def foreign(self, boxed: Box) -> Box:
        """The own box that stands for a box of another owner; raises `EscapedTracer` if there is none."""
        raise escaped(boxed)

    def sweeping(self, rule: Any, outputs: Sequence[Any] = ()) -> Any:
        """The rule of a sweep from `outputs` over values of this base: `rule`, perhaps with somebody looking on."""
        return rule

    def pushing(self, push: Any) -> Any:
        """Likewise for forward mode: ``push(prim, values, tangents, out)`` gives the tangent of the output."""
        return push

    def unfolded(self, prim: Primitive, args: Sequence[Any]) -> Any:
        """The outputs of a primitive made of graphs, equation by equation; None if it has to run as a whole."""
        return None

    def stepping(self, graph: Any, run: Any) -> Any:
        """What runs the equations of a graph where the base unfolds it: ``step(equation, values)``."""
        raise NotImplementedError

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        token, values, parents, followed = self.token, [], [], False
        for arg in args:
            node = None
            if isinstance(arg, Box):
                own = arg if arg.owner is token else self.foreign(arg)
                node = own.node
                arg = self.strip(own)
            values.append(arg)
            parents.append(node)
            followed = followed or node is not None
        if followed and self.recording and prim.differentiable:
            return record(prim, parents, values, self)
        return self.perform(prim, values)


def record(prim: Primitive, parents: list[Any], values: list[Any], level: Any) -> Any:
    """Perform `prim` at `level` on unboxed `values` and hang its outputs on the tape.

    `level` has `perform` and `follow`: a base, or a reverse level. A primitive made of graphs brings its own way of
    keeping what its derivative needs (`residuals`); any other keeps what `keep` says.
    """
    if prim.residuals is not None:
        if level.unfolds and prim.reverse:
            own = [v if p is None else level.follow(v, p) for v, p in zip(values, parents, strict=True)]
            with interpreter(level):
                found = lowest(level).unfolded(prim, own)
            if found is not None:
                return found
        out, kept = prim.residuals(level, values, parents)
        node = Node(prim, parents, values, kept)
    else:
        out = level.perform(prim, values)
        node = Node(prim, parents, *prim.keep(values, out))
    if not prim.multi:
        return level.follow(out, node)
    live = prim.differentiable_outputs
    return tuple(
        level.follow(o, Output(node, i, len(out))) if o.dtype.kind == "f" and (live is None or live[i]) else o
        for i, o in enumerate(out)
    )


class Evaluate(Base):
    """NumPy, at once. The reference."""

    name = "eager evaluation"

    def __init__(self, recording: bool) -> None:
        super().__init__(None)
        self.recording = recording

    token = None

    def perform(self, prim: Primitive, args: list[Any]) -> Any:
        try:
            out = prim.evaluate(*args)
        except Exception as error:
            raise explained(prim, args, error) from error
        if prim.multi:
            return tuple(asarray(o) for o in out)
        return out if type(out) is ndarray else asarray(out)

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        # What `Base.process` does, without the calls that do nothing here.
        values, parents, followed = [], [], False
        for arg in args:
            node = None
            if isinstance(arg, Box):
                if arg.owner is not None:
                    raise escaped(arg)
                node = arg.node
                arg = arg.value
                if node is not None:
                    followed = True
            values.append(arg)
            parents.append(node)
        if followed and self.recording and prim.differentiable:
            return record(prim, parents, values, self)
        return self.perform(prim, values)

    def strip(self, boxed: Box) -> Any:
        return boxed.value

    def follow(self, value: Any, node: Any) -> Box:
        return FACES[-1](value, None, node)

    def read(self, cell: Cell) -> Any:
        return cell.lend(self.recording)

    def assign(self, cell: Cell, value: Any, only_if: Any = None) -> None:
        if only_if is not None and not bool(self._concrete(only_if)):
            return
        cell.rebind(None if value is None else self._concrete(value))

    def assign_all(self, changes: Sequence[tuple[Cell, Any, Any]]) -> None:
        kept = [(c, v) for c, v, only_if in changes if only_if is None or bool(self._concrete(only_if))]
        arrays = [None if v is None else self._concrete(v) for _, v in kept]
        for (cell, _), array in zip(kept, arrays, strict=True):
            cell.check(array)
        commit([c for c, _ in kept], arrays, lent=True)

    def _concrete(self, value: Any) -> Any:
        if not isinstance(value, Box):
            return value
        if value.owner is not None:
            raise escaped(value)
        return value.value


EVALUATE = Evaluate(recording=True)
QUIET = Evaluate(recording=False)
_current: ContextVar[Interpreter] = ContextVar("interpreter", default=EVALUATE)
current = _current.get


@contextmanager
def interpreter(active: Interpreter) -> Iterator[Interpreter]:
    """Make `active` the current interpreter; an exception leaves nothing behind."""
    before = _current.get()
    try:  # the variable is set inside, so that an interrupt right after it finds its way to `finally`
        _current.set(active)
        yield active
    finally:
        _current.set(before)


def apply(prim: Primitive, *args: Any) -> Any:
    """Apply a primitive: the only way anything runs."""
    return _current.get().process(prim, args)


# The two paths below do what `Evaluate.process` does, written out for one and two arguments: they carry every small
# eager operation, and the general loop costs as much as NumPy itself does there.


def apply1(prim: Primitive, x: Any) -> Any:
    """`apply` for one argument and one output."""
    active = _current.get()
    if active is not EVALUATE:
        return active.process(prim, (x,))
    node = None
    if isinstance(x, Box):
        if x.owner is not None:
            raise escaped(x)
        node = x.node
        x = x.value
    try:
        out = prim.evaluate(x)
    except Exception as error:
        raise explained(prim, [x], error) from error
    if type(out) is not ndarray:
        out = asarray(out)
    if node is None or not prim.differentiable:
        return out
    return FACES[-1](out, None, Node(prim, (node,), *prim.keep((x,), out)))


def apply2(prim: Primitive, x: Any, y: Any) -> Any:
    """`apply` for two arguments and one output."""
    active = _current.get()
    if active is not EVALUATE:
        return active.process(prim, (x, y))
    nx = ny = None
    if isinstance(x, Box):
        if x.owner is not None:
            raise escaped(x)
        nx = x.node
        x = x.value
    if isinstance(y, Box):
        if y.owner is not None:
            raise escaped(y)
        ny = y.node
        y = y.value
    try:
        out = prim.evaluate(x, y)
    except Exception as error:
        raise explained(prim, [x, y], error) from error
    if type(out) is not ndarray:
        out = asarray(out)
    if (nx is None and ny is None) or not prim.differentiable:
        return out
    return FACES[-1](out, None, Node(prim, (nx, ny), *prim.keep((x, y), out)))


def escaped(boxed: Box) -> EscapedTracer:
    """The error for a box that turned up where its owner does not reach."""
    owner = boxed.owner
    what = owner.describe() if isinstance(owner, Interpreter) else "a transform"
    ended = "has ended" if getattr(owner, "closed", False) else "is not active here"
    return EscapedTracer(
        f"a value traced by {what} was used{at_user_line()} where that transform {ended}. "
        "Return it from the transformed function instead of storing it."
    )


def explained(prim: Primitive, args: list[Any], error: Exception) -> Exception:
    """NumPy is left to fail; this says afterwards, in the user's terms, what failed where."""
    if isinstance(error, (RetrogradError, MemoryError)):
        return error
    shapes = ", ".join(f"{a.dtype}{list(a.shape)}" if hasattr(a, "dtype") else repr(a) for a in args)
    message = f"{prim.name}({shapes}){at_user_line()}: {error}"
    if isinstance(error, IndexError):
        return IndexError(message)
    if isinstance(error, TypeError):
        return DTypeError(message)
    if isinstance(error, ValueError):
        return ShapeError(message)
    return type(error)(message) if type(error).__init__ is Exception.__init__ else error


__all__ = [
    "EVALUATE", "QUIET", "Base", "Evaluate", "Interpreter", "Leaf", "apply", "apply1", "apply2", "current", "escaped",
    "interpreter", "lowest", "record",
]  # fmt: skip
