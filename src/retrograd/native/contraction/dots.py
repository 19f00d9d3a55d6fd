"""Few rows by columns that lie along k: vectors run along k, and are added up across their lanes at the end."""

from __future__ import annotations

from collections.abc import Sequence

from retrograd.native.contraction.drivers import Call, finish_row
from retrograd.native.contraction.indices import Index, add, at, least, pieces, sweep
from retrograd.native.contraction.kernel import first_lanes, multiply_add
from retrograd.native.contraction.planning import Plan
from retrograd.native.llvm.builder import Function, Type, constant


def dots(f: Function, p: Plan, call: Call) -> None:
    """Each row of A times a vector's worth of columns of B at once."""
    product, t = p.product, p.type
    a, row_stride = call.a, product.a.row
    if product.a.column != 1:
        a, row_stride = f.offset(call.scratch, "i8", p.panel_scratch), product.k
        sweep(f, *call.rows, 1, lambda row: _gather(f, p, call.a, row, a))

    def group(column: Index, size: int) -> None:
        # Columns beyond the last are copies of it.
        places = [least(f, add(f, column, lane), product.n - 1) for lane in range(p.lanes)]
        lines = [at(f, call.b, t.base, (place, product.b.column)) for place in places]

        def one(row: Index) -> None:
            value = _row(f, p, at(f, a, t.base, (row, row_stride)), lines)
            finish_row(f, p, call, [value], row, column, first_lanes(t, size))

        sweep(f, *call.rows, 1, one)

    pieces(f, *call.columns, p.lanes, product.n, group)


def _gather(f: Function, p: Plan, a: str, row: Index, to: str) -> None:
    product, element = p.product, p.type.scalar
    source = at(f, a, element.base, (row, product.a.row))
    target = at(f, to, element.base, (row, product.k))

    def one(place: Index) -> None:
        value = f.load(element, at(f, source, element.base, (place, product.a.column)))
        f.store(element, value, at(f, target, element.base, (place, 1)))

    sweep(f, 0, product.k, 1, one)


def _row(f: Function, p: Plan, a: str, lines: Sequence[str]) -> str:
    """A row of A times each of the columns, as one vector."""
    wide = Type(p.product.base, p.target.lanes(p.product.size))
    k, step = p.product.k, wide.lanes * p.chains
    sums = [constant(wide, 0)] * (len(lines) * p.chains)

    def terms(first: Index, count: int, sums: list[str]) -> list[str]:
        result = list(sums)
        for chain in range(-(-count // wide.lanes)):
            mask = first_lanes(wide, min(wide.lanes, count - chain * wide.lanes))
            loaded = []
            for line in [a, *lines]:
                place = at(f, line, wide.base, (add(f, first, chain * wide.lanes), 1))
                loaded.append(f.load(wide, place) if mask is None else f.masked_load(wide, place, mask))
            for q, column in enumerate(loaded[1:]):
                slot = q * p.chains + chain
                result[slot] = multiply_add(f, p.target, wide, loaded[0], column, result[slot])
        return result

    whole = k - k % step
    if whole:
        with f.loop(whole, 0, step, carried=[(wide, value) for value in sums]) as loop:
            loop.following = terms(loop.index, step, loop.carried)
        sums = loop.following
    if k % step:
        sums = terms(whole, k % step, sums)
    return across(f, wide, [_total(f, wide, sums[q : q + p.chains]) for q in range(0, len(sums), p.chains)])


def _total(f: Function, t: Type, values: Sequence[str]) -> str:
    while len(values) > 1:
        half = len(values) // 2
        values = [f.op("fadd", t, values[q], values[q + half]) for q in range(half)]
    return values[0]


def across(f: Function, t: Type, vectors: Sequence[str]) -> str:
    """The sum over the lanes of each of the vectors, as a vector of that many lanes; a power of two, at most the lanes.

    A vector holds blocks, each a part of the sum of one of the inputs: two vectors at a time are added half by half.
    """
    width, lanes = t.lanes, t.lanes
    while width > 1:
        half = width // 2
        blocks = range(0, lanes, width)
        if len(vectors) > 1:
            low = [q for start in [*blocks, *(lanes + b for b in blocks)] for q in range(start, start + half)]
            pairs = zip(vectors[0::2], vectors[1::2], strict=True)
        else:
            low = [q for start in blocks for q in range(start, start + half)]
            pairs = zip(vectors, ["poison"], strict=True)
        source, result = Type(t.base, lanes), Type(t.base, len(low))
        vectors = [
            f.op("fadd", result, f.shuffle(source, x, y, low), f.shuffle(source, x, y, [q + half for q in low]))
            for x, y in pairs
        ]
        width, lanes = half, len(low)
    return vectors[0]
