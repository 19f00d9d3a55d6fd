"""Expressions at the points of a space: every node is computed in the outermost loop on whose index it depends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import numpy as np

from retrograd.native.llvm import operations
from retrograd.native.llvm.builder import Function, Type, constant, vector_constant
from retrograd.native.llvm.operations import base_of
from retrograd.native.llvm.state import FINAL, FOUND, STATUS, Table
from retrograd.native.llvm.target import Target
from retrograd.native.loops.ir import Check, Expr, View, expressions


def view_level(view: View) -> int:
    """The innermost dimension along which a view moves, counted from 1; 0 for none."""
    return max((d + 1 for d, (n, s) in enumerate(zip(view.shape, view.strides, strict=True)) if s and n > 1), default=0)


# About how many instructions a function becomes; others are one or two.
LENGTHS = {
    "exp": 20, "expm1": 40, "log": 35, "log1p": 40, "softplus": 45, "sin": 80, "cos": 80, "tanh": 40, "sigmoid": 25,
    "erf": 40, "power": 110, "divide": 5, "sqrt": 6, "rsqrt": 11, "fmod": 50, "remainder": 60, "floor_divide": 70,
}  # fmt: skip

MANY = 1500  # instructions of a nest from which on functions are called: inlined, they would take long to compile


class Points:
    """Writes values of expressions while loops are opened around them.

    `rank` dimensions; the last one is vectorised, the others have one index each, given by `enter`.
    """

    def __init__(self, f: Function, target: Target, table: Table, rank: int, roots: Sequence[Expr]) -> None:
        self.f, self.target, self.table, self.rank = f, target, table, rank
        self.roots = roots
        self.order = expressions(roots)
        self.levels: dict[int, int] = {}
        for e in self.order:
            own = max((self.levels[id(a)] for a in e.args), default=0)
            if e.op == "product":
                own = rank
            elif e.op in ("load", "fetch"):
                own = max(own, view_level(e.attr))
            self.levels[id(e)] = own
        self.vector_nodes = [e for e in self.order if self.levels[id(e)] == rank and rank]
        self.values: dict[int, str] = {}  # scalars, by expression
        self.splats: dict[tuple[int, int], str] = {}
        self.pointers: dict[tuple[View, int], str] = {}
        self.indices: list[str] = []

    @cached_property
    def instructions(self) -> int:
        """About how many are written for a vector."""
        return sum(LENGTHS.get(e.op, 1) for e in self.vector_nodes)

    @property
    def lanes(self) -> int:
        """How many elements at a time: as many as fit a register of the smallest numbers among them."""
        sizes = [e.dtype.itemsize for e in self.vector_nodes if e.op != "const" and e.dtype.itemsize >= 4]
        return self.target.lanes(min(sizes, default=4))

    # Pointers ---------------------------------------------------------------------------------------------------------

    def pointer(self, view: View, level: int | None = None) -> str:
        """The address of the current point in the dimensions that are open (all but the last one)."""
        level = len(self.indices) if level is None else level
        known = self.pointers.get((view, level))
        if known is not None:
            return known
        base = base_of(view.dtype)
        if level == 0:
            found = self.table.address(self.f, view, base)
        else:
            found = self.pointer(view, level - 1)
            stride = view.strides[level - 1]
            if stride and view.shape[level - 1] > 1:
                at = self.f.value(f"mul nsw i64 {self.indices[level - 1]}, {stride}")
                found = self.f.offset(found, "i8" if base == "i1" else base, at)
        self.pointers[view, level] = found
        return found

    def prepare(self, views: Sequence[View]) -> None:
        """Compute the addresses that do not move any more, before the next loop opens."""
        for view in views:
            if view.buffer is not None:
                self.pointer(view)

    # Levels -----------------------------------------------------------------------------------------------------------

    def enter(self, index: str) -> None:
        """A loop over the next dimension has been opened."""
        self.indices.append(index)
        self.scalars(len(self.indices))

    def leave(self) -> None:
        """It is closed: what was computed in it is gone."""
        level = len(self.indices)
        self.indices.pop()
        self.pointers = {k: v for k, v in self.pointers.items() if k[1] < level}
        for e in self.order:
            if self.levels[id(e)] >= level:
                self.values.pop(id(e), None)
        self.splats = {k: v for k, v in self.splats.items() if k[0] in self.values}

    def scalars(self, level: int) -> None:
        """Compute every node of a level below the vectors."""
        for e in self.order:
            if self.levels[id(e)] == level and (level < self.rank or not self.rank):
                self.values[id(e)] = self._compute(e, [self.values[id(a)] for a in e.args], 0, None, None)

    def spread(self, lanes: int) -> None:
        """Put the scalars that vectors use into all lanes, before the loop over vectors."""
        used = [a for e in self.vector_nodes for a in e.args]
        for a in (*used, *self.roots):
            if self.levels[id(a)] < self.rank and (a.op == "const" or id(a) in self.values):
                self.lane_value(a, lanes)

    def lane_value(self, e: Expr, lanes: int) -> str:
        """A scalar in every lane."""
        t = Type(base_of(e.dtype), lanes)
        if e.op == "const":
            return constant(t, e.attr)
        key = (id(e), lanes)
        if key not in self.splats:
            self.splats[key] = self.f.splat(t, self.values[id(e)])
        return self.splats[key]

    def vectors(self, lanes: int, at: str, mask: str | None, product: str | None = None) -> dict[int, str]:
        """Every node that depends on the last dimension, for `lanes` points from `at` on."""
        found: dict[int, str] = {}
        for e in self.vector_nodes:
            if e.op == "product":
                assert product is not None
                found[id(e)] = product
                continue
            args = [found[id(a)] if id(a) in found else self._argument(e, a, lanes) for a in e.args]
            found[id(e)] = self._compute(e, args, lanes, at, mask)
        return found

    def _argument(self, e: Expr, a: Expr, lanes: int) -> str:
        if e.op == "fetch" and self.levels[id(a)] < self.rank:
            return self.values[id(a)]  # the same for all lanes: a distance to move the address by
        return self.lane_value(a, lanes)

    # Nodes ------------------------------------------------------------------------------------------------------------

    def _compute(self, e: Expr, args: list[str], lanes: int, at: str | None, mask: str | None) -> str:
        if e.op == "const":
            return constant(Type(base_of(e.dtype)), e.attr)
        if e.op == "counter":
            return self.table.load(self.f, self.table.slot(e.attr), "i64")
        if e.op == "load" and e.attr.buffer is None:
            return self._affine(e.attr, lanes, at)
        if e.op in ("load", "fetch"):
            offset = args[0] if args else None
            per_lane = bool(args) and lanes > 0 and self.levels[id(e.args[0])] == self.rank
            return self._load(e.attr, lanes, at, mask, offset, per_lane)
        if e.op == "convert":
            return operations.convert(self.f, e.args[0].dtype, e.dtype, lanes, args[0])
        dtype = e.args[-1].dtype if e.args else e.dtype
        if dtype.kind == "f" and LENGTHS.get(e.op, 1) >= 20 and (not lanes or self.instructions > MANY):
            return operations.called(self.f, self.target, e.op, dtype, lanes, args)
        return operations.emit(self.f, self.target, e.op, dtype, lanes, args)

    def _affine(self, view: View, lanes: int, at: str | None) -> str:
        """The number that a view without memory stands for."""
        f = self.f
        total = str(view.offset)
        indices = [*self.indices]
        if at is not None and len(indices) < len(view.strides):
            indices.append(at)
        for index, stride in zip(indices, view.strides, strict=False):
            if stride:
                total = f.value(f"add i64 {total}, {f.value(f'mul i64 {index}, {stride}')}")
        for counter, stride in view.terms:
            t = self.table.load(f, self.table.slot(counter), "i64")
            total = f.value(f"add i64 {total}, {f.value(f'mul i64 {t}, {stride}')}")
        if lanes and at is not None and view.strides and view.strides[-1]:
            whole = Type("i64", lanes)
            steps = vector_constant(whole, [i * view.strides[-1] for i in range(lanes)])
            total = f.op("add", whole, f.splat(whole, total), steps)
        elif lanes:
            total = f.splat(Type("i64", lanes), total)
        return operations.convert(f, np.dtype("int64"), view.dtype, lanes, total)

    def _load(
        self, view: View, lanes: int, at: str | None, mask: str | None, offset: str | None, per_lane: bool
    ) -> str:
        f, t = self.f, Type(base_of(view.dtype), lanes)
        memory = "i8" if t.base == "i1" else t.base
        pointer = self.pointer(view, len(self.indices))
        stride = view.strides[-1] if view.strides and view.shape[-1] > 1 else 0
        if at is None or not lanes:
            if at is not None and stride:
                pointer = f.offset(pointer, memory, f.value(f"mul nsw i64 {at}, {stride}"))
            return f.load(t, pointer if offset is None else f.offset(pointer, memory, offset))
        if stride:
            pointer = f.offset(pointer, memory, at if stride == 1 else f.value(f"mul nsw i64 {at}, {stride}"))
        if per_lane:
            return self._gather(t, pointer, offset or "", stride, mask)
        if offset is not None:
            pointer = f.offset(pointer, memory, offset)
        if stride == 0:
            return f.splat(t, f.load(t.scalar, pointer))
        if stride == 1:
            return f.load(t, pointer) if mask is None else f.masked_load(t, pointer, mask)
        return self._gather(t, pointer, "zeroinitializer", stride, mask)

    def _gather(self, t: Type, pointer: str, offsets: str, stride: int, mask: str | None) -> str:
        """Elements at distances, each lane `stride` further."""
        return gather(self.f, t, pointer, self.distances(t.lanes, offsets, stride), mask)

    def distances(self, lanes: int, offsets: str, stride: int) -> str:
        whole = Type("i64", lanes)
        steps = vector_constant(whole, [i * stride for i in range(lanes)])
        if offsets == "zeroinitializer":
            return steps
        return self.f.op("add", whole, offsets, steps) if stride else offsets

    @contextmanager
    def seen(self, final: bool) -> Iterator[None]:
        """Code that runs only where somebody looks at the result: every time, unless it is final."""
        if not final:
            yield
            return
        with self.f.when(self.last):
            yield

    @cached_property
    def last(self) -> str:
        """Whether somebody will see what this iteration leaves; asked first where everything else can see it."""
        return self.f.value(f"icmp ne i64 {self.table.load(self.f, FINAL, 'i64')}, 0")

    def store(self, view: View, t: Type, value: str, at: str | None, mask: str | None) -> None:
        """Write one point, or `t.lanes` of them."""
        f = self.f
        memory = "i8" if t.base == "i1" else t.base
        pointer = self.pointer(view, len(self.indices))
        stride = view.strides[-1] if view.strides and view.shape[-1] > 1 else 0
        if at is not None and stride:
            pointer = f.offset(pointer, memory, at if stride == 1 else f.value(f"mul nsw i64 {at}, {stride}"))
        if not t.lanes:
            f.store(t, value, pointer)
        elif stride == 1 or t.lanes == 1:
            if mask is None:
                f.store(t, value, pointer)
            else:
                f.masked_store(t, value, pointer, mask)
        else:
            scatter(f, t, value, pointer, self.distances(t.lanes, "zeroinitializer", stride), mask)

    # Checks -----------------------------------------------------------------------------------------------------------

    def check(self, c: Check, values: dict[int, str], lanes: int, mask: str | None) -> None:
        """Note the first element for which `bad` holds; the nest goes on at a harmless place."""
        f = self.f
        bad, value = values[id(c.bad)], values.get(id(c.value))
        t = Type("i1", lanes)
        hit = bad
        place = "0"
        if lanes:
            if mask is not None:
                bad = f.op("and", t, bad, mask)
            bits = f.value(f"bitcast {t} {bad} to i{lanes}")
            hit = f.value(f"icmp ne i{lanes} {bits}, 0")
        if value is None:
            value = self.lane_value(c.value, lanes) if lanes else self.values[id(c.value)]
        fresh = f.value(f"icmp eq i64 {self.table.load(f, STATUS, 'i64')}, 0")
        with f.when(f.value(f"and i1 {hit}, {fresh}")):
            if lanes:
                name = f.module.declare(f"llvm.cttz.i{lanes}", f"i{lanes}", f"i{lanes}, i1")
                first = f.value(f"call i{lanes} {name}(i{lanes} {bits}, i1 false)")
                place = first if lanes == 64 else f.value(f"zext i{lanes} {first} to i64")
                value = f.value(f"extractelement <{lanes} x i64> {value}, i64 {place}")
            self.table.store(f, STATUS, str(c.site + 1))
            self.table.store(f, FOUND, value)


def gather(f: Function, t: Type, pointer: str, distances: str, mask: str | None) -> str:
    """Elements that lie anywhere; booleans are bytes."""
    if t.base == "i1":
        raw = gather(f, t.of("i8"), pointer, distances, mask)
        return f.value(f"trunc {t.of('i8')} {raw} to {t}")
    pointers = f.value(f"getelementptr {t.base}, ptr {pointer}, <{t.lanes} x i64> {distances}")
    name = f.module.declare(
        f"llvm.masked.gather.{t.suffix}.v{t.lanes}p0", str(t), f"<{t.lanes} x ptr>, i32, {t.mask}, {t}"
    )
    chosen = mask if mask is not None else constant(t.mask, 1)
    return f.value(
        f"call {t} {name}(<{t.lanes} x ptr> {pointers}, i32 {t.size}, {t.mask} {chosen}, {t} zeroinitializer)"
    )


def scatter(f: Function, t: Type, value: str, pointer: str, distances: str, mask: str | None) -> None:
    """The opposite of `gather`."""
    if t.base == "i1":
        wide = f.value(f"zext {t} {value} to {t.of('i8')}")
        return scatter(f, t.of("i8"), wide, pointer, distances, mask)
    pointers = f.value(f"getelementptr {t.base}, ptr {pointer}, <{t.lanes} x i64> {distances}")
    name = f.module.declare(
        f"llvm.masked.scatter.{t.suffix}.v{t.lanes}p0", "void", f"{t}, <{t.lanes} x ptr>, i32, {t.mask}"
    )
    chosen = mask if mask is not None else constant(t.mask, 1)
    f.do(f"call void {name}({t} {value}, <{t.lanes} x ptr> {pointers}, i32 {t.size}, {t.mask} {chosen})")
    return None
