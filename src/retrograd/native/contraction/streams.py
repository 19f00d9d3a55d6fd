"""Few rows by a B larger than the cache: some rows of B at a time are read from end to end, the sums are in memory."""

from __future__ import annotations

from retrograd.native.contraction.drivers import Call, finish_row
from retrograd.native.contraction.indices import Index, at, pieces, sweep
from retrograd.native.contraction.kernel import first_lanes, multiply_add
from retrograd.native.contraction.planning import Plan, round_up
from retrograd.native.llvm.builder import Function, constant


def streams(f: Function, p: Plan, call: Call) -> None:
    """All rows of A at once, for a range of columns."""
    product, t = p.product, p.type
    at_once = max(2, 8 // p.rows)
    pitch = round_up(product.n, t.lanes)

    def sum_of(row: Index, column: Index) -> str:
        return at(f, call.scratch, t.base, (row, pitch), (column, 1))

    def clear(column: Index, _: int) -> None:
        for r in range(product.m):
            f.store(t, constant(t, 0), sum_of(r, column))

    def group(k: Index, count: int) -> None:
        """Add the products with `count` rows of B."""
        a = at(f, call.a, t.base, (k, product.a.column))
        b = at(f, call.b, t.base, (k, product.b.row))
        elements = []
        for r in range(product.m):
            places = [r * product.a.row + q * product.a.column for q in range(count)]
            elements.append([f.splat(t, f.load(t.scalar, f.offset(a, t.base, place))) for place in places])

        def add_to(column: Index, size: int) -> None:
            mask = first_lanes(t, size)
            line = at(f, b, t.base, (column, 1))
            places = [f.offset(line, t.base, q * product.b.row) for q in range(count)]
            rows = [f.load(t, x) if mask is None else f.masked_load(t, x, mask) for x in places]
            for r in range(product.m):
                value = constant(t, 0)
                for element, x in zip(elements[r], rows, strict=True):
                    value = multiply_add(f, p.target, t, element, x, value)
                place = sum_of(r, column)
                f.store(t, f.op("fadd", t, f.load(t, place), value), place)

        pieces(f, *call.columns, t.lanes, product.n, add_to)

    def store(row: Index, rows: int) -> None:
        pieces(f, *call.columns, t.lanes, product.n, clear)
        pieces(f, 0, product.k, at_once, product.k, group)

        def line(r: Index) -> None:
            def one(column: Index, size: int) -> None:
                finish_row(f, p, call, [f.load(t, sum_of(r, column))], r, column, first_lanes(t, size))

            pieces(f, *call.columns, t.lanes, product.n, one)

        sweep(f, 0, rows, 1, line)

    # Either all rows or none.
    pieces(f, *call.rows, p.rows, product.m, store)
