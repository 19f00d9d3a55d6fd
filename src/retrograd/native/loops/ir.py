"""The language of loops.

A program is a list of statements over buffers. Memory is always addressed through views: an offset, a stride for each
dimension of the space that is looped over, and terms in the counters of the loops around.

====================  ================================================================================================
``Nest``              for every point of a space: compute expressions, store them, reduce them; perhaps of a product
``Draw``              random words (Philox4x32-10)
``ArgMax``            the place of the first largest, or smallest, element along the last dimension
``Scatter``           add values at computed places, one after another
``Host``              a primitive without a kernel: NumPy computes it
``Loop``, ``While``   repeat statements
``If``                one of two lists of statements
====================  ================================================================================================

Expressions are graphs of `Expr`; their operations are the words of the kernel vocabulary, and those below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

INT64 = np.dtype("int64")
BOOL = np.dtype("bool")


@dataclass(eq=False)
class Buffer:
    """Memory for `size` elements. `space` is ``input``, ``output``, ``arena``; `place` its number, or offset."""

    dtype: np.dtype
    size: int
    space: str
    place: int = -1
    name: str = ""
    alias: Buffer | None = None  # the buffer in whose memory it lies

    @property
    def bytes(self) -> int:
        return self.size * self.dtype.itemsize


def root(buffer: Buffer | None) -> Buffer | None:
    """The buffer whose memory it is."""
    while buffer is not None and buffer.alias is not None:
        buffer = buffer.alias
    return buffer


@dataclass(eq=False)
class Counter:
    """The index of a loop."""

    slot: int


@dataclass(frozen=True)
class View:
    """Elements of a buffer: point ``(i, j, ...)`` is at ``offset + i * strides[0] + ... + counter * stride``.

    Without a buffer it is the number itself that is meant, not what is stored there: the values of an ``iota``.
    """

    buffer: Buffer | None
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    terms: tuple[tuple[Counter, int], ...] = ()

    @property
    def size(self) -> int:
        n = 1
        for m in self.shape:
            n *= m
        return n

    @property
    def whole(self) -> bool:
        """Whether it is all of its buffer, row by row."""
        return (
            self.buffer is not None
            and self.strides == row_major(self.shape)
            and self.size == self.buffer.size
            and not self.offset
            and not self.terms
        )


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements."""
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


@dataclass(frozen=True)
class Constant:
    """A number in every place of a shape."""

    value: Any
    dtype: np.dtype
    shape: tuple[int, ...] = ()


class Expr:
    """An operation on expressions; `attr` is what is known when the code is made.

    ========== ============================ ================================================================
    op         attr                         value
    ========== ============================ ================================================================
    const      the number
    load       `View`                       the element (of a view without buffer: the affine number itself)
    fetch      `View`                       the element of the view, ``args[0]`` elements further
    counter    `Counter`                    the index of a loop around
    product                                 the sum of products of the nest
    convert                                 ``args[0]`` in `dtype`
    others     words of the vocabulary
    ========== ============================ ================================================================
    """

    __slots__ = ("args", "attr", "dtype", "op", "weak")

    def __init__(
        self, op: str, dtype: np.dtype, args: tuple[Expr, ...] = (), attr: Any = None, weak: bool = False
    ) -> None:
        self.op, self.dtype, self.args, self.attr, self.weak = op, dtype, args, attr, weak


def constant(value: Any, dtype: Any) -> Expr:
    """A number of a dtype."""
    return Expr("const", np.dtype(dtype), (), value)


def load(view: View) -> Expr:
    """The element of a view at the point."""
    return Expr("load", view.dtype, (), view)


@dataclass(frozen=True)
class Store:
    """``view[point] = value``. If it is `final`, only what the loop around leaves behind is ever read."""

    view: View
    value: Expr
    final: bool = False


@dataclass(frozen=True)
class Reduce:
    """``view[kept point] = op`` over the dimensions where `axes` is true; `view` has stride 0 there.

    `op` is ``add``, ``multiply``, ``maximum`` or ``minimum``. The order of a sum or product belongs to the meaning of
    a program: it depends on the shape and the width of vectors, not on the number of threads.
    """

    view: View
    op: str
    value: Expr
    axes: tuple[bool, ...]


@dataclass(frozen=True)
class Check:
    """Where `bad` holds at a point, the program fails: error `site`, with `value`."""

    bad: Expr
    value: Expr
    site: int


@dataclass(frozen=True)
class Matrices:
    """``sum over k of a[..., m, k] * b[..., k, n]`` over the space (..., m, n)."""

    a: View
    b: View
    k: int


