"""Loops over the tiles of C: operands read where they lie, or packed block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from retrograd.native.contraction.indices import I64, Index, add, at, least, pieces, subtract, sweep, whether
from retrograd.native.contraction.kernel import Reads, first_lanes, packed_tile, tile
from retrograd.native.contraction.packing import pack_panel, pack_tile
from retrograd.native.contraction.planning import Plan
from retrograd.native.llvm.builder import Function, Type


class Epilogue(Protocol):
    """Writes the code for a vector of finished elements of C: row `row`, from `column` on, where `mask` is true."""

    def __call__(self, f: Function, t: Type, value: str, row: str, column: str, mask: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """What a driver writes code for, beside the plan.

    Attributes:
        a, b: addresses of the first elements.
        packed: the address of packed panels of B; None if they are packed on the way, or not at all.
        rows, columns: the part of C, as `Plan.row_step` and `Plan.column_step` allow.
        epilogue: what happens to the result.
        epilogue_size: about how many instructions that is.
        scratch: the address of private memory.
    """

    a: str
    b: str
    packed: str | None
    rows: tuple[Index, Index]
    columns: tuple[Index, Index]
    epilogue: Epilogue
    epilogue_size: int
    scratch: str


def vectors_of(p: Plan, columns: int) -> tuple[int, str | None]:
    """How many vectors hold some columns of a panel, and the mask of the last."""
    count = -(-columns // p.lanes)
    return count, first_lanes(p.type, columns - (count - 1) * p.lanes)


def finish(
    f: Function, p: Plan, call: Call, values: Sequence[str], shape: tuple[int, int], row: Index, column: Index,
    mask: str | None,
) -> None:  # fmt: skip
    """Write the epilogue for a tile: for each vector, or in a loop over rows if that were too much code."""
    rows, vectors = shape
    if rows * vectors * call.epilogue_size <= 400 or rows == 1:
        for r in range(rows):
            finish_row(f, p, call, values[r * vectors : (r + 1) * vectors], add(f, row, r), column, mask)
        return
    t = p.type
    buffer = f.alloca(t, rows * vectors)
    for place, value in enumerate(values):
        f.store(t, value, f.offset(buffer, t.base, place * t.lanes))
    finish_rows(f, p, call, buffer, vectors, row, rows, column, (vectors, mask))


def finish_rows(
    f: Function, p: Plan, call: Call, buffer: str, pitch: int, row: Index, rows: Index, column: Index,
    last: tuple[int, str | None],
) -> None:  # fmt: skip
    """The epilogue for the sums of a tile in memory, `pitch` vectors a row; `last`: how many of them, and the mask."""
    t = p.type
    vectors, mask = last

    def one(r: Index) -> None:
        line = at(f, buffer, t.base, (r, pitch * t.lanes))
        values = [f.load(t, f.offset(line, t.base, v * t.lanes)) for v in range(vectors)]
        finish_row(f, p, call, values, add(f, row, r), column, mask)

    sweep(f, 0, rows, 1, one)


def finish_row(
    f: Function, p: Plan, call: Call, values: Sequence[str], row: Index, column: Index, mask: str | None
) -> None:
    """The epilogue for neighbouring vectors of a row; `mask` is that of the last."""
    for v, value in enumerate(values):
        place = add(f, column, v * p.lanes)
        call.epilogue(f, p.type, value, str(row), str(place), mask if v == len(values) - 1 else None)


def panel_of(f: Function, p: Plan, call: Call, column: Index, first: Index) -> str:
    """Where the packed panel that begins at `column` lies; `first` is the first column packed on the way."""
    base = p.product.base
    if call.packed is not None:
        return at(f, call.packed, base, (column, p.packed_depth))
    if p.keeps_panels:
        return at(f, call.scratch, base, (column, p.packed_depth), (first, -p.packed_depth))
    return call.scratch


def tiles(f: Function, p: Plan, call: Call) -> None:
    """A is read where it lies, and a panel of B stays in the first-level cache over all tiles of a block of rows."""
    product, t = p.product, p.type
    on_the_way = p.packs and call.packed is None

    def one(row: Index, rows: int, column: Index, size: int, b: str, b_row: int) -> None:
        a = at(f, call.a, t.base, (row, product.a.row))
        vectors, mask = vectors_of(p, size)
        reads = Reads(product.a.row, product.a.column, b_row, None if p.packs else mask)
        sums = tile(f, p.target, t, (rows, vectors), product.k, p.depth, p.chains, a, b, reads)
        finish(f, p, call, sums, (rows, vectors), row, column, mask)

    def block(first_row: Index, end_row: Index, first: Index, end: Index) -> None:
        def panel(column: Index, size: int) -> None:
            b, b_row = at(f, call.b, t.base, (column, 1)), product.b.row
            if p.packs:
                b, b_row = panel_of(f, p, call, column, first), p.width
            if on_the_way:
                with whether(f, "eq", first_row, call.rows[0]) as now:
                    if now:
                        pack_panel(f, p, call.b, column, 0, product.k, b)
            pieces(f, first_row, end_row, p.rows, product.m, lambda row, rows: one(row, rows, column, size, b, b_row))

        def line(row: Index, rows: int) -> None:
            def tile_of(column: Index, size: int) -> None:
                one(row, rows, column, size, at(f, call.b, t.base, (column, 1)), product.b.row)

            pieces(f, first, end, p.width, product.n, tile_of)

        if p.by_rows:
            pieces(f, first_row, end_row, p.rows, product.m, line)
        else:
            pieces(f, first, end, p.width, product.n, panel)

    _in_blocks(f, p, call, block)


def blocks(f: Function, p: Plan, call: Call) -> None:
    """A block of A is packed for the second-level cache and multiplied by panels of B, one block of k after another."""
    product, t = p.product, p.type
    name = packed_tile(f, p.target, t, (p.rows, p.vectors))
    on_the_way = call.packed is None
    packed_a = f.offset(call.scratch, "i8", p.panel_scratch)
    sums = f.offset(packed_a, "i8", p.block_scratch)
    many = p.depths > 1

    def block(first_row: Index, end_row: Index, first: Index, end: Index) -> None:
        def depth(start: Index) -> None:
            stop = least(f, add(f, start, p.depth), product.k)
            length = subtract(f, least(f, add(f, start, p.depth), p.packed_depth), start)

            def pack(row: Index) -> None:
                to = at(f, packed_a, t.base, (subtract(f, row, first_row), p.depth))
                pack_tile(f, p, call.a, row, start, stop, to)

            sweep(f, first_row, end_row, p.rows, pack)

            def panel(column: Index, size: int) -> None:
                b = panel_of(f, p, call, column, first)
                if call.packed is not None or p.keeps_panels:
                    b = at(f, b, t.base, (start, p.width))
                if on_the_way:
                    with whether(f, "eq", first_row, call.rows[0]) as now:
                        if now:
                            pack_panel(f, p, call.b, column, start, stop, b)
                more = f.compare("sgt", I64, str(start), "0") if many else "false"

                def one(row: Index) -> None:
                    inner = subtract(f, row, first_row)
                    a = at(f, packed_a, t.base, (inner, p.depth))
                    place = sums
                    if many:
                        # A strip of a panel's columns holds the tiles of the block of rows one after another.
                        strip = (subtract(f, column, first), p.rows_at_once)
                        place = at(f, sums, t.base, strip, (inner, p.width))
                    f.do(f"call void @{name}(ptr {a}, ptr {b}, ptr {place}, i64 {length}, i1 {more})")
                    with whether(f, "eq", stop, product.k) as last:
                        if last:
                            count = least(f, p.rows, subtract(f, product.m, row))
                            finish_rows(f, p, call, place, p.vectors, row, count, column, vectors_of(p, size))

                sweep(f, first_row, end_row, p.rows, one)

            pieces(f, first, end, p.width, product.n, panel)

        sweep(f, 0, product.k, p.depth, depth)

    _in_blocks(f, p, call, block)


class _Block(Protocol):
    def __call__(self, first_row: Index, end_row: Index, first: Index, end: Index) -> None: ...


def _in_blocks(f: Function, p: Plan, call: Call, block: _Block) -> None:
    """Blocks of rows within blocks of columns."""

    def columns(first: Index, end: Index) -> None:
        def rows(first_row: Index) -> None:
            block(first_row, least(f, add(f, first_row, p.rows_at_once), call.rows[1]), first, end)

        if not p.keeps_panels:
            block(*call.rows, first, end)
        else:
            sweep(f, *call.rows, p.rows_at_once, rows)

    if p.product.n <= p.columns_at_once:
        columns(*call.columns)
    else:
        step = p.columns_at_once
        sweep(f, *call.columns, step, lambda first: columns(first, least(f, add(f, first, step), call.columns[1])))
