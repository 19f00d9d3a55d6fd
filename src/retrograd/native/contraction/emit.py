"""The code of a product, and of packing its second operand ahead."""

from __future__ import annotations

from retrograd.native.contraction.dots import dots
from retrograd.native.contraction.drivers import Call, Epilogue, blocks, tiles
from retrograd.native.contraction.indices import Index, at, pieces
from retrograd.native.contraction.packing import pack_panel
from retrograd.native.contraction.planning import Product, plan
from retrograd.native.contraction.streams import streams
from retrograd.native.llvm.builder import Function
from retrograd.native.llvm.target import Target


def emit(
    f: Function, target: Target, product: Product, a: str, b: str, epilogue: Epilogue, scratch: str,
    rows: tuple[Index, Index] | None = None, columns: tuple[Index, Index] | None = None,
    packed: str | None = None, epilogue_size: int = 8,
) -> None:  # fmt: skip
    """Write the code that computes a part of C, all of it unless told otherwise.

    Args:
        f: the function that is being written.
        target: the machine.
        product: sizes and strides.
        a: the address of the first element of A.
        b: that of B.
        epilogue: ``epilogue(f, type, value, row, column, mask)`` writes the code for a vector of finished elements of
            C: those of `row` from `column` on; the mask, a constant, says which of them exist, None that all do. When
            the code runs, every element of the part comes by once.
        scratch: the address of `scratch_bytes` of memory that no other thread uses, aligned to 64.
        rows: a range, as numbers or registers; begins and ends at multiples of `Plan.row_step`, or at the end.
        columns: likewise, of `Plan.column_step`.
        packed: the address of what `pack` made, aligned to 64; `b` is not read then.
        epilogue_size: about how many instructions the epilogue writes; a large one is put in a loop.

    The order in which the terms of an element are added does not depend on the ranges. What the epilogue writes must
    not overlap A or B: they are still read.
    """
    if not product.m or not product.n:
        return
    p = plan(target, product)
    call = Call(
        a, b, packed, rows or (0, product.m), columns or (0, product.n), epilogue, epilogue_size, scratch
    )  # fmt: skip
    {"tiles": tiles, "blocks": blocks, "dots": dots, "streams": streams}[p.form](f, p, call)


def pack(
    f: Function, target: Target, product: Product, b: str, packed: str, columns: tuple[Index, Index] | None = None
) -> None:
    """Write the code that packs B into `packed_bytes` of memory, or only a range of its columns.

    For threads that share the panels, and for an operand that stays the same over a loop. Writes nothing for a plan
    that reads B where it lies.
    """
    p = plan(target, product)
    if not p.packs or not product.m or not product.k:
        return

    def panel(column: Index, size: int) -> None:
        to = at(f, packed, product.base, (column, p.packed_depth))
        pack_panel(f, p, b, column, 0, product.k, to)

    pieces(f, *(columns or (0, product.n)), p.width, product.n, panel)
