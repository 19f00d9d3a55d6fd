"""Products of matrices as functions: the contraction generator with the nest's expressions as its epilogue."""

from __future__ import annotations

import math
from contextlib import ExitStack

from retrograd.native import contraction
from retrograd.native.contraction import Operand, Product
from retrograd.native.llvm.builder import Module, Type
from retrograd.native.llvm.nests import Written
from retrograd.native.llvm.operations import base_of
from retrograd.native.llvm.points import Points
from retrograd.native.llvm.shapes import arranged, views_of
from retrograd.native.llvm.state import SCRATCH, Table
from retrograd.native.llvm.target import Target
from retrograd.native.loops.ir import Nest, roots

RATE = 100.0  # floating point operations in a nanosecond, for a guess at how long a product takes


def product_of(nest: Nest) -> Product:
    """What the contraction generator is to multiply."""
    assert nest.product is not None
    a, b = nest.product.a, nest.product.b
    *_, m, n = nest.space
    return Product(
        m,
        n,
        nest.product.k,
        base_of(a.dtype),
        Operand(a.strides[-2], a.strides[-1]),
        Operand(b.strides[-2], b.strides[-1]),
    )


def scratch_of(target: Target, nest: Nest) -> int:
    """Bytes that one thread needs besides."""
    if nest.product is None or 0 in nest.space:
        return 0
    return contraction.scratch_bytes(target, product_of(arranged(nest)))


class ProductWriter:
    """Writes one product: a function of the state, a range, and the number of the thread."""

    def __init__(self, module: Module, target: Target, table: Table, nest: Nest, name: str, scratch: int) -> None:
        assert nest.product is not None
        self.nest = nest = arranged(nest)
        self.name, self.target, self.table = name, target, table
        self.product = product_of(nest)
        self.f = module.function(name, [("ptr", "state"), ("i64", "from"), ("i64", "to"), ("i64", "part")])
        self.rank = len(nest.space)
        self.points = Points(self.f, target, table, self.rank, roots(nest))
        self.plan = contraction.plan(target, self.product)
        self.scratch = scratch
        self.stack = nest.space[:-2]
        self.batch = math.prod(self.stack)
        self.by_rows = contraction.shares(target, self.product, 2)[0] == "rows"

    def write(self) -> Written:
        f, p, pr = self.f, self.points, self.product
        a, b = self.nest.product.a, self.nest.product.b  # type: ignore[union-attr]
        room = self.table.load(f, SCRATCH)
        room = f.offset(room, "i8", f.value(f"mul nsw i64 %part, {self.scratch}"))
        p.scalars(0)
        if any(s.final for s in self.nest.stores):
            p.last  # noqa: B018 - asked here, where it is the same for all points
        views = [*views_of(self.nest), a, b]
        p.prepare(views)
        rows: tuple[int | str, int | str] = (0, pr.m)
        columns: tuple[int | str, int | str] = (0, pr.n)
        step = self.plan.row_step if self.by_rows else self.plan.column_step
        end = pr.m if self.by_rows else pr.n
        if self.batch == 1:
            first, last = (f.value(f"mul nsw i64 {x}, {step}") for x in ("%from", "%to"))
            over = f.compare("sgt", Type("i64"), last, str(end))
            part = (first, f.select(Type("i64"), over, str(end), last))
            rows, columns = (part, columns) if self.by_rows else (rows, part)
        with ExitStack() as stack:
            for d, n in enumerate(self.stack):
                bounds: tuple[int | str, int | str] = (n, 0)
                if self.batch > 1 and d == 0:
                    bounds = ("%to", "%from")
                loop = stack.enter_context(f.loop(*bounds))
                p.enter(loop.index)
                p.prepare(views)
                stack.callback(p.leave)
            p.spread(self.plan.lanes)
            level = len(self.stack)
            contraction.emit(
                f, self.target, pr, p.pointer(a, level), p.pointer(b, level), self._epilogue, room,
                rows=rows, columns=columns, epilogue_size=p.instructions + 2 * len(self.nest.stores),
            )  # fmt: skip
        f.do("ret void")
        extent = self.stack[0] if self.batch > 1 else -(-end // step)
        cost = self.batch * pr.m * pr.n * (2.0 * max(pr.k, 1) / RATE + p.instructions * 0.15 / self.plan.lanes)
        return Written(self.name, extent, True, cost, [])

    def _epilogue(self, f: object, t: Type, value: str, row: str, column: str, mask: str | None) -> None:
        """What becomes of a vector of finished sums."""
        p = self.points
        p.enter(str(row))
        p.spread(t.lanes)
        found = p.vectors(t.lanes, str(column), mask, value)
        for s in self.nest.stores:
            st = Type(base_of(s.value.dtype), t.lanes)
            v = found[id(s.value)] if id(s.value) in found else p.lane_value(s.value, t.lanes)
            with p.seen(s.final):
                p.store(s.view, st, v, str(column), mask)
        p.leave()