@dataclass
class Nest:
    """For every point of `space`."""

    space: tuple[int, ...]
    stores: list[Store]
    reduces: list[Reduce] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    product: Matrices | None = None


@dataclass
class Draw:
    """Words ``out[0..n)`` (uint32) from the state, and the state that follows."""

    state: View
    out: View
    following: View


@dataclass
class ArgMax:
    """For each row of `x` (its last dimension), into `out` (one dimension less); the smallest one if `least`."""

    x: View
    out: View
    least: bool = False


@dataclass
class Scatter:
    """``out[point of rest, at + ...] += value`` for the points of `space`, in their order."""

    space: tuple[int, ...]
    out: View  # over the space: what does not depend on the places
    at: Expr  # elements further
    value: Expr
    checks: list[Check]


@dataclass
class Host:
    """A call of a primitive on arrays: `operands` are dense views or constants, `outs` dense views."""

    prim: Any
    operands: list[Any]
    outs: list[View]


@dataclass
class Loop:
    """``for counter in range(count)``, or backwards. If it `polls`, Python can end the program between iterations."""

    counter: Counter
    count: int
    backwards: bool
    body: list[Any]
    top: bool = False
    polls: bool = False


@dataclass
class While:
    """Run `test`; while `flag` holds run `body` and `test` again."""

    test: list[Any]
    flag: View
    body: list[Any]
    top: bool = False
    polls: bool = True


@dataclass
class If:
    """`yes` if the flag holds, else `no`."""

    flag: View
    yes: list[Any]
    no: list[Any]


@dataclass
class LoopProgram:
    """Statements, and the memory they need."""

    inputs: list[Buffer]
    outputs: list[Buffer]
    body: list[Any]
    buffers: list[Buffer]  # of the arena
    counters: list[Counter]
    errors: list[Any] = field(default_factory=list)  # by site: value -> exception
    arena_bytes: int = 0
    results: list[int] = field(default_factory=list)  # for each output of the graph, which of `outputs`


def bodies(statement: Any) -> list[list[Any]]:
    """The lists of statements inside a statement."""
    if isinstance(statement, Loop):
        return [statement.body]
    if isinstance(statement, While):
        return [statement.test, statement.body]
    if isinstance(statement, If):
        return [statement.yes, statement.no]
    return []


def walk(statements: Sequence[Any]) -> Iterator[Any]:
    """Every statement, the inner ones after what they are in."""
    for s in statements:
        yield s
        for body in bodies(s):
            yield from walk(body)


def expressions(roots: Sequence[Expr]) -> list[Expr]:
    """Every expression that the roots are made of, once, arguments first; without recursion."""
    seen: set[int] = set()
    found: list[Expr] = []
    stack = [(r, False) for r in reversed(roots)]
    while stack:
        e, done = stack.pop()
        if done:
            found.append(e)
        elif id(e) not in seen:
            seen.add(id(e))
            stack.append((e, True))
            stack += [(a, False) for a in reversed(e.args) if id(a) not in seen]
    return found


def roots(statement: Any) -> list[Expr]:
    """The expressions that a statement computes."""
    if isinstance(statement, Nest):
        found = [s.value for s in statement.stores] + [r.value for r in statement.reduces]
        return found + [e for c in statement.checks for e in (c.bad, c.value)]
    if isinstance(statement, Scatter):
        return [statement.at, statement.value, *[e for c in statement.checks for e in (c.bad, c.value)]]
    return []


def reads(statement: Any) -> list[View]:
    """What the statement itself reads, not what its bodies read."""
    found = [e.attr for e in expressions(roots(statement)) if e.op in ("load", "fetch") and e.attr.buffer is not None]
    if isinstance(statement, Nest) and statement.product is not None:
        found += [statement.product.a, statement.product.b]
    if isinstance(statement, Draw):
        found.append(statement.state)
    if isinstance(statement, ArgMax):
        found.append(statement.x)
    if isinstance(statement, Scatter):
        found.append(statement.out)
    if isinstance(statement, Host):
        found += [o for o in statement.operands if isinstance(o, View)]
    if isinstance(statement, While | If):
        found.append(statement.flag)
    return found


def writes(statement: Any) -> list[View]:
    """What the statement itself writes."""
    if isinstance(statement, Nest):
        return [s.view for s in statement.stores] + [r.view for r in statement.reduces]
    if isinstance(statement, Draw):
        return [statement.out, statement.following]
    if isinstance(statement, ArgMax | Scatter):
        return [statement.out]
    if isinstance(statement, Host):
        return list(statement.outs)
    return []
