"""Nests without loops: all their points lie in the lanes of registers.

A *chunk* says which point each lane of a register has. In which order points are cut into chunks decides how much has
to be moved between lanes, so a nest is written in several ways, and the cheapest one is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.native.llvm import operations
from retrograd.native.llvm.builder import Type, constant, vector_constant
from retrograd.native.llvm.combining import Combine, Register, combined, tree
from retrograd.native.llvm.elements import Elements, Key, key_of, moves, offsets
from retrograd.native.llvm.operations import IDENTITY, base_of
from retrograd.native.llvm.shapes import merged
from retrograd.native.llvm.straight import Straight
from retrograd.native.loops.ir import Expr, Nest, Reduce, View, expressions, roots

Chunk = tuple[int | None, ...]
Written = list[tuple[Key, tuple[int | None, ...], str, int]]
"""What a nest has written: a buffer, which of its elements, the register they are in, and how many lanes that has."""

PARALLEL = 8  # sums that have to go on at the same time to keep the arithmetic units busy


def chunks_of(points: Sequence[int], lanes: int) -> list[Chunk]:
    """Full registers, and one that is as wide as it has to be."""
    found: list[Chunk] = []
    for at in range(0, len(points), lanes):
        part = list(points[at : at + lanes])
        width = 1 << (len(part) - 1).bit_length()
        found.append((*part, *(None,) * (width - len(part))))
    return found


def orders(space: tuple[int, ...], reduced: Sequence[bool], lanes: int) -> list[list[Chunk]]:
    """Ways to cut a space into chunks: each dimension last once, other reduced ones first."""
    dims = [d for d, n in enumerate(space) if n > 1]
    points = np.arange(math.prod(space)).reshape(space)
    if not dims:
        return [[(0,)]]
    found = []
    for last in dims:
        outer = [d for d in dims if reduced[d] and d != last]
        kept = [d for d in dims if not reduced[d] and d != last]
        rest = [d for d, n in enumerate(space) if n == 1]
        n = math.prod(space[d] for d in outer)
        moved = points.transpose(*rest, *outer, *kept, last)
        found.append([c for row in moved.reshape(n, -1).tolist() for c in chunks_of(row, lanes)])
        if kept and space[last] % lanes and 2 * space[last] > lanes:  # rows that begin a register of their own
            found.append([c for row in moved.reshape(-1, space[last]).tolist() for c in chunks_of(row, lanes)])
    return list({tuple(way): way for way in found}.values())


class StraightNest:
    """A nest, as straight-line code."""

    def __init__(self, f: Straight, elements: Elements, nest: Nest) -> None:
        self.f, self.elements = f, elements
        self.nest = nest = nest if nest.product is not None else merged(nest)
        self.order = expressions(roots(nest))
        self.single = math.prod(nest.space) == 1
        self.uniform: dict[int, bool] = {}
        for e in self.order:
            still = e.op != "product" and not (e.op == "load" and moves(e.attr))
            self.uniform[id(e)] = self.single or (still and all(self.uniform[id(a)] for a in e.args))
        self.places = {view: offsets(view) for view in (e.attr for e in self.order if e.op == "load")}
        self.targets = {id(s): offsets(s.view) for s in nest.stores} | {id(r): offsets(r.view) for r in nest.reduces}
        self.scalars: dict[int, str] = {}

    # Orders -----------------------------------------------------------------------------------------------------------

    def lanes(self) -> int:
        """How many elements at a time: as many as fit a register of the smallest numbers among them."""
        found = [e.dtype.itemsize for e in self.order if e.op != "const" and e.dtype.itemsize >= 4]
        return self.f.target.lanes(min(found, default=4))

    def orders(self) -> list[list[Chunk]]:
        """The ways that are worth a trial."""
        nest, lanes = self.nest, self.lanes()
        if nest.product is not None:
            space = (*nest.space, nest.product.k)
            return orders(space, (*(False,) * len(nest.space), True), lanes)
        reduced = nest.reduces[0].axes if nest.reduces else (False,) * len(nest.space)
        found = {tuple(way): way for way in orders(nest.space, reduced, lanes)}
        for view in self.places:
            way = self._following(view)
            if way is not None and max(map(len, way)) <= lanes and len(way) <= 2 * (math.prod(nest.space) // lanes + 1):
                found.setdefault(tuple(way), way)
        return list(found.values())

    def _following(self, view: View) -> list[Chunk] | None:
        """The points as the elements of a view lie in registers."""
        if view.buffer is None:
            return None
        own = self.elements.places.get(key_of(view), {})
        points = {e: p for p, e in enumerate(self.places[view])}
        if len(points) < view.size or not all(e in own for e in points):
            return None
        registers: dict[tuple[str, int], list[int | None]] = {}  # a constant has one name at every width
        for e, p in points.items():
            place = own[e]
            lanes = registers.setdefault((place.register, place.lanes), [None] * max(place.lanes, 1))
            lanes[place.lane] = p
        way = [tuple(r) for r in registers.values()]
        return way if sum(p is not None for c in way for p in c) == len(points) else None

    def cheapest(self) -> list[Chunk]:
        """The order of points whose code costs least, as far as a part of it tells."""
        found = sorted(self.orders(), key=len)
        best, least = found[0], float("inf")
        for way in found if len(found) > 1 else ():
            part, share = self._sample(way)
            cost = self.f.price(lambda part=part: self.write(part), least * share) / share  # type: ignore[misc]
            if cost < least:
                best, least = way, cost
        return best

    def _sample(self, way: list[Chunk]) -> tuple[list[Chunk], float]:
        """Some chunks, all that belong to the same results, and which share of all they are."""
        nest = self.nest
        groups: dict[Any, list[Chunk]] = {}
        sums = nest.product is not None or bool(nest.reduces)
        for chunk in way:
            groups.setdefault(self._results(chunk) if sums else chunk, []).append(chunk)
        part = [c for members in list(groups.values())[: self.lanes()] for c in members]
        return part, len(part) / len(way)

    def _results(self, chunk: Chunk) -> tuple[int | None, ...]:
        """To which sum each lane belongs."""
        if self.nest.product is not None:
            k = self.nest.product.k
            return tuple(None if p is None else p // k for p in chunk)
        return _picked(self.targets[id(self.nest.reduces[0])], chunk)

    # Writing ----------------------------------------------------------------------------------------------------------

    def write(self, way: Sequence[Chunk]) -> Written:
        """The code for points in an order; what it writes is not yet where others read it."""
        nest = self.nest
        self.scalars = {}
        sums: list[Sequence[str | None]] = [[None] * len(way)]
        if nest.product is not None:
            results = self._products(way)
            way, sums = [ids for _, ids in results], [[name for name, _ in results]]
        done: Written = []
        parts: dict[int, list[Register]] = {id(r): [] for r in nest.reduces}
        for chunk, total in zip(way, sums[0], strict=True):
            found = self._values(chunk, total)
            for r in nest.reduces:
                parts[id(r)].append((found[id(r.value)], _picked(self.targets[id(r)], chunk)))
            for s in nest.stores:
                value = found[id(s.value)]
                done.append((key_of(s.view), _picked(self.targets[id(s)], chunk), value, _width(chunk)))
        first: Written = []
        for r in nest.reduces:
            base = base_of(r.value.dtype)
            for name, ids in combined(self.f, base, parts[id(r)], self._adder(r)):
                first.append((key_of(r.view), ids, name, _width(ids)))
        return first + done

    def _adder(self, r: Reduce) -> Combine:
        def combine(lanes: int, a: str, b: str) -> str:
            return operations.emit(self.f, self.f.target, r.op, r.value.dtype, lanes, (a, b))

        return combine

    def _products(self, way: Sequence[Chunk]) -> list[Register]:
        """Sums of products: in registers of which each lane belongs to one sum, and then across lanes."""
        product = self.nest.product
        assert product is not None
        a, b, k = product.a, product.b, product.k
        dtype = a.dtype
        base, f = base_of(dtype), self.f
        *stack, m, n = self.nest.space
        *sa, am, ak = a.strides
        *sb, bk, bn = b.strides
        space = (*stack, m, n, k)
        at_a = offsets(View(a.buffer, dtype, space, (*sa, am, 0, ak), a.offset))
        at_b = offsets(View(b.buffer, dtype, space, (*sb, 0, bn, bk), b.offset))
        groups: dict[Chunk, list[Chunk]] = {}
        for chunk in way:
            groups.setdefault(self._results(chunk), []).append(chunk)
        found: list[Register] = []

        def add(lanes: int, x: str, y: str) -> str:
            return f.op("fadd", Type(base, lanes), x, y)

        for ids, members in groups.items():
            t = Type(base, _width(ids))
            chains = max(1, min(PARALLEL // len(groups), len(members) // 2))
            totals: list[str] = []
            for i, chunk in enumerate(members):
                x = self.elements.read(key_of(a), _picked(at_a, chunk))
                y = self.elements.read(key_of(b), _picked(at_b, chunk))
                if i < chains:
                    totals.append(f.op("fmul", t, x, y))
                elif f.target.fma:
                    totals[i % chains] = f.fma(t, x, y, totals[i % chains])
                else:
                    totals[i % chains] = add(t.lanes, totals[i % chains], f.op("fmul", t, x, y))
            found.append((tree(totals, t.lanes, add), ids))
        return combined(f, base, found, add)

    # Values -----------------------------------------------------------------------------------------------------------

    def _values(self, chunk: Chunk, total: str | None) -> dict[int, str]:
        """Every expression at the points of a chunk."""
        lanes = _width(chunk)
        found: dict[int, str] = {}
        for e in self.order:
            if self.uniform[id(e)]:
                found[id(e)] = self._uniform(e, chunk, total)
            elif e.op == "product":
                assert total is not None
                found[id(e)] = total
            elif e.op == "load":
                found[id(e)] = self._load(e.attr, chunk)
            else:
                found[id(e)] = self._operation(e, [found[id(a)] for a in e.args], lanes)
        return found

    def _uniform(self, e: Expr, chunk: Chunk, total: str | None) -> str:
        """What is the same at all points, in all lanes."""
        lanes = _width(chunk)
        t = Type(base_of(e.dtype), lanes)
        if e.op == "const":
            return constant(t, e.attr)
        if lanes and e.op == "load" and e.attr.buffer is not None:
            return self.elements.read(key_of(e.attr), [self.places[e.attr][0]] * lanes)
        return self.f.splat(t, self._scalar(e, total))

    def _scalar(self, e: Expr, total: str | None) -> str:
        if id(e) in self.scalars:
            return self.scalars[id(e)]
        for x in expressions([e]):  # arguments first
            if id(x) not in self.scalars:
                self.scalars[id(x)] = self._one(x, [self.scalars[id(a)] for a in x.args], total)
        return self.scalars[id(e)]

    def _one(self, e: Expr, args: Sequence[str], total: str | None) -> str:
        if e.op == "const":
            return constant(Type(base_of(e.dtype)), e.attr)
        if e.op == "product":
            assert total is not None
            return total
        if e.op == "load":
            return self._load(e.attr, (0,))
        return self._operation(e, args, 0)

    def _operation(self, e: Expr, args: Sequence[str], lanes: int) -> str:
        if e.op == "counter":
            return self.elements.counter(e.attr)
        dtype = e.args[-1].dtype

        def write(xs: Sequence[str]) -> str:
            if e.op == "convert":
                return operations.convert(self.f, dtype, e.dtype, lanes, xs[0])
            return operations.emit(self.f, self.f.target, e.op, dtype, lanes, xs)

        return self.f.operation((e.op, dtype, e.dtype, lanes), args, write)

    def _load(self, view: View, chunk: Chunk) -> str:
        at = _picked(self.places[view], chunk)
        if view.buffer is not None:
            return self.elements.read(key_of(view), at)
        f, lanes = self.f, _width(chunk)
        t = Type("i64", lanes)
        total = vector_constant(t, [e or 0 for e in at]) if lanes else str(at[0])
        for c, stride in view.terms:
            moved = f.value(f"mul i64 {self.elements.counter(c)}, {stride}")
            total = f.op("add", t, f.splat(t, moved), total)
        return operations.convert(f, np.dtype("int64"), view.dtype, lanes, total)


def _picked(places: Sequence[int], chunk: Sequence[int | None]) -> tuple[int | None, ...]:
    return tuple(None if p is None else places[p] for p in chunk)


def _width(chunk: Sequence[int | None]) -> int:
    return len(chunk) if len(chunk) > 1 else 0


def nothing(nest: Nest) -> Written:
    """What a nest over no points writes: reductions of nothing."""
    done: Written = []
    for r in nest.reduces:
        space = [n for n, a in zip(nest.space, r.axes, strict=True) if not a]
        if 0 in space:
            continue
        strides = tuple(s for s, a in zip(r.view.strides, r.axes, strict=True) if not a)
        places = offsets(View(None, r.view.dtype, tuple(space), strides, r.view.offset))
        value = constant(Type(base_of(r.value.dtype)), IDENTITY[r.op](r.value.dtype))
        done += [(key_of(r.view), (e,), value, 0) for e in places]
    return done
