"""Small loops in registers: what an iteration writes stays there until the loop ends.

A loop over nests without checks becomes one function with one block of straight-line code. Buffers that the body writes
are registers, carried from one iteration to the next; what it only reads is loaded before the loop. Only rows that move
with the loop's counter are loaded and stored in every iteration.

Where an element lies is decided by the nest that writes it, see `straight_nests`; so the body is written more often
than once, until what an iteration begins with lies as the iteration before has left it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retrograd.native.llvm.builder import Module, Type
from retrograd.native.llvm.elements import Elements, Key, key_of, offsets, pieces
from retrograd.native.llvm.operations import base_of
from retrograd.native.llvm.state import Table
from retrograd.native.llvm.straight import Straight, Unfit
from retrograd.native.llvm.straight_nests import Chunk, StraightNest, nothing
from retrograd.native.llvm.target import Target
from retrograd.native.loops.ir import Buffer, Loop, LoopProgram, Nest, View, expressions, reads, root, roots, writes

ITERATIONS = 256  # between two stores of the registers: they take as long as an iteration, which is a microsecond or so


@dataclass(frozen=True)
class Limits:
    """Of what is worth the time that writing and compiling it takes.

    Attributes:
        written: registers' worth of elements that the body may write; most of them are spilled if there are many.
        operations: of arithmetic in the loop, by a rough count.
        instructions: in the loop.
    """

    written: int
    operations: int
    instructions: int


SHORT = Limits(64, 400, 1200)  # some 20 milliseconds
LONG = Limits(256, 1600, 4000)  # some 300 milliseconds, for which a loop has to run for a second or so
MANY = 500_000  # iterations of a long loop: each one takes half a microsecond less
ROUNDS = 2  # in which orders of points are chosen

Layout = tuple[Key, tuple[int | None, ...]]
"""A register: of which buffer, and which element is in each lane."""


def outside(program: LoopProgram, loop: Loop) -> set[Buffer]:
    """The buffers of the arena that other statements of the program use."""
    found: set[Buffer] = set()
    stack: list[Any] = [s for s in program.body if s is not loop]
    while stack:
        s = stack.pop()
        found |= {b for v in (*reads(s), *writes(s)) if (b := root(v.buffer)) is not None}
        for name in ("body", "test", "yes", "no"):
            stack += [t for t in getattr(s, name, ()) if t is not loop]
    return found


def write_loop(module: Module, target: Target, table: Table, program: LoopProgram, loop: Loop, name: str) -> str | None:
    """A function ``(state, from, to)`` that runs iterations of a loop; None if it has to be written otherwise."""
    try:
        writer = LoopWriter(module, target, table, program, loop, name)
        module.functions[name] = writer.write()
    except Unfit:
        return None
    return name


class LoopWriter:
    """Writes one loop. Raises `Unfit` if it does not fit."""

    def __init__(
        self, module: Module, target: Target, table: Table, program: LoopProgram, loop: Loop, name: str
    ) -> None:
        self.module, self.target, self.table, self.loop, self.name = module, target, table, loop, name
        self.nests: list[Nest] = loop.body
        if not all(isinstance(s, Nest) and not s.checks for s in loop.body):
            raise Unfit
        self.limits = LONG if loop.count >= MANY else SHORT
        if _estimate(target, self.nests) > self.limits.operations:
            raise Unfit
        self.chosen: dict[int, tuple[Any, list[Chunk]]] = {}  # for each nest how what it reads lay, and its order
        self.prices: dict[Any, float] = {}
        self.bounds: dict[Key, tuple[int, int]] = {}
        self.written: dict[Key, set[int]] = {}
        self.needed: dict[Key, set[int]] = {}  # elements that an iteration reads before it writes them
        for nest in self.nests:
            self._follow(nest)
        self._decide(outside(program, loop))

    # What the body does to memory -------------------------------------------------------------------------------------

    def _follow(self, nest: Nest) -> None:
        """Note what is read and written, in order."""
        for view in reads(nest):
            key, places = self._use(view)
            self.needed.setdefault(key, set()).update(places - self.written.get(key, set()))
        for view in writes(nest):
            key, places = self._use(view)
            points = math.prod(n for n, s in zip(view.shape, view.strides, strict=True) if s)
            if places and len(places) < points:
                raise Unfit  # elements that several points write
            self.written.setdefault(key, set()).update(places)

    def _use(self, view: View) -> tuple[Key, set[int]]:
        key = key_of(view)
        places = set(offsets(view))
        if view.dtype != key[0].dtype:
            raise Unfit
        if places:
            low, high = self.bounds.get(key, (min(places), max(places)))
            self.bounds[key] = min(low, *places, low), max(high, *places, high)
        return key, places

    def _decide(self, outside: set[Buffer]) -> None:
        """Which elements are carried, which rows are stored, and which buffers are stored at the end."""
        keys: dict[Buffer, set[Key]] = {}
        for key in self.bounds:
            keys.setdefault(key[0], set()).add(key)
        rows = {key for key in self.written if any(c is self.loop.counter for c, _ in key[1])}
        if any(len(keys[key[0]]) > 1 for key in self.written if key in self.bounds):
            raise Unfit  # the same element under two names
        self.rows = [key for key in self.written if key in rows]
        self.kept, self.carried, total = [], {}, 0
        for key, elements in self.written.items():
            total += len(elements) * key[0].dtype.itemsize
            if key in rows:
                continue
            both = elements & self.needed.get(key, set())
            lives = key[0].space != "arena" or key[0] in outside
            if both and not lives:
                raise Unfit
            if both:
                self.carried[key] = both
            if lives:
                self.kept.append(key)
        if total > self.limits.written * self.target.vector_bytes:
            raise Unfit

    # The function -----------------------------------------------------------------------------------------------------

    def write(self) -> Straight:
        """The function."""
        layouts = [layout for key, own in self.carried.items() for layout in self._plain(key, own)]
        for _ in range(ROUNDS):
            before, layouts = layouts, self._layouts(self._body(layouts, trial=True)[1])
            if layouts == before:
                break
        return self._finished(*self._body(layouts, trial=False), layouts)

    def _plain(self, key: Key, own: set[int]) -> list[Layout]:
        """Elements in their order."""
        return [(key, tuple(piece)) for piece in pieces(own, self.target.lanes(key[0].dtype.itemsize))]

    def _layouts(self, elements: Elements) -> list[Layout]:
        """How what is carried lies at the end of an iteration."""
        found: list[Layout] = []
        for key, own in self.carried.items():
            registers: dict[tuple[str, int], list[int | None]] = {}
            left: set[int] = set()
            for e in sorted(own):
                place = elements.places[key][e]
                lanes = registers.setdefault((place.register, place.lanes), [None] * max(place.lanes, 1))
                if lanes[place.lane] is None:
                    lanes[place.lane] = e
                else:  # equal elements may share a lane
                    left.add(e)
            found += [(key, tuple(lanes)) for lanes in registers.values()]
            found += self._plain(key, left)
        return found

    def _body(self, layouts: Sequence[Layout], trial: bool) -> tuple[Straight, Elements]:
        """The code of an iteration that begins with elements as `layouts` say; perhaps in orders chosen before."""
        arguments = [("ptr", "state"), ("i64", "from"), ("i64", "to")]
        f = Straight(self.module, self.name, arguments, self.target, self.limits.instructions, self.prices, trial)
        index = f.value(f"sub i64 {self.loop.count - 1}, %index") if self.loop.backwards else "%index"
        elements = Elements(f, self.table, self.loop.counter, index, self.bounds)
        for i, (key, own) in enumerate(layouts):
            elements.place(key, own, f"%carried{i}", len(own) if len(own) > 1 else 0)
        for i, nest in enumerate(self.nests):
            if 0 in nest.space:
                done = nothing(nest)
            else:
                writer = StraightNest(f, elements, nest)
                signature = elements.signature(reads(nest)) if trial else None
                if trial and (i not in self.chosen or self.chosen[i][0] != signature):
                    self.chosen[i] = signature, writer.cheapest()
                f.sketch = trial
                done = writer.write(self.chosen[i][1])
                f.sketch = False
            for key, own, register, lanes in done:
                elements.place(key, own, register, lanes)
        return f, elements

    def _finished(self, f: Straight, elements: Elements, layouts: Sequence[Layout]) -> Straight:
        """The loop around the body, and what comes before and after."""
        f.limit = float("inf")
        following = []
        for key, own in layouts:
            places = [None if e is None else elements.places[key][e] for e in own]
            following.append(f.gather(base_of(key[0].dtype), places))
        for key in self.rows:
            elements.to_memory(key, sorted(self.written[key]))
        body, f.lines = f.lines, []
        first = self._first(f, layouts)
        phis = ["  %index = phi i64 [ %from, %entry ], [ %next, %loop ]"]
        for i, ((key, own), start, after) in enumerate(zip(layouts, first, following, strict=True)):
            t = Type(base_of(key[0].dtype), len(own) if len(own) > 1 else 0)
            phis.append(f"  %carried{i} = phi {t} [ {start}, %entry ], [ {after}, %loop ]")
        for key in self.kept:
            elements.to_memory(key, sorted(self.written[key]))
        last = f.lines
        turn = ["  %next = add nsw i64 %index, 1", "  %more = icmp slt i64 %next, %to"]
        turn += ["  br i1 %more, label %loop, label %done", "done:"]
        f.lines = [*f.before, "  br label %loop", "loop:", *phis, *body, *turn, *last, "  ret void"]
        return f

    def _first(self, f: Straight, layouts: Sequence[Layout]) -> list[str]:
        """What is carried, from memory, before the loop."""
        memory = Elements(f, self.table, self.loop.counter, "%index", self.bounds)
        return [memory.read(key, own) for key, own in layouts]


def _estimate(target: Target, nests: Sequence[Nest]) -> float:
    """How many instructions of arithmetic there will be, roughly. Raises `Unfit` for what cannot be written."""
    total = 0.0
    for nest in nests:
        if any(e.op == "fetch" for e in expressions(roots(nest))):
            raise Unfit
        if 0 in nest.space:
            continue
        sizes = [e.dtype.itemsize for e in expressions(roots(nest)) if e.op != "const" and e.dtype.itemsize >= 4]
        lanes = target.lanes(min(sizes, default=4))
        points = math.ceil(math.prod(nest.space) / lanes)
        if nest.product is not None:
            if not nest.product.k:
                raise Unfit
            total += math.prod(nest.space) * nest.product.k / lanes
        total += points * sum(e.op not in ("const", "load", "product", "counter") for e in expressions(roots(nest)))
    return total
