"""Loop nests as functions: vectors along the last dimension, a masked rest, reductions in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from retrograd.native.llvm import operations
from retrograd.native.llvm.builder import Function, Module, Type, constant
from retrograd.native.llvm.operations import IDENTITY, base_of
from retrograd.native.llvm.points import Points
from retrograd.native.llvm.shapes import arranged, views_of
from retrograd.native.llvm.state import Table
from retrograd.native.llvm.target import Target
from retrograd.native.loops.ir import Check, Nest, Reduce, Scatter, Store, View, roots
from retrograd.native.loops.ir import constant as number

UNROLLED = 4  # sums at a time, where there is little else to do: an addition takes as long as four can begin


@dataclass
class Written:
    """A function for a nest: called with the state and a range of its first dimension."""

    name: str
    extent: int  # of the range
    splits: bool  # whether parts of the range can run at the same time
    cost: float  # nanoseconds, roughly
    first: list[Nest]  # what has to run before


def tail_mask(lanes: int, left: int) -> str:
    """True in the first `left` lanes."""
    return "<" + ", ".join(f"i1 {'true' if i < left else 'false'}" for i in range(lanes)) + ">"


def power_of_two(n: int) -> int:
    """The smallest one that is not less than `n`."""
    return 1 << max(n - 1, 0).bit_length()


class NestWriter:
    """Writes one nest."""

    def __init__(self, module: Module, target: Target, table: Table, nest: Nest, name: str) -> None:
        self.nest = nest = arranged(nest)
        self.f = module.function(name, [("ptr", "state"), ("i64", "from"), ("i64", "to")])
        self.target, self.name, self.rank = target, name, len(nest.space)
        self.points = Points(self.f, target, table, self.rank, roots(nest))
        self.inner = nest.space[-1] if self.rank else 1
        self.lanes = min(self.points.lanes, power_of_two(self.inner)) if self.rank else 0
        self.blocks = self.inner // self.lanes if self.lanes else 1
        # Reductions along the vectors are gathered in registers over the dimensions from `depth` on, the others in
        # memory, one element after another.
        self.depth = {id(r): self._depth(r) for r in nest.reduces}
        self.sums: dict[int, list[str]] = {}

    def _depth(self, r: Reduce) -> int:
        d = self.rank
        while d and r.axes[d - 1]:
            d -= 1
        return d

    def write(self) -> Written:
        p, nest = self.points, self.nest
        p.scalars(0)
        if any(s.final for s in self.nest.stores):
            p.last  # noqa: B018 - asked here, where it is the same for all points
        first = [first_value(r) for r in nest.reduces if any(r.axes[: self.depth[id(r)]])]
        self._open(0)
        self.f.do("ret void")
        extent = self.blocks if self.rank == 1 else nest.space[0] if self.rank else 1
        splits = self.rank > 0 and not any(r.axes[0] for r in nest.reduces) and not nest.checks
        return Written(self.name, extent, splits, self._cost(), first)

    def _cost(self) -> float:
        n = math.prod(self.nest.space)
        return n * (self.points.instructions + 1) / max(self.lanes, 1) * 0.15

    # Loops ------------------------------------------------------------------------------------------------------------

    def _open(self, d: int) -> None:
        """The loops from dimension `d` on."""
        for r in self.nest.reduces:
            if self.depth[id(r)] == d:
                self._begin(r)
        if d < self.rank - 1:
            self.points.prepare(views_of(self.nest))
            bounds = ("%to", "%from") if d == 0 else (self.nest.space[d], 0)
            with self.f.loop(bounds[0], bounds[1]) as loop:
                self.points.enter(loop.index)
                self._open(d + 1)
                self.points.leave()
        elif self.rank:
            self._inner()
        else:
            self._point()
        for r in self.nest.reduces:
            if self.depth[id(r)] == d:
                self._end(r)

    def _inner(self) -> None:
        """The loop over vectors, and the rest."""
        p, f = self.points, self.f
        p.prepare(views_of(self.nest))
        p.spread(self.lanes)
        left = self.inner - self.blocks * self.lanes
        if left:
            p.spread(power_of_two(left))
        only = self.rank == 1
        inside = [r for r in self.nest.reduces if self.depth[id(r)] < self.rank]
        if only and not inside:
            with f.loop("%to", "%from") as loop:
                at = f.value(f"mul nuw nsw i64 {loop.index}, {self.lanes}")
                self._vector(self.lanes, at, None, [], {})
        else:
            self._vector_loop(inside)
        if left:
            last = f.value(f"icmp eq i64 %to, {self.blocks}") if only else None
            with ExitStack() as stack:
                if last is not None:
                    stack.enter_context(f.when(last))
                self._rest(left, inside)

    def _vector_loop(self, inside: Sequence[Reduce]) -> None:
        """Full vectors; sums are kept in registers over blocks of vectors, and blocks are added up."""
        n = self.blocks
        if not n:
            return
        light = len(self.points.vector_nodes) <= 12
        copies = UNROLLED if inside and light and n >= 2 * UNROLLED else 1
        turns = n // copies
        long = max(64, math.isqrt(turns)) if inside else turns
        if turns > 2 * long:
            with self.f.loop(turns // long) as block:
                start = self.f.value(f"mul nuw nsw i64 {block.index}, {long}")
                self._turns(start, self.f.value(f"add nuw nsw i64 {start}, {long}"), copies, inside)
            if turns % long:
                self._turns(str(turns // long * long), str(turns), copies, inside)
        elif turns:
            self._turns("0", str(turns), copies, inside)
        for i in range(turns * copies, n):
            self._turns(str(i), str(i + 1), 1, inside)

    def _turns(self, start: str, stop: str, copies: int, inside: Sequence[Reduce]) -> None:
        f = self.f
        carried = []
        for r in inside:
            t = Type(base_of(r.value.dtype), self.lanes)
            carried += [(t, constant(t, IDENTITY[r.op](r.value.dtype)))] * copies
        with f.loop(stop, start, 1, carried, at_least_once=True) as loop:
            step = self.lanes * copies
            base = f.value(f"mul nuw nsw i64 {loop.index}, {step}")
            for c in range(copies):
                at = base if not c else f.value(f"add nuw nsw i64 {base}, {c * self.lanes}")
                sums = {id(r): loop.following[i * copies + c] for i, r in enumerate(inside)}
                self._vector(self.lanes, at, None, inside, sums)
                for i, r in enumerate(inside):
                    loop.following[i * copies + c] = sums[id(r)]
        for i, r in enumerate(inside):
            total = loop.following[i * copies]
            for c in range(1, copies):
                total = self._combine(r, self.lanes, total, loop.following[i * copies + c])
            self._accumulate(r, self.lanes, total)

    def _rest(self, left: int, inside: Sequence[Reduce]) -> None:
        lanes = power_of_two(left)
        mask = tail_mask(lanes, left) if left < lanes else None
        sums: dict[int, str] = {}
        for r in inside:
            sums[id(r)] = constant(Type(base_of(r.value.dtype), lanes), IDENTITY[r.op](r.value.dtype))
        self._vector(lanes, str(self.blocks * self.lanes), mask, inside, sums)
        for r in inside:
            self._accumulate(r, lanes, sums[id(r)])

    # Points -----------------------------------------------------------------------------------------------------------

    def _vector(self, lanes: int, at: str, mask: str | None, inside: Sequence[Reduce], sums: dict[int, str]) -> None:
        p = self.points
        found = p.vectors(lanes, at, mask)
        for c in self.nest.checks:
            self._check(c, found, lanes, mask)
        for r in self.nest.reduces:
            t = Type(base_of(r.value.dtype), lanes)
            value = found[id(r.value)] if id(r.value) in found else p.lane_value(r.value, lanes)
            if r in inside:
                if mask is not None:
                    value = self.f.select(t, mask, value, constant(t, IDENTITY[r.op](r.value.dtype)))
                sums[id(r)] = self._combine(r, lanes, sums[id(r)], value)
            else:
                self._in_memory(r, t, value, at, mask)
        for s in self.nest.stores:
            t = Type(base_of(s.value.dtype), lanes)
            value = found[id(s.value)] if id(s.value) in found else p.lane_value(s.value, lanes)
            with p.seen(s.final):
                p.store(s.view, t, value, at, mask)

    def _check(self, c: Check, found: dict[int, str], lanes: int, mask: str | None) -> None:
        p = self.points
        if p.levels[id(c.bad)] == self.rank and lanes:
            values = dict(found)
            p.check(c, values, lanes, mask)
        else:
            p.check(c, p.values, 0, None)

    def _point(self) -> None:
        """A space without dimensions."""
        p = self.points
        for c in self.nest.checks:
            p.check(c, p.values, 0, None)
        for r in self.nest.reduces:  # over dimensions of length one
            p.store(r.view, Type(base_of(r.value.dtype)), p.values[id(r.value)], None, None)
        for s in self.nest.stores:
            with p.seen(s.final):
                p.store(s.view, Type(base_of(s.value.dtype)), p.values[id(s.value)], None, None)

    # Reductions -------------------------------------------------------------------------------------------------------

    def _combine(self, r: Reduce, lanes: int, a: str, b: str) -> str:
        return operations.emit(self.f, self.target, r.op, r.value.dtype, lanes, (a, b))

    def _begin(self, r: Reduce) -> None:
        if self.depth[id(r)] == self.rank:
            return
        t = Type(base_of(r.value.dtype), self.lanes)
        room = self.f.alloca(t.of("i8") if t.base == "i1" else t)
        self.f.store(t, constant(t, IDENTITY[r.op](r.value.dtype)), room)
        self.sums[id(r)] = [room]

    def _accumulate(self, r: Reduce, lanes: int, value: str) -> None:
        """Add a vector to what the dimensions around have so far."""
        (room,) = self.sums[id(r)]
        t = Type(base_of(r.value.dtype), lanes)
        self.f.store(t, self._combine(r, lanes, self.f.load(t, room), value), room)

    def _end(self, r: Reduce) -> None:
        if self.depth[id(r)] == self.rank:
            return
        (room,) = self.sums[id(r)]
        f, t = self.f, Type(base_of(r.value.dtype), self.lanes)
        total = operations.across(f, self.target, r.op, r.value.dtype, self.lanes, f.load(t, room))
        if any(r.axes[: self.depth[id(r)]]):
            pointer = self.points.pointer(r.view)
            total = self._combine(r, 0, f.load(t.scalar, pointer), total)
        f.store(t.scalar, total, self.points.pointer(r.view))

    def _in_memory(self, r: Reduce, t: Type, value: str, at: str, mask: str | None) -> None:
        """One addition to each element that is kept; its order is that of the loops."""
        p = self.points
        if not any(r.axes):  # over dimensions of length one
            return p.store(r.view, t, value, at, mask)
        pointer = p._load(r.view, t.lanes, at, mask, None, False)
        p.store(r.view, t, self._combine(r, t.lanes, pointer, value), at, mask)
        return None


def first_value(r: Reduce) -> Nest:
    """The nest that gives a reduction in memory its first value."""
    kept = [d for d, a in enumerate(r.axes) if not a]
    v = r.view
    view = View(
        v.buffer, v.dtype, tuple(v.shape[d] for d in kept), tuple(v.strides[d] for d in kept), v.offset, v.terms
    )
    return Nest(view.shape, [Store(view, number(IDENTITY[r.op](r.value.dtype), v.dtype))])


def write_scatter(module: Module, target: Target, table: Table, s: Scatter, name: str) -> None:
    """One addition after another: places may come again. Along the last dimension in vectors where they cannot."""
    f: Function = module.function(name, [("ptr", "state"), ("i64", "from"), ("i64", "to")])
    rank = len(s.space)
    p = Points(f, target, table, rank, roots(s))
    along = rank and p.levels[id(s.at)] < rank and s.out.strides[-1] == 1
    p.scalars(0)
    with ExitStack() as stack:
        for d in range(rank - 1 if rank else 0):
            p.prepare([s.out])
            loop = stack.enter_context(f.loop(s.space[d]))
            p.enter(loop.index)
        lanes = min(p.lanes, power_of_two(s.space[-1])) if along else 0
        if along:
            p.prepare(views_of(s))
            for c in s.checks:
                p.check(c, p.values, 0, None)
            whole = s.space[-1] // lanes
            left = s.space[-1] - whole * lanes
            p.spread(lanes)
            if left:
                p.spread(power_of_two(left))
            if whole:
                with f.loop(whole) as vector:
                    _add(p, s, lanes, f.value(f"mul nuw nsw i64 {vector.index}, {lanes}"), None)
            if left:
                n = power_of_two(left)
                _add(p, s, n, str(whole * lanes), tail_mask(n, left) if left < n else None)
        elif rank:
            p.prepare(views_of(s))
            with f.loop(s.space[-1]) as last:
                found = p.vectors(0, last.index, None)
                for c in s.checks:
                    p.check(c, {**p.values, **found}, 0, None)
                _add_one(p, s, {**p.values, **found}, last.index)
        else:
            for c in s.checks:
                p.check(c, p.values, 0, None)
            _add_one(p, s, p.values, None)
    f.do("ret void")


def _add(p: Points, s: Scatter, lanes: int, at: str, mask: str | None) -> None:
    found = p.vectors(lanes, at, mask)
    f, t = p.f, Type(base_of(s.out.dtype), lanes)
    pointer = f.offset(f.offset(p.pointer(s.out), t.base, p.values[id(s.at)]), t.base, at)
    value = found[id(s.value)] if id(s.value) in found else p.lane_value(s.value, lanes)
    old = f.load(t, pointer) if mask is None else f.masked_load(t, pointer, mask)
    total = operations.emit(f, p.target, "add", s.out.dtype, lanes, (old, value))
    if mask is None:
        f.store(t, total, pointer)
    else:
        f.masked_store(t, total, pointer, mask)


def _add_one(p: Points, s: Scatter, values: dict[int, str], at: str | None) -> None:
    f, t = p.f, Type(base_of(s.out.dtype))
    base = "i8" if t.base == "i1" else t.base
    pointer = f.offset(p.pointer(s.out), base, values[id(s.at)])
    if at is not None and s.out.strides[-1]:
        pointer = f.offset(pointer, base, f.value(f"mul nsw i64 {at}, {s.out.strides[-1]}"))
    total = operations.emit(f, p.target, "add", s.out.dtype, 0, (f.load(t, pointer), values[id(s.value)]))
    f.store(t, total, pointer)
