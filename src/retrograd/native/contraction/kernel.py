"""Micro-kernels: sums over k for a tile of C in registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrograd.native.llvm.builder import Function, Type, constant, vector_constant
from retrograd.native.llvm.target import Target


@dataclass(frozen=True, slots=True)
class Reads:
    """How a tile reads its operands: element strides of A, the stride of B from row to row, the last vector's mask."""

    a_row: int
    a_column: int
    b_row: int
    mask: str | None = None


def first_lanes(t: Type, count: int) -> str | None:
    """The mask that has the first lanes; None if those are all."""
    return None if count == t.lanes else vector_constant(t.mask, [lane < count for lane in range(t.lanes)])


def multiply_add(f: Function, target: Target, t: Type, a: str, b: str, c: str) -> str:
    """``a b + c``: without an instruction for it, llvm.fma would call the C library."""
    return f.fma(t, a, b, c) if target.fma else f.op("fadd", t, f.op("fmul", t, a, b), c)


def tile(
    f: Function, target: Target, t: Type, shape: tuple[int, int], k: int, depth: int, chains: int,
    a: str, b: str, reads: Reads,
) -> list[str]:  # fmt: skip
    """The sums of a tile of (rows, vectors), row by row; `a` and `b` point at its first row and first column.

    A chain of additions is `depth` long at most; the sums of the pieces are added up in order, in memory, because the
    registers are taken.
    """
    rows, vectors = shape
    zeros = [constant(t, 0)] * (rows * vectors)
    if k <= depth:
        return _piece(f, target, t, shape, k, chains, a, b, reads)[0] if k else zeros
    totals = f.alloca(t, rows * vectors)
    for place, zero in enumerate(zeros):
        f.store(t, zero, _slot(f, t, totals, place))
    with f.loop(k // depth, carried=[("ptr", a), ("ptr", b)]) as loop:
        a, b = loop.carried
        sums, a, b = _piece(f, target, t, shape, depth, chains, a, b, reads)
        loop.following = [a, b]
        for place, value in enumerate(sums):
            slot = _slot(f, t, totals, place)
            f.store(t, f.op("fadd", t, f.load(t, slot), value), slot)
    sums = [f.load(t, _slot(f, t, totals, place)) for place in range(rows * vectors)]
    if k % depth:
        last = _piece(f, target, t, shape, k % depth, chains, a, b, reads)[0]
        sums = [f.op("fadd", t, total, value) for total, value in zip(sums, last, strict=True)]
    return sums


def _slot(f: Function, t: Type, buffer: str, place: int) -> str:
    return f.offset(buffer, t.base, place * max(t.lanes, 1))


def _piece(
    f: Function, target: Target, t: Type, shape: tuple[int, int], k: int, chains: int, a: str, b: str, reads: Reads
) -> tuple[list[str], str, str]:
    """Sums over k terms, and the addresses of the terms that follow."""
    rows, vectors = shape
    unroll = max(chains, 4 if rows * vectors < 6 else 2 if rows * vectors < 12 else 1)
    sums = [[constant(t, 0)] * (rows * vectors) for _ in range(chains)]

    def terms(count: int, a: str, b: str, sums: list[list[str]]) -> None:
        for p in range(count):
            sums[p % chains] = _term(f, target, t, shape, p, a, b, reads, sums[p % chains])

    if k >= 2 * unroll:
        carried = [("ptr", a), ("ptr", b), *((t, value) for chain in sums for value in chain)]
        with f.loop(k // unroll, carried=carried) as loop:
            inner = _chunks(loop.carried[2:], chains)
            terms(unroll, loop.carried[0], loop.carried[1], inner)
            after = [f.offset(loop.carried[0], t.base, unroll * reads.a_column)]
            after.append(f.offset(loop.carried[1], t.base, unroll * reads.b_row))
            loop.following = [*after, *(value for chain in inner for value in chain)]
        a, b, *flat = loop.following
        sums = _chunks(flat, chains)
        k %= unroll
    terms(k, a, b, sums)
    while len(sums) > 1:
        half = len(sums) // 2
        sums = [[f.op("fadd", t, x, y) for x, y in zip(sums[i], sums[i + half], strict=True)] for i in range(half)]
    return sums[0], f.offset(a, t.base, k * reads.a_column), f.offset(b, t.base, k * reads.b_row)


def _chunks(values: Sequence[str], count: int) -> list[list[str]]:
    size = len(values) // count
    return [list(values[i * size : (i + 1) * size]) for i in range(count)]


def _term(
    f: Function, target: Target, t: Type, shape: tuple[int, int], p: int, a: str, b: str, reads: Reads, sums: list[str]
) -> list[str]:
    """Add the products of column p of A and row p of B."""
    rows, vectors = shape
    row = []
    for v in range(vectors):
        place = f.offset(b, t.base, p * reads.b_row + v * t.lanes)
        masked = reads.mask is not None and v == vectors - 1
        row.append(f.masked_load(t, place, str(reads.mask)) if masked else f.load(t, place))
    result = []
    for r in range(rows):
        place = f.offset(a, t.base, p * reads.a_column + r * reads.a_row)
        element = f.splat(t, f.load(t.scalar, place))
        totals = sums[r * vectors : (r + 1) * vectors]
        result += [multiply_add(f, target, t, element, x, total) for x, total in zip(row, totals, strict=True)]
    return result


def packed_tile(f: Function, target: Target, t: Type, shape: tuple[int, int]) -> str:
    """The name of a function for tiles of packed operands; the module holds one for each shape.

    Its arguments: panels of A and B, the tile's sums in memory row by row, k (a multiple of the unrolling), and whether
    the sums are to be added to.
    """
    rows, vectors = shape
    module = f.module
    name = f"tile_{t.suffix}_{rows}x{vectors}"
    if name in module.functions:
        return name
    arguments = [("ptr", "a"), ("ptr", "b"), ("ptr", "sums"), ("i64", "k"), ("i1", "more")]
    g = module.function(name, arguments, "internal void")
    unroll = min(
        4 if rows * vectors < 20 else 2, target.lanes(t.size)
    )  # packed operands are filled up to whole vectors of k
    reads = Reads(1, rows, vectors * t.lanes)
    # The sums lie in a far cache if there are many tiles: fetch them meanwhile.
    prefetch = module.declare("llvm.prefetch.p0", "void", "ptr, i32, i32, i32")
    for byte in range(0, rows * vectors * t.lanes * t.size, 64):
        g.do(f"call void {prefetch}(ptr {g.offset('%sums', 'i8', byte)}, i32 1, i32 3, i32 1)")
    carried = [("ptr", "%a"), ("ptr", "%b"), *[(t, constant(t, 0))] * (rows * vectors)]
    with g.loop("%k", 0, unroll, carried, at_least_once=True) as loop:
        a, b, *sums = loop.carried
        for p in range(unroll):
            sums = _term(g, target, t, shape, p, a, b, reads, sums)
        loop.following = [g.offset(a, t.base, unroll * rows), g.offset(b, t.base, unroll * reads.b_row), *sums]
    sums = loop.following[2:]
    places = [_slot(g, t, "%sums", place) for place in range(rows * vectors)]
    again, fresh = g.fresh("again"), g.fresh("fresh")
    g.do(f"br i1 %more, label %{again}, label %{fresh}")
    g.label(again)
    for place, value in zip(places, sums, strict=True):
        g.store(t, g.op("fadd", t, g.load(t, place), value), place)
    g.do("ret void")
    g.label(fresh)
    for place, value in zip(places, sums, strict=True):
        g.store(t, value, place)
    g.do("ret void")
    return name
